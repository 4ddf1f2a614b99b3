"""The tutorial's code runs and prints what the page shows. Stages run in this process, without services."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from extractors.document import Document, Page, Section
from pipeline import Chunk, chunk, embed, finalize, stage, upsert
from pipeline.composition import decorator
from pipeline.composition.diagram import mermaid
from pipeline.composition.plugins import discover, load_workflow
from pipeline.composition.validation import plan_of
from pipeline.dry_run import Trial
from pipeline.errors import BadRequest, StageFailed
from pipeline.services import Services
from pipeline.settings import Settings
from workflows.personal import KINDS, find

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/composing.md").read_text("utf-8")
SAMPLE = ROOT / "samples/documents/tide_sensor.md"


@pytest.fixture(autouse=True)
def own_stages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    discover()
    monkeypatch.setattr(decorator.REGISTRY, "_stages", dict(decorator.REGISTRY._stages))
    monkeypatch.setenv("DOCRELAY_EMBEDDING_MODEL", "hashing")
    return


def test_the_code_of_the_tutorial_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DOCRELAY_DATA_DIR", str(tmp_path))
    blocks = re.findall(r"^```(python|text)\n(.*?)^```$", PAGE, flags=re.M | re.S)
    scope: dict[str, Any] = {"__name__": "tutorial"}
    output = ""
    for kind, block in blocks:
        if kind == "text":
            assert output == block
            output = ""
            continue
        assert output == "", f"the tutorial does not show: {output}"
        with redirect_stdout(io.StringIO()) as out:
            exec(compile(block, "docs/composing.md", "exec"), scope)
        output = out.getvalue()

    assert len(blocks) >= 9
    assert plan_of(scope["tidy"](at_least=3)).fan == ("count_words", "embed", "upsert")
    assert list(tmp_path.iterdir()) == []


def test_the_tutorial_names_the_existing_workflows() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \| [^|]+ \| `", PAGE, flags=re.M))
    tables = [tomllib.loads(block) for block in re.findall(r"^```toml\n(.*?)^```$", PAGE, flags=re.M | re.S)]
    outside = tomllib.loads((ROOT / "tests/support/plugin_package/pyproject.toml").read_text("utf-8"))

    assert listed == {"redacted", "routed", "enriched"}
    assert Settings(**tables[0]).workflow_options == {"tidy": {"at_least": 8}}
    assert tables[1]["project"]["entry-points"].keys() == outside["project"]["entry-points"].keys()


def test_examples_are_short() -> None:
    for path in (ROOT / "workflows").glob("*.py"):
        assert len(path.read_text("utf-8").splitlines()) <= 40, path.name


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("email", "write to a.b+c@sub.host.example, please", ["a.b+c@sub.host.example"]),
        ("email", "a@b is none, @c.de neither", []),
        ("iban", "IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFF", ["DE89 3704 0044 0532 0130 00"]),
        ("iban", "GB29NWBK60161331926819.", ["GB29NWBK60161331926819"]),
        ("iban", "DE89 3704 0044 0532 0130 01", []),
        ("card", "4111-1111-1111-1111 12/27 and 5500 0000 0000 0004", ["4111-1111-1111-1111", "5500 0000 0000 0004"]),
        ("card", "4111 1111 1111 1112", []),
        ("card", "41111111111111111111111111", []),
        ("phone", "call +49 (0)30 123 45-67 or 030/1234567", ["+49 (0)30 123 45-67", "030/1234567"]),
        ("phone", "on 2026-09-21 at 10:30, 1.05.2026, 12345678, 3.0456789", []),
    ],
)
def test_personal_data_is_recognised(kind: str, text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in find(text, kind)] == expected
    assert kind in KINDS


def test_a_long_text_is_searched_in_a_moment() -> None:
    for text in ("1 " * 50_000, "a" * 100_000, "A1" * 50_000, "+1" * 50_000, "a@" * 50_000, "DE12 " * 20_000):
        for kind in KINDS:
            list(find(text, kind))


def test_rewriting_moves_pages_and_sections() -> None:
    pages = (Page(1, "Intro of cat\ncat one"), Page(2, "cat two cat"), Page(3, "end ca"), Page(4, "t and cat"))
    document = Document(
        "text/plain", pages, (Section(("cat",), 13, 20), Section(("b",), 21, 32)), metadata={"t": "cat"}
    )
    longer = document.rewritten(lambda text: [(m.start(), m.end(), "doggy") for m in re.finditer("cat", text)])
    across = document.rewritten(lambda text: [(m.start(), m.end(), "DOG") for m in re.finditer("ca\nt", text)])

    assert [page.text for page in longer.pages] == [
        "Intro of doggy\ndoggy one",
        "doggy two doggy",
        "end ca",
        "t and doggy",
    ]
    assert [longer.text[section.char_start : section.char_end] for section in longer.sections] == [
        "doggy one",
        "doggy two doggy",
    ]
    assert longer.sections[0].path == ("doggy",)
    assert longer.metadata == {"t": "doggy"}
    assert [page.text for page in across.pages][2:] == ["end DOG", " and cat"]
    assert document.rewritten(lambda text: []) == document
    both = document.rewritten(lambda text: [(0, 5, "X"), (3, 8, "Y"), (9, 12, "")])
    assert both.pages[0].text == "X of \ncat one"


# Stages in this process


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(Settings(data_dir=tmp_path / "data", embedding_model="hashing"))


def test_a_trial_goes_stage_by_stage(services: Services) -> None:
    read = Trial.of(SAMPLE, services)
    whole = read | chunk(tokens=64) | embed() | upsert() | finalize()

    assert (read.chunks, read.vectors) == (None, None)
    assert [name for name, _ in whole.took] == ["extract", "chunk", "embed", "upsert", "finalize"]
    assert whole.vectors.shape == (len(whole.chunks), 384)
    assert [point.payload["text"] for point in whole.points] == [made.text for made in whole.chunks]
    again = read | load_signature("ingest")
    assert [made.text for made in again.chunks] == [made.text for made in (read | chunk()).chunks]
    assert not services.settings.data_dir.exists()


def load_signature(name: str) -> Any:
    return discover().workflows[name].function()


def test_a_trial_refuses_stages_in_the_wrong_order(services: Services) -> None:
    read = Trial.of(SAMPLE, services)
    for template in (embed(), upsert(), chunk() | upsert()):
        with pytest.raises(BadRequest):
            read | template
    with pytest.raises(BadRequest, match="cannot work on int"):
        chunk(3)


def gives_nothing(document: Document) -> Document:
    return None  # type: ignore[return-value]


def forgets_sections(document: Document) -> Document:
    return Document("text/plain", (Page(None, "x"),), (Section(("a",), 0, 99),))


def changes_text(chunks: list[Chunk]) -> list[Chunk]:
    return [Chunk(**{**{name: getattr(chunk, name) for name in Chunk.__slots__}, "text": "other"}) for chunk in chunks]


def doubles(chunks: list[Chunk]) -> list[Chunk]:
    return chunks * 2


@pytest.mark.parametrize("function", [gives_nothing, forgets_sections, changes_text, doubles])
def test_a_stage_that_returns_something_invalid_fails(services: Services, function: Any) -> None:
    own = stage(queue="wrong")(function)
    before = Trial.of(SAMPLE, services)
    with pytest.raises(StageFailed, match=function.__name__):
        (before | chunk() if own.kind == "chunks" else before) | own()


def test_diagrams_show_every_stage_and_no_more_than_mermaid_reads() -> None:
    drawn = mermaid(load_workflow("redacted", {"redacted": {"mask": 'a "quoted" <b> | x'}}))

    assert drawn.startswith("flowchart LR\n")
    assert "extract --> redact" in drawn
    assert "redact --> chunk" in drawn
    assert "chunk --> embed" in drawn
    assert 'subgraph each["for each chunk batch"]' in drawn
    assert "#34;quoted#34;" in drawn
    assert all(line.count('"') in (0, 2) for line in drawn.splitlines())
    assert "route --> extract" in mermaid(load_workflow("routed"))
    assert "enrich --> embed" in mermaid(load_workflow("enriched"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redacted": {"kinds": ["shoe size"]}}, "redacted\\(kinds"),
        ({"redacted": {"colour": "red"}}, "no such parameter"),
        ({"routed": {"collections": {"a/b": "no name"}}}, "route\\("),
    ],
)
def test_wrong_workflow_parameters_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        load_workflow(next(iter(options)), options)


def test_trying_and_drawing_need_no_stack(tmp_path: Path) -> None:
    """Each command is one process; it starts no Redis and creates no catalog."""
    environment = {
        "PATH": "/nowhere",
        "DOCRELAY_DATA_DIR": str(tmp_path / "data"),
        "DOCRELAY_EMBEDDING_MODEL": "hashing",
    }
    program = str(Path(sys.executable).with_name("docrelay"))
    (tmp_path / "letter.md").write_text("# To jane@host.example\n\nHello there, jane@host.example.\n")
    command = [program, "try", str(tmp_path / "letter.md"), "-w", "redacted", "--json"]
    trial = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)

    assert [stage["stage"] for stage in trial["stages"]] == ["extract", "redact", "chunk", "embed", "upsert"]
    assert "jane@host.example" in json.dumps(trial["stages"][0])
    assert "jane@host.example" not in json.dumps(trial["stages"][1:])
    assert not (tmp_path / "data" / "catalog.db").exists()
    assert not (tmp_path / "data" / "spool").exists()
