"""The real `docrelay` against a running stack: what it prints, how it ends, what it leaves in the index."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docx
import pytest
import sqlalchemy as sa
from cli_rig import Cli, cli_on, until
from flow_tools import eventually, write_documents

from pipeline.catalog.database.schema import batches, submissions, tasks
from pipeline.catalog.documents.lookup import derive_document_id
from pipeline.engine.heartbeat import intake_node, is_alive
from pipeline.gates_for_tests import INTAKE
from pipeline.names import STAGES
from pipeline.task_manager import TaskManager
from pipeline.vectorstore.base import Filter

SAMPLES = Path(__file__).parents[2] / "samples" / "documents"
INGEST_KEYS = {"job", "documents", "completed", "unchanged", "failed", "chunks", "seconds", "failures"}
PLACE_KEYS = {"page_start", "page_end", "line_start", "line_end", "char_start", "char_end"}
HIT_KEYS = {"score", "source", "document_id", "text"} | PLACE_KEYS
NASTY = "evil\x1b[31m\r\nname\u202e.txt"


@pytest.fixture(scope="module")
def rig_and_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cli, subprocess.Popen[str]]]:
    """`docrelay up` on a data folder; at the end it stops on SIGTERM and leaves no process."""
    with cli_on(tmp_path_factory.mktemp("cli") / "data") as rig, rig.up() as process:
        yield rig, process


@pytest.fixture(scope="module")
def cli(rig_and_up: tuple[Cli, subprocess.Popen[str]]) -> Cli:
    """The commands on that stack; every test uses its own collection."""
    return rig_and_up[0]


def spell(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, "utf-8")
    return folder


# Ingest and search


def test_second_ingest_processes_only_changed_files(cli: Cli, tmp_path: Path) -> None:
    folder = spell(tmp_path / "in", walrus="A walrus sings.", heron="A heron wades.", lynx="A lynx waits.")
    first = cli.json("ingest", folder, "-c", "plain")
    assert first.keys() >= INGEST_KEYS
    assert (first["documents"], first["completed"], first["failed"], first["failures"]) == (3, 3, 0, [])
    assert first["chunks"] == first["embedded"] == cli.count(collection="plain") == 3
    again = cli.json("ingest", folder, "-c", "plain")
    assert (again["documents"], again["unchanged"], again["completed"], again["embedded"]) == (3, 3, 0, 0)
    assert cli.rows(sa.select(batches.c.id).where(batches.c.job_id == again["job"])) == []
    spell(folder, lynx="An ocelot waits.")
    changed = cli.json("ingest", folder, "-c", "plain")
    assert (changed["unchanged"], changed["completed"], changed["embedded"]) == (2, 1, 1)
    assert cli.search_names("lynx", "plain") == set()
    assert cli.search_names("ocelot", "plain") == {"lynx.txt"}
    assert cli.count(collection="plain") == 3


def test_tags_are_given_kept_replaced_and_searched_by(cli: Cli, tmp_path: Path) -> None:
    folder = spell(tmp_path / "in", auk="An auk swims.", owl="An owl waits.")

    def names_with_tags(*tags: str) -> set[str]:
        asked = [word for tag in tags for word in ("--tag", tag)]
        return {Path(hit["source"]).name for hit in cli.json("search", "an auk owl", "-c", "tags", *asked)["hits"]}

    assert cli.json("ingest", folder / "auk.txt", "-c", "tags", "--tag", "sea", "--tag", "2026")["completed"] == 1
    assert cli.json("ingest", folder, "-c", "tags")["unchanged"] == 1
    assert (names_with_tags("sea"), names_with_tags("sea", "land"), names_with_tags("land"), names_with_tags()) == (
        {"auk.txt"},
        {"auk.txt"},
        set(),
        {"auk.txt", "owl.txt"},
    )
    again = cli.json("ingest", folder, "-c", "tags", "--tag", "land")
    assert (again["unchanged"], again["embedded"]) == (2, 0)
    assert (names_with_tags("sea"), names_with_tags("land")) == (set(), {"auk.txt", "owl.txt"})
    document_id = derive_document_id("tags", str(folder / "owl.txt"))
    assert cli.json("status", document_id)["tags"] == ["land"]
    assert re.search(r"tags +land", cli.quick("status", document_id).out)
    cli.json("ingest", folder / "owl.txt", "-c", "tags", "--tag", "")
    assert names_with_tags("land") == {"auk.txt"}
    for command in (("ingest", folder, "--tag", "no tag"), ("search", "auk", "--tag", "no,tag")):
        refused = cli.quick(*command, "-c", "tags", "--json")
        assert (refused.code, refused.json["error"]["code"]) == (2, "bad_request")


def test_search_prints_hits_as_json(cli: Cli, tmp_path: Path) -> None:
    cli.json("ingest", spell(tmp_path / "in", one="Barnacles grow below.", two="Sails hang above."), "-c", "hits")
    answer = cli.json("search", "barnacles", "-c", "hits", "-n", "1")
    assert answer["query"] == "barnacles"
    (hit,) = answer["hits"]
    assert hit.keys() >= HIT_KEYS
    assert (hit["text"], hit["char_start"], hit["char_end"]) == ("Barnacles grow below.", 0, 21)
    assert (hit["line_start"], hit["line_end"]) == (1, 1)
    assert hit["document_id"] == derive_document_id("hits", hit["source"])


def test_lines_for_people(cli: Cli, tmp_path: Path) -> None:
    folder = spell(tmp_path / "in", good="Gannets dive.", bad="")
    ended = cli.run("ingest", folder, "-c", "lines")
    assert ended.code == 1
    assert "\x1b" not in ended.out + ended.err
    assert "2 documents: 1 completed, 1 failed; 1 chunk in" in ended.out
    assert re.search(rf"empty +{re.escape(str(folder / 'bad.txt'))}\n +The file has no bytes\.", ended.out)
    assert "100%, 2 of 2 documents" in ended.err
    shown = cli.quick("search", "gannets", "-c", "lines").out
    assert f"1. {folder / 'good.txt'}, line 1  (" in shown
    assert "Gannets dive." in shown


def test_search_prints_page_or_section_of_a_passage(cli: Cli, tmp_path: Path) -> None:
    """Lines where a file has any, paragraphs where it has neither those nor pages."""
    folder = spell(tmp_path / "in", plain="\r\n\r\nFulmars glide.\r\nFulmars feed.\r\n")
    (folder / "marked.md").write_bytes("\ufeff# Terns\n\nNone.\n\n# Skuas\n\nSkuas chase terns.\n".encode("utf-16-le"))
    letter = docx.Document()
    letter.add_paragraph("Kittiwakes cry.")
    letter.add_paragraph("They nest on ledges.")
    letter.save(str(folder / "letter.docx"))
    cli.json("ingest", folder, "-c", "places")
    for word, location in (
        ("fulmars", "plain.txt, lines 3-4"),
        ("skuas", "marked.md, lines 5-7"),
        ("kittiwakes", "letter.docx, paragraphs 1-2"),
    ):
        assert f"/{location}  (" in cli.quick("search", word, "-c", "places", "-m", "sparse").out


def test_bars_on_a_terminal(cli: Cli, tmp_path: Path) -> None:
    folder = spell(tmp_path / "in", good="Puffins nest.")
    (folder / NASTY).write_bytes(b"")
    ours, theirs = pty.openpty()
    command = cli.start("ingest", folder, "-c", "terminal", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # the terminal's other side is closed
            break
        if not block:
            break
        said += block
    os.close(ours)
    assert command.wait(120) == 1
    assert "━".encode() in said
    assert b"chunks embedded" in said
    assert b"evil\\x1b[31m\\r\\nname\\u202e.txt" in said
    assert b"evil\x1b" not in said


def test_names_are_never_printed_raw(cli: Cli, tmp_path: Path) -> None:
    folder = spell(tmp_path / "in")
    (folder / NASTY).write_text("Kittiwake in a strange file.\n")
    bad = folder / f"bad {NASTY}"
    bad.write_bytes(b"")
    reported = cli.json("ingest", folder, "-c", "nasty", code=1)
    assert [failure["source"] for failure in reported["failures"]] == [str(bad)]
    document_id = derive_document_id("nasty", str(folder / NASTY))
    commands: list[list[str]] = [["ingest", str(folder)], ["search", "kittiwake"], ["delete", f"{folder}/no{NASTY}"]]
    commands = [*([*words, "-c", "nasty"] for words in commands), ["failures", "list"], ["status", document_id]]
    said = [cli.quick(*words) for words in commands]
    assert [ended.code for ended in said] == [1, 0, 2, 0, 0]
    for ended in said:
        assert "evil\\x1b[31m\\r\\nname\\u202e.txt" in ended.out + ended.err, ended
        assert not re.search("[\x1b\r\u202e]", ended.out + ended.err)
    assert "Kittiwake in a strange file." in said[1].out


def test_markup_in_names_is_printed_literally(cli: Cli, tmp_path: Path) -> None:
    folder = spell(tmp_path / "[red]in", **{":smile: [b]x": ""})
    ended = cli.quick("ingest", folder, "-c", "markup")
    assert f"{folder}/:smile: [b]x.txt" in ended.out


def test_priority_reaches_the_job(cli: Cli, tmp_path: Path) -> None:
    job = cli.json("ingest", spell(tmp_path / "in", a="Terns."), "-c", "urgent", "--priority", "9")["job"]
    assert cli.json("status", job)["priority"] == 9


# Wrong use


WRONG: dict[tuple[str | bytes, ...], str] = {
    ("search", ""): "The question is empty",
    ("search", " \n"): "The question is empty",
    ("search", b"\xff\xfe"): "no text",
    ("search", "x", "--limit", "0"): "--limit",
    ("search", "x", "--after", "yesterday"): "is no time",
    ("search", "x", "--before", "0001-01-01T00:00:00+14:00"): "is no time",
    ("search", "x", "--mode", "magic"): "--mode",
    ("ingest", "/nowhere/at/all"): "There is no file or folder /nowhere/at/all",
    ("ingest", "/dev", "--workflow", "nothing"): "There is no workflow nothing",
    ("ingest", ".", "--priority", "0"): "--priority",
    ("ingest", ".", "--priority", "11"): "--priority",
    ("ingest", ".", "--collection", "a/b"): "no name for a collection",
    ("ingest",): "Missing argument",
    ("status", "0123456789"): "Nothing has the id 0123456789",
    ("status", "--follow"): "What is to be followed",
    ("status", "0123456789", "--follow"): "Nothing has the id",
    ("status", f"x{NASTY}"): "Nothing has the id xevil\\x1b[31m\\r\\nname\\u202e.txt",
    ("cancel", "0123456789"): "Nothing has the id",
    ("delete", "/nowhere"): "No document",
    ("delete", "~nobody/x"): "No document",
    ("failures", "retry", "nothing"): "No failed document",
    ("nonsense",): "nonsense",
}


def test_wrong_use_ends_with_code_2_and_a_message(cli: Cli) -> None:
    for words, message in WRONG.items():
        ended = cli.quick(*words)
        assert (ended.code, ended.out) == (2, ""), (words, ended)
        assert message in ended.err, (words, ended)
        assert not re.search("Traceback|[\x1b\r\u202e]", ended.err), (words, ended)


def test_empty_folder_is_wrong_use(cli: Cli, tmp_path: Path) -> None:
    assert cli.quick("ingest", tmp_path).code == 2


def test_unknown_collection_is_refused(cli: Cli) -> None:
    ended = cli.quick("search", "anything", "-c", "never-filled", "--json")
    assert ended.code == 2
    assert ended.json["error"]["code"] == "unknown_id"
    assert "never-filled" in ended.json["error"]["message"]


def test_another_model_for_a_collection_is_refused(cli: Cli, tmp_path: Path) -> None:
    folder = spell(tmp_path / "in", a="Plovers.")
    cli.json("ingest", folder, "-c", "space")
    for words in (("search", "x"), ("ingest", folder)):
        ended = cli.quick(*words, "-c", "space", env={"DOCRELAY_EMBEDDING_MODEL": "all-MiniLM-L6-v2"})
        assert ended.code == 2
        assert "space_mismatch" in ended.err


# Two at once


def test_searches_answer_while_files_are_ingested(cli: Cli, tmp_path: Path) -> None:
    cli.json("ingest", spell(tmp_path / "first", a="The cormorant dries its wings."), "-c", "busy")
    write_documents(tmp_path / "in", 40, seed=11)
    with cli.gates.closed("embed"):
        ingests = [cli.start("ingest", tmp_path / "in", "-c", "busy", "--json") for _ in range(2)]
        cli.gates.arrived("embed")
        searches = [cli.start("search", "cormorant wings", "-c", "busy", "--json") for _ in range(3)]
        for search in searches:
            ended = cli.end(search)
            assert ended.code == 0, ended
            assert ended.json["hits"][0]["text"] == "The cormorant dries its wings."
        assert [ingest.poll() for ingest in ingests] == [None, None]
    ended = [cli.end(ingest) for ingest in ingests]
    assert [result.code for result in ended] == [0, 0], ended
    for result in ended:
        assert result.json["documents"] == result.json["completed"] + result.json["unchanged"] == 40
    live = cli.count(Filter(live=True), "busy")
    assert live == cli.count(collection="busy") == cli.json("status")["collections"]["busy"] >= 41


# Status


def test_status_of_stack_job_document_and_task(cli: Cli, tmp_path: Path) -> None:
    job = cli.json("ingest", spell(tmp_path / "in", a="Skuas.", b="Auks."), "-c", "states")["job"]
    everything = cli.json("status")
    assert everything["jobs"][0]["id"] == job
    assert everything["collections"]["states"] == 2
    groups = {worker["node"].partition("@")[0] for worker in everything["queues"]["workers"]}
    assert groups == {"extract", "embed-1", "store"}
    assert set(everything["queues"]["depth"]) == {
        "extract",
        "ocr",
        "chunk",
        "embed",
        "upsert",
        "finalize",
        "maintenance",
        # Stages of the workflows that come with Docrelay.
        "enrich",
        "redact",
    }
    status = cli.json("status", job)
    assert (status["state"], status["fraction"], status["documents"], status["completed"]) == ("completed", 1.0, 2, 2)
    assert cli.json("status", job[:8]) == status
    document_id = derive_document_id("states", str(tmp_path / "in" / "a.txt"))
    document = cli.json("status", document_id)
    assert (document["state"], document["activity"], document["searchable"]) == ("completed", "ended", True)
    assert document["chunks"] == 1
    task = cli.rows(
        sa.select(tasks.c.id).join(batches, batches.c.id == tasks.c.batch_id).where(batches.c.job_id == job)
    )
    assert cli.json("status", str(task[0].id))["state"] == "done"
    shown = [cli.quick("status", *words) for words in ((), (job,), (document_id,), (str(task[0].id),))]
    assert [ended.code for ended in shown] == [0, 0, 0, 0]
    assert f"Job {job}: completed, collection states, priority 5" in shown[1].out
    assert "Skuas" not in "".join(ended.out for ended in shown)
    assert cli.json("status", job, "--follow")["completed"] == 2


def test_no_wait_then_follow(cli: Cli, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 12, seed=12)
    submitted = cli.json("ingest", tmp_path / "in", "-c", "later", "--no-wait")
    assert submitted["documents"] == 12
    followed = cli.quick("status", submitted["job"][:10], "--follow")
    assert followed.code == 0
    assert "12 documents: 12 completed" in followed.out
    assert cli.count(collection="later") == cli.json("status", submitted["job"])["chunks"]


# Delete


def test_delete_by_path_and_collection(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = spell(tmp_path / "in", one="Mistletoe one.", two="Mistletoe two.", three="Mistletoe three.")
    spell(tmp_path / "in" / "deep", four="Mistletoe four.")
    spell(tmp_path / "in" / "DEEP", five="Mistletoe five.")
    spell(tmp_path / "in" / "deeper", six="Mistletoe six.")
    cli.json("ingest", folder, "-c", "gone")
    assert cli.count(collection="gone") == 6
    monkeypatch.chdir(folder / "deep")
    by_path = cli.json("delete", "../one.txt", "-c", "gone")
    assert by_path == {"documents": 1, "points": 1, "sources": [str(folder / "one.txt")]}
    by_folder = cli.json("delete", ".", "-c", "gone")
    assert by_folder["sources"] == [str(folder / "deep" / "four.txt")]
    by_id = cli.json("delete", derive_document_id("gone", str(folder / "two.txt")), "-c", "gone")
    assert by_id["sources"] == [str(folder / "two.txt")]
    assert cli.count(collection="gone") == 3
    assert cli.search_names("mistletoe", "gone") == {"three.txt", "five.txt", "six.txt"}
    twice = cli.quick("delete", folder / "one.txt", "-c", "gone", "--json")
    assert (twice.code, twice.json["error"]["code"]) == (2, "unknown_id")
    assert "unknown_id" in twice.err
    # One name of several is wrong: nothing is deleted.
    assert cli.quick("delete", folder / "three.txt", folder / "one.txt", "-c", "gone").code == 2
    assert cli.count(collection="gone") == 3
    assert cli.status(derive_document_id("gone", str(folder / "two.txt"))).state == "deleted"
    again = cli.json("ingest", folder, "-c", "gone")
    assert (again["completed"], again["unchanged"], again["embedded"]) == (3, 3, 0)
    assert cli.count(collection="gone") == 6
    assert cli.search_names("mistletoe", "gone") == {
        f"{name}.txt" for name in ("one", "two", "three", "four", "five", "six")
    }
    everything = cli.json("delete", folder, "-c", "gone")
    assert (everything["documents"], everything["points"], cli.count(collection="gone")) == (6, 6, 0)


# Failures


def test_failures_are_listed_retried_and_purged(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = spell(tmp_path / "in", good="Fulmars.", hollow="")
    shutil.copy(SAMPLES / "salaries_encrypted.pdf", folder / "locked.pdf")
    shutil.copy(SAMPLES / "truncated.pdf", folder / "broken.pdf")
    (folder / "outside").symlink_to("/etc/hostname")
    job = cli.json("ingest", folder, "-c", "failing", code=1)["job"]
    listed = {
        Path(failure["source"]).name: failure for failure in cli.json("failures", "list", "--job", job)["failures"]
    }
    codes = {"hollow.txt": "empty", "locked.pdf": "encrypted", "broken.pdf": "corrupt", "outside": "outside_root"}
    assert {name: failure["code"] for name, failure in listed.items()} == codes
    assert all(failure["hint"] and failure["message"] and not failure["transient"] for failure in listed.values())
    assert [
        failure["code"] for failure in cli.json("failures", "list", "--code", "encrypted", "--job", job)["failures"]
    ] == ["encrypted"]
    # By class, age and source, with the counts of all that meet the conditions.
    page = cli.json("failures", "list", "--job", job, "--stage", "extract", "--since", "1h", "--limit", "1")
    assert (len(page["failures"]), page["total"], len(page["counts"])) == (1, 3, 3)
    rest = cli.json("failures", "list", "--job", job, "--stage", "extract", "--cursor", page["next"])
    assert (len(rest["failures"]), rest["next"]) == (2, None)
    dry = cli.json("failures", "retry", "--job", job, "--source", "*.pdf", "--dry-run")
    assert (dry["jobs"], dry["documents"], len(dry["counts"])) == ([], 2, 2)
    assert cli.quick("failures", "list", "--since", "yesterday").code == 2
    unconfirmed = cli.quick("failures", "purge", "--job", job)
    assert (unconfirmed.code, "4 failures would be forgotten" in unconfirmed.err) == (2, True)
    # By code: the others are left alone; nothing has changed, so it fails again, and says so.
    (again,) = cli.json("failures", "retry", "--code", "encrypted", "--job", job, code=1)["jobs"]
    assert (again["documents"], [failure["code"] for failure in again["failures"]]) == (1, ["encrypted"])
    # The source file is repaired; the retry names it by a relative path.
    shutil.copy(SAMPLES / "annual_report.pdf", folder / "locked.pdf")
    monkeypatch.chdir(folder)
    (mended,) = cli.json("failures", "retry", "locked.pdf")["jobs"]
    assert (mended["documents"], mended["completed"]) == (1, 1)
    assert cli.search_names("Harmattan", "failing") == {"locked.pdf"}
    # What intake refused: still refused while the link leaves the folder, taken when a file stands there.
    (refused,) = cli.json("failures", "retry", folder / "outside", code=1)["jobs"]
    assert [failure["code"] for failure in refused["failures"]] == ["outside_root"]
    (folder / "outside").unlink()
    (folder / "outside").write_text("Inside at last.\n")
    assert cli.json("failures", "retry", folder / "outside")["jobs"][0]["completed"] == 1
    # The source is gone: the copy that intake kept is tried.
    (folder / "broken.pdf").unlink()
    (kept,) = cli.json("failures", "retry", folder / "broken.pdf", code=1)["jobs"]
    assert [failure["code"] for failure in kept["failures"]] == ["corrupt"]
    assert cli.json("failures", "purge", "--code", "corrupt", "--job", kept["job"]) == {"purged": 1}
    left = [
        failure["source"] for failure in cli.json("failures", "list")["failures"] if failure["collection"] == "failing"
    ]
    assert left == [str(folder / "hollow.txt")]
    assert cli.status(derive_document_id("failing", str(folder / "broken.pdf"))).state == "failed"
    assert cli.quick("failures", "retry", folder / "broken.pdf").code == 2
    assert "There is nothing to try again" in cli.quick("failures", "retry", "--code", "nothing").out
    assert "Forgotten: 1 failure." in cli.quick("failures", "purge", "--source", "hollow.txt", "--yes").out


def test_failures_are_shown_with_every_attempt_and_its_errors(cli: Cli, tmp_path: Path) -> None:
    folder = spell(tmp_path / "in")
    shutil.copy(SAMPLES / "truncated.pdf", folder / "broken.pdf")
    (folder / "outside").symlink_to("/etc/hostname")
    job = cli.json("ingest", folder, "-c", "shown", code=1)["job"]
    listed = {failure["code"]: failure for failure in cli.json("failures", "list", "--job", job)["failures"]}
    shown = cli.json("failures", "show", listed["corrupt"]["document_id"])
    (attempt,) = shown["attempts"]
    (error,) = attempt["errors"]
    assert (attempt["number"], error["kind"], error["stage"], error["code"]) == (1, "failed", "extract", "corrupt")
    assert error["worker"]
    assert shown["failure"] == listed["corrupt"]
    printed = cli.quick("failures", "show", folder / "broken.pdf").out
    assert "attempt 1" in printed
    assert "failed in extract 0" in printed
    (refusal,) = cli.json("failures", "show", folder / "outside")["refusals"]
    assert (refusal["code"], refusal["worker"]) == ("outside_root", None)


def test_ingesting_a_restored_file_removes_its_failure(cli: Cli, tmp_path: Path) -> None:
    path = spell(tmp_path / "in", a="Sanderlings run.") / "a.txt"
    cli.json("ingest", path, "-c", "cured")
    path.write_bytes(b"")
    job = cli.json("ingest", path, "-c", "cured", code=1)["job"]
    assert cli.search_names("sanderlings", "cured") == {"a.txt"}
    document_id = derive_document_id("cured", str(path))
    receipt = cli.status(document_id)
    assert (receipt.state, receipt.code, receipt.searchable, receipt.chunks) == ("failed", "empty", True, 1)
    path.write_text("Sanderlings run.")
    (report,) = cli.json("failures", "retry", "--job", job)["jobs"]
    assert report["unchanged"] == 1
    assert cli.json("failures", "list", "--job", job)["failures"] == []
    assert cli.status(document_id).code is None


# Cancel


def test_cancelled_update_leaves_the_older_version(cli: Cli, tmp_path: Path) -> None:
    paths = write_documents(tmp_path / "in", 12, seed=13)
    assert cli.json("ingest", tmp_path / "in", "-c", "stopped")["completed"] == 12
    before = cli.count(Filter(live=True), "stopped")
    for number, path in enumerate(paths):
        path.write_text(" ".join(f"word{number}x{position}" for position in range(800)))
    with cli.gates.closed("embed"):
        command = cli.start("ingest", tmp_path / "in", "-c", "stopped", "--json")
        job = newest_job(cli, command, 12)
        cli.gates.arrived("embed")
        cancelled = cli.json("cancel", job)
    ended = cli.end(command)
    assert ended.code == 1
    assert ended.json["state"] == "cancelled"
    assert ended.json["cancelled"] == cancelled["cancelled"] > 0
    assert ended.json["cancelled"] + ended.json["completed"] == 12
    assert cli.json("cancel", job)["cancelled"] == 0
    names = cli.search_names("letter series", "stopped")
    assert names
    with cli.services() as services:
        assert eventually(lambda: not any(TaskManager(services).queues().depth[stage] for stage in STAGES))
    assert eventually(lambda: not cli.rows(open_work(job)))
    # Nothing of the cancelled versions is left, and what was searchable is.
    if ended.json["completed"] == 0:
        assert cli.count(collection="stopped") == cli.count(Filter(live=True), "stopped") == before
    assert cli.json("ingest", tmp_path / "in", "-c", "stopped")["completed"] == ended.json["cancelled"]


def newest_job(cli: Cli, command: subprocess.Popen[str], documents: int) -> str:
    """Id of the job that the command opened, as soon as it has this many documents."""
    query = sa.select(submissions.c.job_id).order_by(sa.literal_column("rowid").desc())
    number = len(cli.rows(query))
    assert until(lambda: len(cli.rows(query)) >= number + documents, command)
    return str(cli.rows(query)[0].job_id)


def open_work(job: str) -> sa.Select[tuple[str]]:
    query = sa.select(tasks.c.id).join(batches, batches.c.id == tasks.c.batch_id)
    return query.where(batches.c.job_id == job, tasks.c.state != "done", batches.c.state == "active")


def test_heartbeat_of_an_intake_is_not_listed_as_a_worker(cli: Cli, tmp_path: Path) -> None:
    """An intake has a heartbeat in Redis like a worker, but is not listed among the workers."""
    write_documents(tmp_path / "in", 12, words=20, seed=14)
    with cli.gates.closed(INTAKE), cli.services() as services:
        command = cli.start("ingest", tmp_path / "in", "-c", "door", "--json")
        (intake,) = cli.gates.arrived(INTAKE)
        assert is_alive(services.redis, intake_node(intake.visitor))
        names = {worker.node for worker in TaskManager(services).queues().workers}
    assert cli.end(command).code == 0
    assert {name for name in names if name.startswith(intake_node(""))} == set()
    assert names


# Where settings stand


def test_data_folder_before_and_after_the_subcommand(cli: Cli, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for words in (("--data-dir", elsewhere, "config", "--json"), ("config", "--data-dir", elsewhere, "--json")):
        shown = json.loads(cli.quick(*words).out)
        assert shown["data_dir"] == {"value": str(elsewhere), "origin": "command line"}
    assert cli.quick("--data-dir", elsewhere, "status").out.startswith("Nothing was ingested yet")


# A second `docrelay up`


def test_second_up_is_refused_and_the_first_goes_on(rig_and_up: tuple[Cli, subprocess.Popen[str]]) -> None:
    cli, first = rig_and_up
    before = {process.pid for process in cli.left()}
    assert len(before) > 5
    second = cli.run("up", "--api-port", "0")
    assert (second.code, second.out) == (3, ""), second
    sentence, hint = second.err.splitlines()
    assert sentence == f"error already_up: `docrelay up` runs already on {cli.folder} (pid {first.pid})."
    (shown,) = re.findall(r"docrelay (status --data-dir \S+)", hint)
    assert cli.quick(*shown.split()).code == 0
    assert first.poll() is None
    assert {process.pid for process in cli.left()} == before
