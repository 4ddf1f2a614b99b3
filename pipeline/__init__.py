"""Docrelay's public names, for programs, notebooks and workflows. Each one is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from extractors.document import Document, Page, Section
    from pipeline.client import AsyncClient, Client
    from pipeline.composition.builtins import chunk, embed, finalize, route, sidecar, upsert
    from pipeline.composition.decorator import stage
    from pipeline.composition.validation import plan_of
    from pipeline.dry_run import extract
    from pipeline.facade import Docrelay
    from pipeline.notify.webhook_signature import sign, verify
    from pipeline.types import About, Chunk
    from pipeline.vectorstore.base import Filter

__all__ = [
    "About",
    "AsyncClient",
    "Chunk",
    "Client",
    "Docrelay",
    "Document",
    "Filter",
    "Page",
    "Section",
    "chunk",
    "embed",
    "extract",
    "finalize",
    "plan_of",
    "route",
    "sidecar",
    "sign",
    "stage",
    "upsert",
    "verify",
]

_HOMES = {
    "extractors.document": ("Document", "Page", "Section"),
    "pipeline.types": ("About", "Chunk"),
    "pipeline.composition.validation": ("plan_of",),
    "pipeline.facade": ("Docrelay",),
    "pipeline.vectorstore.base": ("Filter",),
    "pipeline.client": ("AsyncClient", "Client"),
    "pipeline.composition.decorator": ("stage",),
    "pipeline.composition.builtins": ("chunk", "embed", "finalize", "route", "sidecar", "upsert"),
    "pipeline.dry_run": ("extract",),
    "pipeline.notify.webhook_signature": ("sign", "verify"),
}
"""Where each name lives."""

_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
