"""The documentation is true: commands, options, settings and codes are documented, and examples work."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import subprocess
import tomllib
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.main import get_command

from embeddings.errors import EmbedError
from extractors.errors import ExtractError
from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job
from pipeline.cli.app import app
from pipeline.cli.outcome import summary
from pipeline.client import AsyncClient, Client
from pipeline.errors import PipelineError, Rejected
from pipeline.names import QUEUES
from pipeline.results import (
    ArchivedFailureList,
    BackupReport,
    DailyMetricsList,
    Deleted,
    DocumentList,
    DocumentStatus,
    FailureHistory,
    FailureList,
    FailureRecord,
    HealthReport,
    JobList,
    JobStatus,
    MessageList,
    NotificationRuleList,
    NotificationTestList,
    QueueList,
    Report,
    RestoreReport,
    ScheduleList,
    SearchResult,
    Summary,
    SystemStatus,
    TaskDetail,
    TaskList,
    TaskStatus,
    TextDetail,
    VerifyReport,
    WorkerList,
)
from pipeline.retries import TRANSIENT
from pipeline.services import Services
from pipeline.settings import FILE_SUFFIX, Settings
from pipeline.task_manager import TaskManager

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text("utf-8")
CLI = (ROOT / "docs/cli.md").read_text("utf-8")
ERRORS = (ROOT / "docs/errors.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "samples/README.md", *sorted((ROOT / "docs").glob("*.md"))]
TRACKED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
ROOMS = ("pipeline", "extractors", "embeddings", "workflows")
NOT_CLASSES = {"unavailable"}
"""Codes that no class of ours has: failures of other programs."""

# Brackets keep the patterns from finding themselves.
MACHINE = re.compile(r"(?<![\w.$}])/(?:roo[t]|home/\w+|wor[k]|Users/\w+|tm[p]/\w)/")
REGISTRIES = re.compile(
    r"pyp[i]\.(?:org|io)|pythonhoste[d]\.org|pytorc[h]\.org|anacond[a]\.(?:org|com)|npmj[s]\.(?:org|com)"
    r"|(?:registr[y]|hu[b])\.[\w-]+\.(?:io|com|org)|(?:docke[r]|ghc[r]|qua[y]|gc[r])\.io"
)
ALLOWED_FOLDERS = ("/home/me/", "/home/anna/", "/root/.cache/pip")
"""Folders in examples, and the one of every container's user."""


@cache
def commands() -> dict[str, Any]:
    """Every command by its words, the program itself as ""."""
    by_name: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        by_name[" ".join(words)] = command
        for name, sub in getattr(command, "commands", {}).items():
            walk(sub, (*words, name))

    walk(get_command(app), ())
    return by_name


def section(page: str, title: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    match = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", page, flags=re.M | re.S)
    assert match is not None, f"there is no section {title!r}"
    return match[1]


def rows(text: str) -> dict[str, tuple[str, ...]]:
    """Rows of tables by the first word in backticks of their first cell."""
    cells_by_name: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split(" |"))
        name = re.match(r"`([^`]+)`", cells[0])
        if line.startswith("| `") and name is not None:
            assert name[1] not in cells_by_name, f"{name[1]} stands there twice"
            cells_by_name[name[1]] = cells
    return cells_by_name


