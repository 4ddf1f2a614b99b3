"""Rules about packages that import-linter does not check: modules named in strings, and files at the root."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

import pipeline

ROOT = Path(__file__).parents[3]
PACKAGES = ("pipeline", "extractors", "embeddings", "workflows")
MOST_FILES = 16
"""Files at the root of `pipeline/`: the public face and the base."""

REGISTRIES = {
    "extractors/pdf/extract.py": "engines of PDF files",
    "extractors/registry.py": "formats",
    "pipeline/engine/tasks.py": "maintenance tasks of rooms above the engine",
    "pipeline/schedule/entries.py": "what runs by the schedule",
}
"""Modules that import others by names in strings, beside the lazy exports of an `__init__.py`."""

STARTERS = {
    "pipeline/stack/launcher.py": "the supervisor",
    "pipeline/stack/process_plan.py": "the processes of a stack",
    "pipeline/stack/warden.py": "the warden",
    "pipeline/stages/sandbox.py": "the child that reads files",
}
"""Modules that name others in strings in order to start them as programs."""

ALLOWED = {"celery": {"engine", "composition", "dry_run"}, "sqlalchemy": {"catalog"}}
"""Rooms that may import a library; a contract forbids it to all others."""

BY_NAME = {"import_module", "resolve_name", "__import__"}
DOTTED = re.compile(r"(pipeline|extractors|embeddings|workflows)(\.\w+)+(:\w+)?")


@cache
def sources() -> list[tuple[str, ast.Module]]:
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))) for path in files]


def imports_by_name(tree: ast.Module) -> bool:
    names = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(getattr(name, "id", getattr(name, "attr", "")) in BY_NAME for name in names)


def without_exports(paths: set[str]) -> set[str]:
    """Paths of modules that are not an `__init__.py`."""
    return {path for path in paths if not path.endswith("/__init__.py")}


def test_only_lazy_exports_and_registries_import_modules_by_name() -> None:
    """The list has no entry too many either: each registry in it imports by name."""
    assert without_exports({path for path, tree in sources() if imports_by_name(tree)}) == REGISTRIES.keys()


def test_only_registries_and_starters_name_modules_in_strings() -> None:
    """A string that names a module is an import that no tool sees. The lists have no entry too many either."""
    named = {
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value)
    }
    assert without_exports(named) == REGISTRIES.keys() | STARTERS.keys()


def test_the_root_of_the_pipeline_holds_the_public_face_and_the_base() -> None:
    assert len(list((ROOT / "pipeline").glob("*.py"))) <= MOST_FILES


def test_every_test_file_has_a_name_of_its_own() -> None:
    """The tests are no package: of two files with one name pytest can import only the first, and stops."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert [name for name in names if names.count(name) > 1] == []


def is_of_rooms(contract: dict[str, list[str]]) -> bool:
    """Whether a contract is about rooms of the pipeline, not about the packages below it."""
    return contract["source_modules"][0].startswith("pipeline.")


@pytest.mark.parametrize("library", ALLOWED)
def test_a_library_is_forbidden_to_every_room_but_those_that_may_import_it(library: str) -> None:
    """The contracts list rooms one by one, so a new room would be in none of them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = (
        entry for entry in contracts if entry.get("forbidden_modules", [""])[0] == library and is_of_rooms(entry)
    )
    rooms = {path.stem for path in (ROOT / "pipeline").glob("*.py")}
    rooms |= {path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py")}
    forbidden = {name.removeprefix("pipeline.") for name in contract["source_modules"]}
    assert forbidden == rooms - ALLOWED[library] - {"__init__"}


def test_no_room_hides_a_public_name_of_the_package() -> None:
    """An import of a module sets it as an attribute of its package, in the place of a function of the same name."""
    assert not set(pipeline.__all__) & {path.stem for path in (ROOT / "pipeline").iterdir()}
