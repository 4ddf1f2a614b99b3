"""Discovery of plug-ins: packages that do not load or use existing names are listed with a reason, all others work."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from error_checks import reported_codes

from embeddings import known_models as models
from extractors import registry as formats
from pipeline.composition import decorator, plugins
from pipeline.composition.plugins import Discovered, discover, load_workflow
from pipeline.errors import BadRequest
from pipeline.ingest.request import Request
from pipeline.ingest.submit import check
from pipeline.services import Services
from pipeline.settings import Settings

PLAIN = "extract() | chunk() | embed() | upsert() | finalize()"
HEAD = "from pipeline import Document, chunk, embed, extract, finalize, stage, upsert\n\n\n"

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install packages of one module on the path, as pip would."""
    site = tmp_path / "site"
    site.mkdir()
    discover()
    monkeypatch.setattr(decorator.REGISTRY, "_stages", dict(decorator.REGISTRY._stages))
    monkeypatch.setattr(formats, "_formats", dict(formats._formats))
    monkeypatch.setattr(formats, "_extractors", dict(formats._extractors))
    monkeypatch.syspath_prepend(str(site))
    caches: tuple[Any, ...] = (plugins.discover, plugins._planned, formats.outside, models.outside)
    before = set(sys.modules)

    def put(name: str, code: str, **entries: dict[str, str]) -> None:
        (site / f"{name}.py").write_text(code, "utf-8")
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [
            f"[docrelay.{group}]\n" + "\n".join(f"{entry} = {target}" for entry, target in named.items())
            for group, named in entries.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for cache in caches:
            cache.cache_clear()

    yield put
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()
    for module in set(sys.modules) - before:
        if str(site) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


def reasons(discovered: Discovered) -> dict[tuple[str, str, str], str]:
    return {(item.group, item.name, item.package): item.reason for item in discovered.broken}


RAISE = {
    "SystemExit: no licence": "import sys\nsys.exit('no licence')\n",
    "SystemExit: 3": "raise SystemExit(3)\n",
    "ModuleNotFoundError: No module named 'not_there'": "import not_there\n",
    "SyntaxError: ": "def here(:\n",
    "RuntimeError: bad day": "raise RuntimeError('bad day')\n",
    "RecursionError: ": "def down():\n    down()\ndown()\n",
}


GROUPS = ("workflows", "stages", "chunkers", "extractors", "embedders")


@pytest.mark.parametrize(("reason", "code"), RAISE.items(), ids=[reason.partition(":")[0] for reason in RAISE])
def test_a_module_that_raises_is_skipped(install: Install, reason: str, code: str) -> None:
    install("raising", code, **{group: {"mine": "raising"} for group in GROUPS})
    install("whole", f"{HEAD}def whole():\n    return {PLAIN}\n", workflows={"whole": "whole:whole"})

    messages = reasons(discover())
    assert {group for group, _, _ in messages} == set(GROUPS)
    assert all(message.startswith(reason) for message in messages.values())
    assert load_workflow("whole") == load_workflow("ingest")


@pytest.mark.parametrize(
    ("group", "value", "reason"),
    [
        ("workflows", "3", "odd:mine has no function mine."),
        ("workflows", "lambda: 3", "A workflow returns a signature, not int."),
        ("workflows", "lambda: missing_name", "The workflow mine raised NameError"),
        ("workflows", "lambda: exit(3)", "The workflow mine raised SystemExit"),
        ("workflows", "lambda at=3: None", "Every parameter of mine needs a name and a type."),
        ("stages", "print", "odd:mine is no stage."),
        ("chunkers", "dict", "odd:mine is no function."),
        ("embedders", "dict", "TypeError: odd:mine is no OutsideModel named mine"),
        ("embedders", "missing", "AttributeError"),
    ],
)
def test_an_invalid_plug_in_is_skipped_with_a_reason(install: Install, group: str, value: str, reason: str) -> None:
    install("odd", "" if value == "missing" else f"mine = {value}\n", **{group: {"mine": "odd:mine"}})

    assert reasons(discover())[group, "mine", "odd"].startswith(reason)


def test_a_plug_in_does_not_replace_what_is_built_in(install: Install) -> None:
    own = "def ingest():\n    return extract() | chunk(tokens=16) | embed() | upsert() | finalize()\n"
    other = "@stage(queue='redact')\ndef redact(document: Document) -> Document:\n    return document\n"
    install("aaa", HEAD + own, workflows={"ingest": "aaa:ingest"})
    install("bbb", HEAD + other, stages={"redact": "bbb:redact"})
    model = dedent("""
        from dataclasses import replace
        from embeddings.known_models import MODELS, OutsideModel
        mine = OutsideModel(MODELS["hashing"], "1", dict)
    """)
    install("ccc", model, embedders={"hashing": "ccc:mine"})
    discovered = discover()

    assert discovered.workflows["ingest"].package == "docrelay"
    assert "tokens" not in load_workflow("ingest").cutting
    assert load_workflow("redacted").step("redact") is not None
    messages = reasons(discovered)
    assert "another ingest already" in messages["workflows", "ingest", "aaa"]
    assert "Two stages are named redact" in messages["stages", "redact", "bbb"]
    assert "another model hashing already" in messages["embedders", "hashing", "ccc"]


def test_of_two_packages_with_the_same_workflow_the_first_wins(install: Install) -> None:
    for name in ("first", "second"):
        install(name, f"{HEAD}def twice():\n    return {PLAIN}\n", workflows={"twice": f"{name}:twice"})

    assert discover().workflows["twice"].package == "first"
    assert list(reasons(discover())) == [("workflows", "twice", "second")]


def test_a_required_workflow_parameter_must_be_given(install: Install) -> None:
    code = "def needs(at: int):\n    return extract() | chunk(tokens=at) | embed() | upsert() | finalize()\n"
    install("needing", HEAD + code, workflows={"needs": "needing:needs"})

    assert reasons(discover()) == {}
    with pytest.raises(BadRequest, match="The workflow needs needs values for: at") as caught:
        load_workflow("needs")
    assert "[workflow_options.needs]" in caught.value.hint
    assert load_workflow("needs", {"needs": {"at": 32}}).cutting == {"tokens": 32}
    with pytest.raises(BadRequest, match="no such parameter"):
        load_workflow("needs", {"needs": {"at": 32, "to": 64}})


def test_options_for_an_unknown_workflow_are_refused() -> None:
    with pytest.raises(BadRequest, match="workflow_options names inges") as caught:
        load_workflow("ingest", {"inges": {"tokens": 32}})
    assert "ingest" in caught.value.hint


def test_a_stage_of_the_engines_names_does_not_load(install: Install) -> None:
    """Such a stage would replace the engine's own task in every process."""
    code = "@stage(queue='mine')\ndef reindex(document: Document) -> Document:\n    return document\n"
    install("taking", HEAD + code, stages={"mine": "taking"})

    assert "cannot be named 'reindex'" in reasons(discover())["stages", "mine", "taking"]
    assert decorator.find_stage("reindex") is None


# The table of the tutorial

WORKFLOWS = f"""
def plain(): return {PLAIN}
def nested(): return extract() | chunk() | chord([chord([embed() | embed()], upsert())], finalize())
def raises(at: int = 0): return [{PLAIN}][at]
def lines(): return extract() | chunk(chunker="by_lines") | embed() | upsert() | finalize()
def needs(at: int): return {PLAIN}
"""
ROWS: dict[str, tuple[str, dict[str, Any], str]] = {
    "an unknown workflow": ("unheard", {}, "There is no workflow unheard."),
    "a workflow whose entry point does not load": ("absent", {}, "There is no workflow absent."),
    "a workflow of an illegal shape": ("nested", {}, "There is no workflow nested."),
    "a workflow whose function raises": ("raises", {"raises": {"at": 3}}, "The workflow raises raised IndexError"),
    "an unknown chunker": ("lines", {}, "There is no chunker by_lines."),
    "a value of another type in `workflow_options`": ("raises", {"raises": {"at": "x"}}, "raises(at=…)"),
    "an unknown parameter in `workflow_options`": ("plain", {"plain": {"at": 3}}, "plain(at=…): there is no such"),
    "an unknown workflow in `workflow_options`": ("plain", {"plane": {}}, "workflow_options names plane"),
    "no value for a parameter without a default": ("needs", {}, "The workflow needs needs values for: at"),
}
TABLE = (Path(__file__).parents[3] / "docs/composing.md").read_text("utf-8")


def codes_in_the_table() -> dict[str, tuple[str, int, int]]:
    rows = re.findall(r"^\| ([^|]+) \| `(\w+)` \| (\d) \| (\d{3}) \|$", TABLE, flags=re.M)
    return {what: (code, int(leaves), int(status)) for what, code, leaves, status in rows}


def test_every_documented_check_reports_its_codes(install: Install, tmp_path: Path) -> None:
    """The check that every entry point does first, without a stack; then the codes of the error at each."""
    names = {name: f"rows:{name}" for name in ("plain", "nested", "raises", "lines", "needs", "absent")}
    install("rows", f"from celery import chord\n{HEAD}{WORKFLOWS}", workflows=names)
    documented = codes_in_the_table()
    # The last one needs a stack: tests/integration/test_messages.py.
    assert [*documented] == [*ROWS, "a stage that the private stack does not have, as it was started before"]
    for what, (workflow, options, message) in ROWS.items():
        settings = Settings(data_dir=tmp_path, embedding_model="hashing", workflow_options=options)
        with pytest.raises(BadRequest) as caught:
            check(Services(settings), Request((), workflow=workflow))
        assert caught.value.message.startswith(message), what
        assert caught.value.hint
        assert reported_codes(caught.value) == documented[what]
    messages = reasons(discover())
    assert "chord inside the chord" in messages["workflows", "nested", "rows"]