def fences(page: str, language: str) -> list[str]:
    """Blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.M | re.S)


def typed(page: str) -> Iterator[str]:
    """Lines that the reader is to type."""
    for block in fences(page, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                yield line.removeprefix("$ ")


def kinds(base: type[Any]) -> Iterator[type[Any]]:
    """A class and all below it in its module, or in the package whose `base` its module is."""
    yield base
    for below in base.__subclasses__():
        if f"{below.__module__}.".startswith(f"{base.__module__}.".removesuffix("base.")):
            yield from kinds(below)


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_is_documented_as_it_is(name: str) -> None:
    command = commands()[name]
    text = section(CLI, name or "The command line")
    documented = rows(text)
    options = {parameter.opts[0]: parameter for parameter in command.params if parameter.param_type_name == "option"}
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]

    assert {shown for shown in documented if shown.startswith("-")} == options.keys()
    for shown, option in options.items():
        default = getattr(option.default, "value", option.default)
        expected = (", ".join(f"`{opt}`" for opt in option.opts), option.help, f"`{default}`" if default else "")
        assert tuple(cell.removesuffix("|").strip() for cell in documented[shown]) == expected
    assert [row[1] for shown, row in documented.items() if shown.isupper() or "ID" in shown or "..." in shown] == [
        argument.help for argument in arguments
    ]
    assert not name or f"\n{command.help}\n" in text


def test_the_commands_that_start_a_stack_are_those_of_the_page() -> None:
    """The page lists them; what a command imports for it says which they are."""
    listed = re.search(r"commands start it: (.*?)No other command does", CLI, flags=re.S)
    assert listed is not None
    documented = {name.split()[0] for name in re.findall(r"`([^`]+)`", listed[1])}
    starts = ("connected_services(", "through_losses(", "connected_target(", "stack.connect(")
    files = [path for path in (ROOT / "pipeline" / "cli").glob("*.py") if path.stem != "connect"]
    found = {path.stem.partition("_")[0] for path in files if any(word in path.read_text("utf-8") for word in starts)}
    assert documented - {"up"} == {"failures" if name == "failure" else name for name in found}


def test_every_method_of_the_client_is_in_its_table() -> None:
    page = (ROOT / "docs/api.md").read_text("utf-8")
    rows = page[page.index("| call | does |") :]
    documented = set(re.findall(r"`client\.(\w+)", rows[: rows.index("\n\n")]))
    for client in (Client, AsyncClient):
        methods = {name for name in vars(client) if not name.startswith("_")}
        assert documented == methods - {"close", "send"}


def test_no_command_is_documented_that_does_not_exist() -> None:
    headings = set(re.findall(r"^#+ (.+)$", CLI, flags=re.M)) - {"The command line"}

    assert headings == commands().keys() - {""}


def test_the_groups_of_workers_and_their_queues_are_documented() -> None:
    from pipeline.engine.groups import GROUPS

    documented = rows(section(CLI, "worker"))

    for group, queues in GROUPS.items():
        assert tuple(re.findall(r"`(\w+)`", documented[group][1])) == queues
    assert {queue for queues in GROUPS.values() for queue in queues} == set(QUEUES)


SHAPES: list[tuple[str, list[type[BaseModel]]]] = [
    ("search", [SearchResult]),
    ("status", [SystemStatus, JobStatus, DocumentStatus, TaskStatus]),
    ("documents", [DocumentList]),
    ("jobs", [JobList]),
    ("report", [Report]),
    ("delete", [Deleted]),
    ("failures list", [FailureList]),
    ("failures show", [FailureHistory]),
    ("backup", [BackupReport]),
    ("restore", [RestoreReport]),
    ("verify", [VerifyReport]),
    ("doctor", [HealthReport]),
    ("failures messages list", [MessageList]),
    ("texts show", [TextDetail]),
    ("failures archived", [ArchivedFailureList]),
    ("schedule list", [ScheduleList]),
    ("schedule days", [DailyMetricsList]),
    ("notify list", [NotificationRuleList]),
    ("notify test", [NotificationTestList]),
    ("summary", [Summary]),
    ("queues", [QueueList]),
    ("workers", [WorkerList]),
    ("tasks list", [TaskList]),
    ("tasks show", [TaskDetail]),
]


@pytest.mark.parametrize(("name", "models"), SHAPES)
def test_json_examples_have_the_shape_of_the_answers(name: str, models: list[type[BaseModel]]) -> None:
    examples = [json.loads(block) for block in fences(section(CLI, name), "json")]

    assert len(examples) == len(models)
    for example, model in zip(examples, models, strict=True):
        checked = model.model_validate(example)
        assert dumped_keys(checked.model_dump()) == dumped_keys(example)


def dumped_keys(data: Any) -> Any:
    """Keys at every level where the shape is fixed; an empty list or mapping stands for any."""
    if isinstance(data, dict):
        return {key: dumped_keys(value) for key, value in data.items()}
    return [dumped_keys(item) for item in data[:1]] if isinstance(data, list) else None


def test_the_example_of_failures_has_their_shape() -> None:
    (example,) = [json.loads(block) for block in fences(section(CLI, "failures list"), "json")]

    assert [FailureRecord(**failure).model_dump() for failure in example["failures"]] == example["failures"]


def test_the_example_of_ingest_has_the_shape_of_a_summary(tmp_path: Path) -> None:
    (example,) = [json.loads(block) for block in fences(section(CLI, "ingest"), "json")]
    services = Services(Settings(data_dir=tmp_path))
    with writing(services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 5), "r", 0).id
    manager = TaskManager(services)
    reported = summary(manager, manager.job(job), 1.0)
    services.catalog.dispose()

    assert list(example) == list(reported)
    assert set(example["failures"][0]) == {"source", "code", "message", "hint"}


def test_every_setting_is_documented_as_it_is() -> None:
    documented = rows((ROOT / "docs/configuration.md").read_text("utf-8"))

    assert documented.keys() == Settings.model_fields.keys()
    for name, field in Settings.model_fields.items():
        expected = (f"`{name}`", default_of(name), values_of(field), field.description)
        assert tuple(cell.removesuffix("|").strip() for cell in documented[name]) == expected


def default_of(name: str) -> str:
    """A default as the table shows it."""
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    if name == "data_dir":
        return "`~/.docrelay`"
    if value in (None, (), {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def values_of(field: Any) -> str:
    """What a setting may hold, as the table shows it."""
    if typing.get_origin(field.annotation) is typing.Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(field.annotation))
    bounds = {
        name: getattr(limit, name) for limit in field.metadata for name in ("ge", "le", "gt") if hasattr(limit, name)
    }
    if "le" in bounds:
        return f"{bounds['ge']} to {bounds['le']}"
    if bounds:
        return f"{bounds['ge']} or more" if "ge" in bounds else f"more than {bounds['gt']:g}"
    if typing.get_origin(field.annotation) is dict:
        return "tables"
    return {bool: "`true`, `false`", Path: "a folder"}.get(field.annotation, "text")


def test_the_settings_named_in_the_readme_exist() -> None:
    documented = rows(section(README, "Configuration"))

    assert len(documented) == 10
    assert documented.keys() <= Settings.model_fields.keys()


def test_the_example_of_a_settings_file_is_valid() -> None:
    page = (ROOT / "docs/configuration.md").read_text("utf-8")
    (example,) = fences(page, "toml")

    assert Settings(**tomllib.loads(example)).chunk_tokens == 384
    exported = re.findall(r"^export DOCRELAY_(\w+)=", "".join(fences(page, "sh")), flags=re.M)
    assert {name.lower().removesuffix(FILE_SUFFIX) for name in exported} <= Settings.model_fields.keys()


@pytest.mark.parametrize("base", [ExtractError, PipelineError, EmbedError])
def test_every_code_is_documented_with_its_meaning_and_hint(base: type[Any]) -> None:
    for kind in kinds(base):
        meaning = (kind.__doc__ or "").splitlines()[0]
        row = f"| `{kind.code}` | {meaning} | {kind.hint} |"
        assert row in ERRORS
        if base is not ExtractError and not issubclass(kind, Rejected):
            passes = kind.transient if base is EmbedError else issubclass(kind, TRANSIENT)
            assert f"{row}{' yes |' if passes else ' |'}\n" in ERRORS


def test_no_code_is_documented_that_does_not_exist() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", ERRORS, flags=re.M))

    codes = {kind.code for base in (ExtractError, PipelineError, EmbedError) for kind in kinds(base)}
    assert documented == codes | NOT_CLASSES


def test_commands_in_the_readme_can_be_typed() -> None:
    lines = [line for page in PAGES for line in typed(page.read_text("utf-8"))]
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), flags=re.M))

    assert sum(line.startswith("docrelay ") for line in lines) >= 9
    for line in lines:
        program, *words = shlex.split(line)
        if program == "make":
            assert set(words) <= targets, line
        elif program == "export":
            assert words[0].partition("=")[0].removeprefix("DOCRELAY_").lower() in Settings.model_fields, line
        elif program == "docrelay":
            understand(words)
        else:
            assert line == "source .venv/bin/activate"


def understand(words: list[str]) -> None:
    """Parse a command line as the program would, without doing anything."""
    command: Any = get_command(app)
    while (
        hasattr(command, "commands") and words and (words[0] in command.commands or not command.invoke_without_command)
    ):
        command = command.commands[words.pop(0)]
    command.make_context("docrelay", words)


def test_a_wrong_option_would_be_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        understand(["search", "x", "--colour"])


def test_the_searches_of_the_readme_are_the_ones_of_the_demo() -> None:
    planted = tomllib.loads((ROOT / "samples/planted.toml").read_text("utf-8"))["search"]
    shown = [shlex.split(line)[2] for line in typed(README) if line.startswith("docrelay search") and "--" not in line]

    assert shown == [search["query"] for search in planted[: len(shown)]]
    assert len(shown) == 3
    for search in planted[:3]:
        assert f"/{search['file']}, page" in README


def test_the_numbers_of_samples_in_the_readme_are_those_of_the_table() -> None:
    files = tomllib.loads((ROOT / "samples/planted.toml").read_text("utf-8"))["file"]
    good = sum(row["expected"] == "completed" for row in files)

    assert f"{len(files)} documents: {good} completed, {len(files) - good} failed" in README
    assert len(files) - good == 5


def imports(page: str) -> Iterator[tuple[str, str]]:
    """Module and name of each `from pipeline… import …` in the examples of a page."""
    for example in fences(page, "python"):
        for node in ast.walk(ast.parse(example)):
            if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in ROOMS:
                for name in node.names:
                    yield str(node.module), name.name


def test_names_that_python_examples_import_exist() -> None:
    named = {pair for page in PAGES for pair in imports(page.read_text("utf-8"))}

    assert len(named) >= 10
    for module, name in named:
        assert hasattr(importlib.import_module(module), name), f"from {module} import {name}"


def test_names_that_the_docs_import_from_pipeline_are_public() -> None:
    import pipeline

    named = {name for page in PAGES for module, name in imports(page.read_text("utf-8")) if module == "pipeline"}

    assert {"About", "Client", "Docrelay", "chunk", "plan_of", "stage"} <= named
    assert named <= set(pipeline.__all__)
    assert [name for name in pipeline.__all__ if not hasattr(pipeline, name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_in_the_docs_have_a_target(page: Path) -> None:
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.is_file(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), f"{page.name} links to {link}"


def anchors(text: str) -> set[str]:
    """Names of headings as they stand in links."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_the_docs_exist(page: Path) -> None:
    named = re.findall(
        rf"`((?:{'|'.join((*ROOMS, 'samples', 'tests', 'docs', 'bench'))})/[\w./-]+)`", page.read_text("utf-8")
    )

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_room_is_on_the_page_about_the_architecture() -> None:
    rooms = [
        f"{room}/{path.name}{'/' * path.is_dir()}"
        for room in ("pipeline", "pipeline/catalog")
        for path in sorted((ROOT / room).iterdir())
        if not path.name.startswith("_") and path.suffix in ("", ".py") and path.name != "migrations"
    ]

    assert [room for room in rooms if f"`{room}`" not in ARCHITECTURE] == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 170


