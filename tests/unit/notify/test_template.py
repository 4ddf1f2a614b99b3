"""Messages of chat services: what a real HTTP server receives from each template."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.work.notices import Notice
from pipeline.errors import HookRefused
from pipeline.notify.base import Notification, SendError
from pipeline.notify.messages import body_of
from pipeline.notify.registry import Senders, check_address
from pipeline.notify.template import fill
from pipeline.notify.trial import send_tests
from pipeline.settings import Settings

TEST = Notice("n", "test", "test", "info", cleared=False, at=1.8e9, facts={"rule": "r"})


@pytest.fixture
def received() -> Iterator[tuple[str, list[tuple[str, dict[str, str], Any]]]]:
    """Address of a server (without a scheme), and the path, headers and JSON of what it got; /no is refused."""
    got: list[tuple[str, dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            got.append((self.path, dict(self.headers.items()), body))
            self.send_response(403 if self.path == "/no" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            got.append((self.path, dict(self.headers.items()), None))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()
    thread.join()


def send(address: str, secret: str = "", **settings: Any) -> int:
    senders = Senders(Settings(**settings))
    facts = {"folder": "/backup", "message": "<!channel> & more"}
    body = body_of("id", "chat", 1.8e9, [Notice("n", "backup.failed", "/backup", "error", False, 1.8e9, facts)])
    try:
        return asyncio.run(senders.of(address, of_rule=True).send(Notification("id", address, secret, body.encode())))
    finally:
        senders.close()


def test_slack_gets_a_text_that_addresses_nobody(received: Any) -> None:
    host, got = received
    assert send(f"slack+http://{host}/services/T0/B0/x") == 200
    ((path, headers, body),) = got
    assert path == "/services/T0/B0/x"
    assert body == {"text": "*A backup failed*\n/backup: &lt;!channel&gt; &amp; more"}
    assert "Authorization" not in headers


def test_ntfy_gets_its_topic_and_a_priority_that_is_a_number(received: Any) -> None:
    host, got = received
    assert send(f"ntfy+http://{host}/proxy/alerts", "tk_secret") == 200
    ((path, headers, body),) = got
    assert path == "/proxy/"
    assert headers["Authorization"] == "Bearer tk_secret"
    expected = {"topic": "alerts", "title": "A backup failed", "message": "/backup: <!channel> & more", "priority": 5}
    assert body == expected


def test_a_template_of_the_settings_is_filled_at_every_depth(received: Any) -> None:
    host, got = received
    template = {"embeds": [{"title": "$title", "costs": "$5", "level": 3}], "content": "${severity}: $text"}
    assert send(f"discord+http://{host}/hook", notify_templates={"discord": template}) == 200
    assert got[0][2] == {
        "embeds": [{"title": "A backup failed", "costs": "$5", "level": 3}],
        "content": "error: /backup: <!channel> & more",
    }


def test_a_refusal_is_an_error_with_its_status(received: Any) -> None:
    with pytest.raises(SendError) as refused:
        send(f"slack+http://{received[0]}/no")
    assert refused.value.status == 403


def test_only_rules_may_name_private_addresses_templates_and_mailboxes(received: Any) -> None:
    host, got = received
    body = body_of("id", "r", 0.0, [TEST]).encode()
    senders = Senders(Settings())
    for address in ("http://127.0.0.1/x", f"slack+http://{host}/x", "ntfy+http://10.0.0.7/x", "mailto:a@example.org"):
        with pytest.raises(HookRefused):
            senders.of(address, of_rule=False).check(address)
    for address in (f"http://{host}/x", f"slack+http://{host}/x"):
        sender = senders.of(address, of_rule=True)
        assert asyncio.run(sender.send(Notification("id", address, "s" * 16, body))) == 200
    assert [path for path, _, _ in got] == ["/x", "/x"]
    for address in ("other+https://example.org/x", "slack+http://224.0.0.1/x", "mailto:a@example.org"):
        with pytest.raises(HookRefused):
            senders.of(address, of_rule=True).check(address)
    senders.close()


def test_the_trial_calls_the_dead_man_url_too(received: Any) -> None:
    host, _ = received
    rule = {"name": "chat", "events": ["backup.failed"], "to": [f"slack+http://{host}/no"]}
    settings = Settings(notify=[rule], deadman_url=f"http://{host}/alive")
    outcomes = asyncio.run(send_tests(settings)).tests
    assert [(item.rule, item.accepted, item.status) for item in outcomes] == [
        ("chat", False, 403),
        ("deadman_url", True, 200),
    ]


@pytest.mark.parametrize(
    "address", ["mailto:a@example.org", "slack+https://hooks.slack.com/x", "ntfy+https://ntfy.sh/x"]
)
def test_a_user_of_the_api_cannot_register_an_address_that_rules_have(address: str) -> None:
    mail = {"smtp_url": "smtp://mail.example.org", "smtp_from": "docrelay@example.org"}
    with pytest.raises(HookRefused):
        check_address(address, Settings(**mail))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="$")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_a_template_without_names_stays_as_it_is(template: Any) -> None:
    assert fill(template, {"title": "x"}) == template
