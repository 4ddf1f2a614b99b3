"""Look at kept texts: are they there, can they be read, and do the points quote them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence

from extractors.document import Document
from pipeline.catalog.documents.live_points import LiveVersion
from pipeline.catalog.work.batches import plan_of_version
from pipeline.services import Services
from pipeline.spool import read_json
from pipeline.stages.kept_texts import text_key_of
from pipeline.vectorstore.base import Point
from pipeline.verification.point_checks import has_its_text, is_text_of

__all__ = ["KeptTexts", "key_of", "read_text"]


def key_of(version: LiveVersion) -> str:
    """Key of the kept text of a version."""
    return text_key_of(version.content_sha256, version.source, version.extraction)


def read_text(services: Services, key: str) -> Document | None:
    """Read a kept text. Returns None if there is none, or a damaged one."""
    try:
        return Document.from_json(read_json(services.spool, key))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, zlib.error):
        return None


class KeptTexts:
    """The kept texts of a few documents. Those of the sample are read, and held until their points were looked at."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._texts: dict[str, Document] = {}

    def state(self, version: LiveVersion, *, read: bool) -> str | None:
        """The kind of drift of a version's kept text; None if it is as it should be, or need not be there."""
        key = key_of(version)
        if not self._services.spool.exists(key):
            return "kept_text_missing" if self._is_kept(version) else None
        if not read:
            return None
        document = read_text(self._services, key)
        if document is None:
            return "kept_text_damaged"
        self._texts[version.version_id] = document
        return None

    def contradicted(self, versions: Mapping[str, LiveVersion], points: Sequence[Point]) -> Iterator[str]:
        """Ids of those of the versions whose kept text is not what these points quote, which is proved by their ids."""
        suspects: dict[str, None] = {}
        for point in points:
            version_id = str(point.payload.get("version_id"))
            document = self._texts.get(version_id)
            is_proof = version_id in versions and has_its_text(point)
            if is_proof and document is not None and not is_text_of(point, document):
                suspects[version_id] = None
        for version_id in suspects:
            with self._services.catalog.connect() as connection:
                plan = plan_of_version(connection, version_id)
            if not plan.documents and "chunker" not in plan.cutting:
                yield version_id  # else a stage of the workflow may have changed the text after it was kept

    def _is_kept(self, version: LiveVersion) -> bool:
        """Whether the text of the version was kept by the present settings."""
        services = self._services
        return services.settings.keep_texts and version.extraction == services.extraction_of(version.ocr)
