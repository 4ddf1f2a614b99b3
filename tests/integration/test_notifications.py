"""Notifications of a real stack: each event is produced for real, and its mail arrives at a real mail server, once."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from api_rig import Api, api_on, with_settings
from documented_rows import DOCS, documented_rows
from flow_tools import eventually
from httpx import Response
from metrics_rig import rows_of
from ping_server import PingServer, ping_server
from small_disk import fill, small_disk
from smtp_server import MailHost, Taken, mail_host

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import deliveries, delivery_notices, failures, hooks, jobs, notices
from pipeline.catalog.work import notices as recorded
from pipeline.disk import MB
from pipeline.engine.heartbeat import living_nodes
from pipeline.gates_for_tests import LOOKS, NOTIFIED
from pipeline.notify import deadman
from pipeline.notify.http_request import CheckedHttp
from pipeline.notify.webhook_signature import verify
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.masking import MASK
from pipeline.vectorstore.base import Filter

SECRET = "0123456789abcdef-of-the-rule"
EVENTS = ["job.finished", "documents.failed", "worker.dead", "disk.low", "watch.held", "verify.drift", "backup.failed"]
EVENTS += ["schedule.failed"]
WANTED_MB = 120


@dataclass
class Rig:
    """A stack with rules for every event, and what stands outside it."""

    api: Api
    mail: MailHost
    pings: PingServer
    watched: Path

    def of(self, event: str, *, cleared: bool = False, to: str = "all@example.org") -> list[Taken]:
        """Mails about an event."""
        title = {"worker.dead": "Worker", "disk.low": "Little room", "watch.held": "Deletions are held back"}
        title |= {"verify.drift": "The index differs", "backup.failed": "A backup failed", "job.finished": "Job "}
        title |= {"schedule.failed": "Scheduled work failed"}
        begin = f"[Docrelay] {'Over: ' if cleared else ''}{title[event]}"
        return [mail for mail in self.mail.taken(to) if mail.message["Subject"].startswith(begin)]

    def arrives(self, event: str, words: str = "", *, cleared: bool = False) -> Taken:
        """Wait for the only mail about an event with these words, and return it."""
        found: list[Taken] = []

        def is_there() -> bool:
            found[:] = [mail for mail in self.of(event, cleared=cleared) if words in text_of(mail)]
            return bool(found)

        assert eventually(is_there, pause=0.2), [mail.message["Subject"] for mail in self.mail.taken()]
        (mail,) = found
        return mail

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        return list(self.api.cli.rows(query))


def text_of(mail: Taken) -> str:
    part = mail.message.get_body(("plain",))
    assert part is not None
    return f"{mail.message['Subject']}\n{part.get_content()}"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("notify")
    watched = folder / "watched"
    watched.mkdir()
    with ExitStack() as scope:
        mail = scope.enter_context(mail_host(folder / "mail", "plain"))
        pings = scope.enter_context(ping_server())
        disk = scope.enter_context(small_disk(folder / "disk", 512))
        rules = [
            {"name": "all", "events": EVENTS, "to": ["mailto:all@example.org"]},
            {
                "name": "failed-jobs",
                "events": ["job.finished"],
                "minimum_severity": "warning",
                "to": ["mailto:failed@example.org"],
            },
            {"name": "digest", "events": ["documents.failed"], "digest_s": 5, "to": ["mailto:digest@example.org"]},
            {"name": "held", "events": ["documents.failed"], "digest_s": 86400, "to": ["mailto:held@example.org"]},
            {"name": "busy", "events": ["backup.failed"], "to": ["mailto:busy-1@example.org"]},
            {"name": "gone", "events": ["backup.failed"], "to": ["mailto:refused@example.org"]},
            {
                "name": "urls",
                "events": ["backup.failed"],
                "to": [f"http://{pings.host}/hook", f"slack+http://{pings.host}/slack"],
                "secret": SECRET,
            },
        ]
        settings = {
            "notify": json.dumps(rules),
            "notify_check_s": 1.0,
            "notify_clear_s": 3.0,
            "notify_disk_mb": WANTED_MB,
            "min_free_mb": 8,
            "smtp_url": f"smtp+plain://localhost:{mail.port}",
            "smtp_from": "docrelay@example.org",
            "deadman_url": f"http://{pings.host}/alive",
            "drift_check_s": 2.0,
            "watch": json.dumps([{"path": str(watched)}]),
            "watch_settle_ms": 200,
            "watch_rescan_s": 2.0,
            "dead_after_s": 8.0,
        }
        api = scope.enter_context(api_on(disk / "data", **settings))
        yield Rig(api, mail, pings, watched)


def test_the_end_of_a_job_is_reported_with_the_numbers_of_the_catalog(rig: Rig) -> None:
    good = rig.api.submit(("good.txt", b"A good letter."))
    bad = rig.api.submit(("bad.pdf", b"%PDF-1.4 nothing"), ("fine.txt", b"Another good letter."))

    fine, failed = rig.arrives("job.finished", good[:8]), rig.arrives("job.finished", bad[:8])
    assert "1 document of the collection documents: 1 completed." in text_of(fine)
    assert "2 documents of the collection documents: 1 completed, 1 failed." in text_of(failed)
    (mail,) = rig.of("job.finished", to="failed@example.org")
    assert bad[:8] in text_of(mail)
    ended = rig.rows(sa.select(jobs.c.id).where(jobs.c.finished_at.is_not(None)))
    reported = rig.rows(sa.select(notices.c.subject).where(notices.c.event == "job.finished"))
    assert Counter(row.id for row in ended) == Counter(row.subject for row in reported)


def test_failures_are_gathered_into_one_mail_with_their_codes(rig: Rig) -> None:
    before = len(rig.mail.taken("digest@example.org"))
    for number in range(3):
        rig.api.submit((f"broken-{number}.pdf", f"%PDF-1.4 number {number}".encode()))
    codes = Counter(row.code for row in rig.rows(sa.select(failures.c.code)))

    def reported() -> int:
        return sum(count_in(mail) for mail in rig.mail.taken("digest@example.org"))

    assert eventually(lambda: reported() >= sum(codes.values()), pause=0.2)
    assert reported() == sum(codes.values())
    mail = rig.mail.taken("digest@example.org")[-1]
    assert len(rig.mail.taken("digest@example.org")) - before <= 3
    assert "broken-2.pdf" in text_of(mail)
    assert all(code in text_of(mail) for code in codes)


def count_in(mail: Taken) -> int:
    """The number of documents that a mail about failures names."""
    return int(mail.message["Subject"].split()[1])


def wait_for_a_look(rig: Rig) -> None:
    """Wait until a look that begins from now on has ended: until the next one begins."""
    gates = rig.api.cli.gates
    for _ in range(2):
        with gates.closed(LOOKS):
            gates.arrived(LOOKS)


def test_a_worker_that_dies_is_reported_and_one_that_ends_is_not(rig: Rig) -> None:
    with rig.api.cli.services() as services:
        url = str(services.settings.redis_url)
        environment = {**rig.api.cli.environment, "DOCRELAY_REDIS_URL": url}
        workers = {
            name: rig.api.cli.start("worker", "embed", "--name", name, env=environment) for name in ("dies", "ends")
        }
        assert eventually(lambda: services.redis.exists("docrelay:ready:dies", "docrelay:ready:ends") == 2)
        wait_for_a_look(rig)  # which has seen both
        os.kill(workers["dies"].pid, signal.SIGKILL)
        workers["ends"].terminate()
        assert workers["ends"].wait(60) == 0
        assert "Worker dies is dead" in rig.arrives("worker.dead").message["Subject"]
        again = rig.api.cli.start("worker", "embed", "--name", "dies", env=environment)
        assert "Worker dies is dead" in rig.arrives("worker.dead", cleared=True).message["Subject"]
        again.terminate()
        assert again.wait(60) == 0
    assert [mail.message["Subject"] for mail in rig.of("worker.dead")] == ["[Docrelay] Worker dies is dead"]


def test_a_worker_that_dies_is_reported_though_another_has_its_name_and_the_api_died_with_it(rig: Rig) -> None:
    gates = rig.api.cli.gates
    with rig.api.cli.services() as services:
        environment = {**rig.api.cli.environment, "DOCRELAY_REDIS_URL": str(services.settings.redis_url)}

        def twin_nodes() -> int:
            return sum(node.startswith("twin@") for node in living_nodes(services.redis))

        first, second = (rig.api.cli.start("worker", "store", "--name", "twin", env=environment) for _ in range(2))
        assert eventually(lambda: twin_nodes() == 2)
        wait_for_a_look(rig)  # which has seen both
        with gates.closed(LOOKS):
            gates.arrived(LOOKS)
            os.kill(first.pid, signal.SIGKILL)
            assert eventually(lambda: twin_nodes() == 1)
            rig.api.kill()
        assert "1 of this name live" in text_of(rig.arrives("worker.dead", "Worker twin is dead"))
        again = rig.api.cli.start("worker", "store", "--name", "twin", env=environment)
        rig.arrives("worker.dead", "Worker twin is dead", cleared=True)
        for process in (second, again):
            process.terminate()
            assert process.wait(60) == 0


def test_little_room_on_the_disk_is_reported_and_its_end(rig: Rig) -> None:
    filler = rig.api.cli.folder.parent / "filler"
    fill(filler, (WANTED_MB - 20) * MB)
    free = os.statvfs(filler.parent)
    text = text_of(rig.arrives("disk.low"))
    free_mb = free.f_bavail * free.f_frsize // MB
    (row,) = rig.rows(sa.select(notices.c.facts).where(notices.c.event == "disk.low", ~notices.c.cleared))
    assert abs(row.facts["free_mb"] - free_mb) <= 5
    assert f"{row.facts['free_mb']} MB are free, {WANTED_MB} MB are wanted" in text
    filler.unlink()
    rig.arrives("disk.low", cleared=True)


def test_deletions_that_are_held_back_are_reported(rig: Rig, tmp_path: Path) -> None:
    for number in range(14):
        (rig.watched / f"watched-{number}.txt").write_text(f"Watched letter {number}.\n")
    assert eventually(lambda: rig.api.http.get("/v1/status").json()["watched"][0]["files"] == 14, pause=0.2)
    aside = shutil.move(rig.watched, tmp_path / "aside")
    text = text_of(rig.arrives("watch.held"))
    held = rig.api.http.get("/v1/status").json()["watched"][0]
    assert (held["held"], held["held_files"]) == ("root_missing", 14)
    assert "14 files are missing" in text
    assert f"docrelay watch {rig.watched} --confirm-deletions" in text
    shutil.move(aside, rig.watched)
    rig.arrives("watch.held", cleared=True)


def test_points_that_are_gone_are_reported_until_they_are_mended(rig: Rig) -> None:
    rig.api.submit(("drift.txt", b"Letters about drift."))
    with rig.api.cli.services() as services:
        expected = services.store.count("documents", Filter(live=True))
        page, _ = services.store.scroll("documents", Filter(live=True), 1)
        services.store.delete("documents", Filter(point_ids=(page[0].id,)))
    text = text_of(rig.arrives("verify.drift"))
    assert f"documents: {expected - 1} points instead of {expected}" in text
    assert rig.api.cli.run("verify", "--repair", "--json").code == 0
    rig.arrives("verify.drift", cleared=True)
    assert rig.api.cli.count(Filter(live=True)) == expected


def test_periodic_work_that_fails_is_reported_after_its_last_try_until_it_is_done(rig: Rig) -> None:
    database = rig.api.cli.folder / "catalog.db"
    rows_of(database, "CREATE TRIGGER refuse BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'not today'); END")
    rows_of(database, "INSERT INTO events (at, job_id, kind, data) VALUES (1000, 'old', 'job.finished', '{}')")
    rig.api.cli.quick("schedule", "run", "clean_up")
    # The next tries come five minutes after each other: the time of the last end is moved.
    moved = "UPDATE scheduled SET ended_at = ended_at - 400 WHERE name = 'clean_up' AND outcome = 'failed'"
    tries = "SELECT tries, state FROM scheduled WHERE name = 'clean_up'"
    for number in (2, 3):
        rows_of(database, moved)
        assert eventually(lambda number=number: rows_of(database, tries) == [(number, "idle")], pause=0.2)
    assert "not today" in text_of(rig.arrives("schedule.failed", "clean_up"))
    rows_of(database, "DROP TRIGGER refuse")
    assert rig.api.cli.run("schedule", "run", "clean_up").code == 0
    rig.arrives("schedule.failed", "clean_up", cleared=True)


def test_a_backup_that_fails_is_reported_to_every_address_of_its_rules(rig: Rig, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    assert rig.api.cli.run("backup", taken).code != 0

    assert str(taken) in text_of(rig.arrives("backup.failed"))
    assert eventually(lambda: len(rig.mail.taken("busy-1@example.org")) == 1)
    assert eventually(lambda: rig.pings.bodies("/hook") and rig.pings.bodies("/slack"))
    ((_, headers, body),) = [post for post in rig.pings.posts if post[0] == "/hook"]
    assert verify(SECRET, headers, body)
    assert not verify(SECRET + "x", headers, body)
    assert json.loads(body)["notices"][0]["facts"]["folder"] == str(taken)
    assert rig.pings.bodies("/slack") == [{"text": f"*A backup failed*\n{json.loads(body)['text']}"}]
    states = dict(rig.rows(delivered().where(hooks.c.rule.in_(("busy", "gone")))))
    assert states == {"mailto:busy-1@example.org": "delivered", "mailto:refused@example.org": "failed"}
    (refused,) = rig.rows(
        sa.select(deliveries.c.tries, deliveries.c.status)
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .where(hooks.c.rule == "gone")
    )
    assert tuple(refused) == (1, 550)


def delivered() -> sa.Select[Any]:
    return sa.select(hooks.c.url, deliveries.c.state).join(hooks, hooks.c.id == deliveries.c.hook_id)


def add(services: Services, subject: str, number: int = 1) -> None:
    """Record failed backups, as many as there are messages to come."""
    with writing(services.catalog) as connection:
        for _ in range(number):
            recorded.add(connection, "backup.failed", subject, "error", {"folder": subject, "message": "No."})


def test_a_digest_whose_sender_is_killed_before_it_is_recorded_comes_again_with_the_same_id(rig: Rig) -> None:
    def held(*states: str) -> list[Any]:
        of_rule = sa.select(deliveries).join(hooks, hooks.c.id == deliveries.c.hook_id).where(hooks.c.rule == "held")
        return rig.rows(of_rule.where(deliveries.c.state.in_(states)).order_by(deliveries.c.created_at.desc()))

    def is_gathered() -> bool:
        return bool(held("waiting")) and "digest-1.pdf" in json.dumps(facts_of(rig, held("waiting")[0].id))

    rig.api.submit(("digest-1.pdf", b"%PDF-1.4 of the digest"))
    assert eventually(is_gathered, pause=0.2)
    assert eventually(lambda: not rig.rows(delivered().where(deliveries.c.state == "sending")), pause=0.2)
    (waiting,) = held("waiting")
    with rig.api.cli.services() as services, rig.api.cli.gates.closed(NOTIFIED):
        make_due(services, waiting.id)
        assert [visitor.visitor for visitor in rig.api.cli.gates.arrived(NOTIFIED)] == [waiting.id]
        (first,) = rig.mail.taken("held@example.org")
        rig.api.kill()
    with rig.api.cli.services() as services:
        assert [row.id for row in held("sending")] == [waiting.id]
        make_due(services, waiting.id)  # as if its lease had run out
    assert eventually(lambda: [row.tries for row in held("delivered") if row.id == waiting.id] == [2], pause=0.2)
    first, second = rig.mail.taken("held@example.org")
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert waiting.id in first.message["Message-ID"]
    assert first.message.as_bytes() == second.message.as_bytes()
    assert "digest-1.pdf" in text_of(first)


def facts_of(rig: Rig, delivery_id: str) -> list[Any]:
    """Facts of the notices of a delivery."""
    linked = sa.select(notices.c.facts).join(delivery_notices, delivery_notices.c.notice_id == notices.c.id)
    return [row.facts for row in rig.rows(linked.where(delivery_notices.c.delivery_id == delivery_id))]


def make_due(services: Services, delivery_id: str) -> None:
    with writing(services.catalog) as connection:
        connection.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(due_at=time.time()))


def test_two_processes_send_each_mail_once(rig: Rig) -> None:
    with with_settings(rig.api), rig.api.cli.services() as services:
        add(services, "/of-two-processes", 20)

        def mails() -> list[Taken]:
            return [mail for mail in rig.of("backup.failed") if "/of-two-processes" in text_of(mail)]

        assert eventually(lambda: len(mails()) >= 20, pause=0.2)
        undone = delivered().where(deliveries.c.state.in_(("waiting", "sending")), hooks.c.rule == "all")
        assert eventually(lambda: not rig.rows(undone), pause=0.2)
        ids = [mail.message["Message-ID"] for mail in mails()]
        assert len(ids) == len(set(ids)) == 20


def test_the_dead_man_url_is_called_while_all_is_well_and_not_otherwise(rig: Rig) -> None:
    assert eventually(lambda: "/alive" in rig.pings.calls, pause=0.2)
    with rig.api.cli.services() as services:
        assert eventually(lambda: deadman.problems(services) == [], pause=0.2)
        full = services.settings.model_copy(update={"min_free_mb": 10**6})
        away = services.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
        assert [line.partition(":")[0] for line in deadman.problems(Services(full))] == ["disk full"]
        lonely = deadman.problems(Services(away))
        assert [line.partition(":")[0] for line in lonely] == ["workers", "beat", "reconciler", "store"]
        http, url = CheckedHttp(private=True), f"http://{rig.pings.host}/called"
        for settings, calls in ((full, 0), (away, 0), (services.settings, 1), (services.settings, 1)):
            if calls == 0:
                services.redis.delete(deadman.CALLED)
            asyncio.run(deadman.call_if_well(Services(settings), http, url))
            assert rig.pings.calls.count("/called") == calls
        http.close()
    refused = CheckedHttp(private=False)
    with rig.api.cli.services() as services:
        services.redis.delete(deadman.CALLED)
        asyncio.run(deadman.call_if_well(services, refused, url))
    assert rig.pings.calls.count("/called") == 1
    refused.close()


def count_states(rig: Rig, rule: str) -> dict[str, int]:
    query = sa.select(deliveries.c.state, sa.func.count()).join(hooks, hooks.c.id == deliveries.c.hook_id)
    return {row[0]: row[1] for row in rig.rows(query.where(hooks.c.rule == rule).group_by(deliveries.c.state))}


def check_rules(rig: Rig, listed: list[dict[str, Any]]) -> None:
    """Compare a list of rules with the rows of the catalog, and look for what must not be shown."""
    rules = {rule["name"]: rule for rule in listed}
    assert list(rules) == ["all", "failed-jobs", "digest", "held", "busy", "gone", "urls"]
    for name, rule in rules.items():
        assert {state: number for state, number in rule["deliveries"].items() if number} == count_states(rig, name)
    assert rules["urls"]["to"] == [f"http://{rig.pings.host}/{MASK}", f"slack+http://{rig.pings.host}/{MASK}"]
    assert SECRET not in json.dumps(listed)


def check_list(rig: Rig) -> None:
    check_rules(rig, rig.api.http.get("/v1/notifications").raise_for_status().json()["rules"])
    check_rules(rig, [rule.model_dump() for rule in rig.api.client.notifications().rules])


def check_list_command(rig: Rig) -> None:
    for server in ((), ("--server", rig.api.url)):
        check_rules(rig, rig.api.cli.json("notify", "list", *server)["rules"])
    printed = rig.api.cli.quick("notify", "list").out
    assert "gone  backup.failed to mailto:refused@example.org; deliveries: " in printed


def check_tests(rig: Rig, send: Callable[[], list[dict[str, Any]]]) -> None:
    """Send a message by every rule, and compare what is said with what has arrived."""
    before = Counter(mail.recipients[0] for mail in rig.mail.taken())
    posts = len(rig.pings.posts)
    tests = send()
    assert [test["accepted"] for test in tests if test["rule"] == "deadman_url"] == [True]
    by_mail = {test["address"]: (test["accepted"], test["status"]) for test in tests if "@" in test["address"]}
    assert by_mail["mailto:all@example.org"] == (True, 250)
    assert by_mail["mailto:refused@example.org"] == (False, 550)
    sent = Counter(mail.recipients[0] for mail in rig.mail.taken()) - before
    assert sent == Counter(address.removeprefix("mailto:") for address, (accepted, _) in by_mail.items() if accepted)
    by_url = [test for test in tests if test["rule"] == "urls"]
    assert [(test["accepted"], test["status"]) for test in by_url] == [(True, 200)] * 2
    assert Counter(path for path, _, _ in rig.pings.posts[posts:]) == {"/hook": 1, "/slack": 1}
    assert {test["address"] for test in by_url} == {
        f"http://{rig.pings.host}/{MASK}",
        f"slack+http://{rig.pings.host}/{MASK}",
    }


OF_DIGEST = {"rule": "digest", "address": "mailto:digest@example.org", "accepted": True, "status": 250, "error": None}


def check_test(rig: Rig) -> None:
    def post(**body: str) -> Response:
        return rig.api.http.post("/v1/notifications/test", json=body)

    check_tests(rig, lambda: post().raise_for_status().json()["tests"])  # type: ignore[no-any-return]
    assert post(rule="digest").json() == {"tests": [OF_DIGEST]}
    unknown = post(rule="nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_id")
    assert [test.model_dump() for test in rig.api.client.send_test_notifications("digest").tests] == [OF_DIGEST]


def check_test_command(rig: Rig) -> None:
    for server in ((), ("--server", rig.api.url)):
        check_tests(rig, lambda: rig.api.cli.json("notify", "test", *server, code=1)["tests"])  # noqa: B023
        assert rig.api.cli.json("notify", "test", "digest", *server)["tests"] == [OF_DIGEST]
        assert rig.api.cli.quick("notify", "test", "nobody", *server).code == 2


def check_deliveries(rig: Rig) -> None:
    listed = rig.api.cli.json("webhooks", "list")["deliveries"]
    found = rig.rows(
        sa.select(deliveries.c.id, deliveries.c.state, hooks.c.rule, hooks.c.url)
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
    )  # fmt: skip
    masked = {id_: re.sub(r"(?<=://)([^/]+).*", lambda host: f"{host[1]}/{MASK}", url) for id_, _, _, url in found}
    assert {(row["id"], row["state"], row["rule"]) for row in listed} == {tuple(row)[:3] for row in found}
    assert {row["id"]: row["url"] for row in listed} == masked
    assert f"{rig.pings.host}/hook" not in rig.api.cli.quick("webhooks", "list").out


CHECKS: dict[str, Callable[[Rig], None]] = {
    "GET /v1/notifications": check_list,
    "POST /v1/notifications/test": check_test,
    "docrelay notify list": check_list_command,
    "docrelay notify test [RULE]": check_test_command,
    "docrelay webhooks list": check_deliveries,
}


@pytest.mark.parametrize("row", CHECKS)
def test_a_row_of_the_monitoring_page_is_true(rig: Rig, row: str) -> None:
    assert eventually(lambda: not rig.rows(delivered().where(deliveries.c.state == "sending")), pause=0.2)
    CHECKS[row](rig)


def test_every_row_of_the_monitoring_page_has_a_check() -> None:
    assert documented_rows("monitoring.md", "## Notifications") == list(CHECKS)


def test_every_event_is_documented_and_produced_by_a_test() -> None:
    assert documented_rows("notifications.md", "## Events") == EVENTS


def test_the_examples_of_the_page_are_valid_settings() -> None:
    page = (DOCS / "notifications.md").read_text("utf-8")
    examples = [block.split("\n```", 1)[0] for block in page.split("```toml\n")[1:]]
    assert len(examples) >= 3
    named = [rule.name for example in examples for rule in Settings(**tomllib.loads(example)).notify]
    assert len(named) >= 4
