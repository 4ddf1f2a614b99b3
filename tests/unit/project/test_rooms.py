"""The map of the rooms, where import-linter does not look: modules named in strings, and files at the root."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("pipeline", "extractors", "embeddings", "workflows")
MOST_FILES = 16
"""Files at the root of `pipeline/`: the public face and the base."""

REGISTRIES = {
    "extractors/pdf.py": "engines of PDF files",
    "extractors/registry.py": "formats",
    "pipeline/cli/app.py": "commands",
    "pipeline/engine/tasks.py": "maintenance tasks of rooms above the engine",
    "pipeline/notify/registry.py": "senders",
}
"""Modules that import others by names in strings, beside the lazy exports of an `__init__.py`."""

BY_NAME = {"import_module", "resolve_name", "__import__"}
DOTTED = re.compile(r"(pipeline|extractors|embeddings|workflows)(\.\w+)+(:\w+)?")


def sources() -> list[tuple[str, ast.Module]]:
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))) for path in files]


def imports_by_name(tree: ast.Module) -> bool:
    names = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(getattr(name, "id", getattr(name, "attr", "")) in BY_NAME for name in names)


def test_only_lazy_exports_and_registries_import_modules_by_name() -> None:
    users = {path for path, tree in sources() if imports_by_name(tree)}
    assert {path for path in users if not path.endswith("/__init__.py")} <= REGISTRIES.keys()


def test_only_lazy_exports_and_registries_name_modules_in_strings() -> None:
    """A string that names a module is an import that no tool sees; programs that are started are named too."""
    started = {"pipeline/stack/launcher.py", "pipeline/stack/process_plan.py", "pipeline/stack/warden.py"}
    named = {
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value)
    }
    unknown = {path for path in named if not path.endswith("/__init__.py")} - REGISTRIES.keys() - started
    assert {path for path in unknown if path != "pipeline/stages/sandbox.py"} == set()


def test_the_root_of_the_pipeline_holds_the_public_face_and_the_base() -> None:
    assert len(list((ROOT / "pipeline").glob("*.py"))) <= MOST_FILES
