"""The setting `notify`: rules from the file and the environment, and sentences that say what is wrong in which rule."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from documented_rows import DOCS
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadRequest
from pipeline.notify.mail import server_of
from pipeline.settings import Settings, load_settings
from pipeline.settings.masking import MASK, masked_address
from pipeline.settings.notifications import HIGHEST_SEVERITIES
from pipeline.settings.printable import printable_settings
from pipeline.stack import settings_environment

RULE = {"name": "ops", "events": ["disk.low"], "to": ["mailto:ops@example.org"]}
MAIL = {"smtp_url": "smtp://me:se%2Fcret@mail.example.org", "smtp_from": "docrelay@example.org"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCRELAY_DATA_DIR", str(tmp_path))
    return tmp_path


def test_rules_are_tables_of_the_file_and_json_in_the_environment(folder: Path, monkeypatch: Any) -> None:
    (folder / "docrelay.toml").write_text(
        'smtp_url = "smtps://mail.example.org"\nsmtp_from = "a@example.org"\n\n[[notify]]\nname = "ops"\n'
        'events = ["disk.low", "worker.dead"]\nto = ["mailto:ops@example.org"]\nquiet_hours = "22:00-07:00"\n'
    )
    (rule,) = load_settings().notify
    assert (rule.name, rule.events, rule.quiet_hours) == ("ops", ("disk.low", "worker.dead"), "22:00-07:00")

    monkeypatch.setenv("DOCRELAY_NOTIFY", json.dumps([{**RULE, "name": "night", "digest_s": 60}]))
    assert [(rule.name, rule.digest_s) for rule in load_settings().notify] == [("night", 60.0)]


def test_a_process_gets_the_rules_that_its_command_has(folder: Path, monkeypatch: Any) -> None:
    chosen = Settings(
        data_dir=folder,
        notify=[RULE, {**RULE, "name": "chat", "to": ["teams+https://example.org/x"], "quiet_hours": "22:00-06:30"}],
        notify_templates={"teams": {"text": "$title"}},
        **MAIL,
    )
    for name, value in settings_environment(chosen).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == chosen


WRONG = {
    "there is no time zone": {"timezone": "Europe/Nowhere"},
    "no hours such as 22:00-07:00": {"quiet_hours": "22-7"},
    "neither mailto:NAME@HOST nor a URL": {"to": ["ops"]},
    "needs a secret of 16 characters": {"to": ["https://example.org/hook"], "secret": "short"},
    "takes a template that is not there: teams": {"to": ["teams+https://example.org/x"]},
    "notify[0].events[0] (from the command line): Input should be 'job.finished'": {"events": ["job.done"]},
    "notify[0].event (from the command line)": {"event": "disk.low"},
    "notify[0].events (from the command line): Field required": {"events": ...},
    "begins with http:// or https:// and names a host": {"to": ["ftp://example.org/hook"], "secret": "s" * 16},
    "notify[0].to (from the command line): Value error, The URL holds no user": {"to": ["slack+https://me:my@chat/x"]},
    "The URL cannot be read": {"to": ["slack+https://chat:port/x"]},
    "can never report anything from error on: watch.held is warning at most, job.finished is warning at most": {
        "events": ["watch.held", "job.finished"],
        "minimum_severity": "error",
    },
    "is named twice": {"to": ["mailto:a@example.org"] * 2},
    "two rules have the name ops": [RULE, RULE],
}


@pytest.mark.parametrize("sentence", WRONG)
@pytest.mark.usefixtures("folder")
def test_a_wrong_rule_is_refused_with_its_place_and_reason(sentence: str) -> None:
    change = WRONG[sentence]
    rules = change if isinstance(change, list) else [{key: v for key, v in {**RULE, **change}.items() if v is not ...}]
    with pytest.raises(BadRequest) as refused:
        load_settings({"notify": rules, **MAIL})
    assert sentence in refused.value.message


def test_the_highest_severity_of_each_event_is_that_of_the_page() -> None:
    page = (DOCS / "notifications.md").read_text("utf-8")
    table = page.partition("## Events")[2].partition("\n\nTrouble")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line.startswith("| `")]
    documented = {row[1].strip("`"): re.findall(r"`(info|warning|error)`", row[3]) for row in rows}
    assert {event: max(found, key=["info", "warning", "error"].index) for event, found in documented.items()} == {
        **HIGHEST_SEVERITIES
    }
    mixed = {**RULE, "events": ["watch.held", "disk.low"], "minimum_severity": "error"}
    assert Settings(notify=[mixed], **MAIL).notify


@pytest.mark.usefixtures("folder")
def test_mail_needs_a_server_and_a_sender() -> None:
    with pytest.raises(BadRequest, match="needs smtp_url and smtp_from"):
        load_settings({"notify": [RULE]})
    with pytest.raises(BadRequest, match=r"smtp_url.*begins with smtp://"):
        load_settings({"smtp_url": "mail.example.org"})


@pytest.mark.parametrize("url", ["hc-ping.com/x", "ftp://hc-ping.com/x", "https://", "https://hc-ping.com:x/"])
@pytest.mark.usefixtures("folder")
def test_a_dead_man_url_that_cannot_be_called_is_refused(url: str) -> None:
    with pytest.raises(BadRequest, match="deadman_url"):
        load_settings({"deadman_url": url})
    assert load_settings({"deadman_url": "http://kuma.internal:3001/api/push/x?status=up"}).deadman_url


WRONG_SERVERS = {
    "smtp://me:top/word@mail.example.org": "names a host and, if need be, the number of a port",
    "smtp://me:top#word@mail.example.org": "names a host",
    "smtp://me:top?word@mail.example.org": "names a host",
    "smtp://me:25/top-word@mail.example.org": "/ is written %2F",
    "smtp://me:25#top-word@mail.example.org": "# %23",
    "smtps://mail.example.org?top=word": "nothing follows the host",
    "smtp://mail.example.org:abc": "the number of a port",
    "smtp://mail.example.org:99999": "the number of a port",
    "smtp://me:to[p-word@mail.example.org": "the number of a port",
    "smtp://": "names a host",
}


@pytest.mark.parametrize("url", WRONG_SERVERS)
@pytest.mark.usefixtures("folder")
def test_a_mail_server_that_cannot_be_meant_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadRequest) as refused:
        load_settings({"smtp_url": url})
    assert WRONG_SERVERS[url] in refused.value.message
    assert "top" not in refused.value.message


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_user_and_password_that_is_percent_encoded_arrives(user: str, password: str) -> None:
    url = f"smtp://{quote(user, safe='')}:{quote(password, safe='')}@mail.example.org:2525"
    server = server_of(str(Settings(smtp_url=url).smtp_url))
    assert (server.user, server.password, server.host, server.port) == (user, password, "mail.example.org", 2525)


def test_secrets_are_masked() -> None:
    secret = "0123456789abcdef"
    rule = {**RULE, "to": ["mailto:ops@example.org", f"slack+https://hooks.slack.com/{secret}"], "secret": secret}
    templates = {"chat": {"chat_id": secret, "text": "$text"}}
    shown = printable_settings(
        Settings(notify=[rule], deadman_url=f"https://hc-ping.com?key={secret}", notify_templates=templates, **MAIL)
    )
    assert secret not in json.dumps(shown)
    assert "cret" not in shown["smtp_url"]
    assert shown["notify"][0]["to"] == ["mailto:ops@example.org", f"slack+https://hooks.slack.com/{MASK}"]
    assert shown["notify_templates"] == {"chat": MASK}
    assert shown["deadman_url"] == f"https://hc-ping.com/{MASK}"
    for address in (f"https://{secret}@host", f"https://host?token={secret}", f"https://host#{secret}"):
        assert masked_address(address) == f"https://host/{MASK}"
    assert secret not in repr(Settings(notify=[{**RULE, "secret": secret}], **MAIL).notify)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("mailto:ops@example.org", "mailto:ops@example.org"),
        ("https://host?token=abc", f"https://host/{MASK}"),
        ("https://host#abc", f"https://host/{MASK}"),
        ("https://me:abc@host:8443/x?y", f"https://host:8443/{MASK}"),
        ("ntfy+https://ntfy.sh/abc", f"ntfy+https://ntfy.sh/{MASK}"),
        ("https://host\\abc/x@y", f"https://host/{MASK}"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_secret(address: str, shown: str) -> None:
    assert masked_address(address) == shown