def test_the_changelog_knows_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

    assert re.search(
        rf"^## \[{re.escape(version)}\] - (unreleased|\d{{4}}-\d\d-\d\d)$",
        (ROOT / "CHANGELOG.md").read_text("utf-8"),
        flags=re.M,
    )


def test_every_requirement_is_pinned() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(requirement for extra in project["optional-dependencies"].values() for requirement in extra),
    ]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = {canonicalize_name(pin.name): pin for pin in pins}

    assert len(pinned) == len(pins)
    for pin in pins:
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert pin.url is None
        assert "+" not in specifier.version, f"{pin.name} is pinned to a local build"
    for requirement in map(Requirement, wanted):
        specifier = next(iter(pinned[canonicalize_name(requirement.name)].specifier))
        assert requirement.specifier.contains(specifier.version), requirement.name


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_in_all_exists(room: str) -> None:
    for path in sorted((ROOT / room).rglob("*.py")):
        if "migrations" in path.parts or path.name == "__main__.py":
            continue
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(dotted)
        missing = [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
        assert missing == [], dotted


def test_no_machine_and_no_package_registry_is_named() -> None:
    matches = []
    for name in filter(None, TRACKED.split("\0")):
        try:
            text = (ROOT / name).read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture, or removed and not committed yet
        for example in ALLOWED_FOLDERS:
            text = text.replace(example, "")
        for pattern in (MACHINE, REGISTRIES):
            matches += [f"{name}: {match[0]}" for match in pattern.finditer(text)]

    assert matches == []


@pytest.mark.parametrize(
    "text",
    ["see /roo" + "t/x", "/wor" + "k/main", "/home/be" + "n/x", "https://pyp" + "i.org/simple", "docke" + "r.io/redis"],
)
def test_the_patterns_find_what_they_are_for(text: str) -> None:
    assert MACHINE.search(text) or REGISTRIES.search(text)
