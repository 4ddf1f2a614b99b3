"""Mail over a real SMTP server: TLS, login, refusals, connections that are cut, and the bytes of the message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from smtp_server import PASSWORD, USER, MailHost, mail_host

from pipeline.catalog.work.notices import Notice
from pipeline.notify.base import Notification, SendError
from pipeline.notify.mail import MailSender
from pipeline.notify.messages import body_of
from pipeline.settings import Settings

FROM = "Docrelay <docrelay@example.org>"
MEANEST = "/a <b>&\r\nBcc: all@example.org\x00 ü.pdf"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(scope="module")
def starttls(folder: Path) -> Iterator[MailHost]:
    with mail_host(folder / "starttls", "starttls") as host:
        yield host


@pytest.fixture(scope="module")
def tls(folder: Path) -> Iterator[MailHost]:
    with mail_host(folder / "tls", "tls") as host:
        yield host


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[MailHost]:
    with mail_host(folder / "plain", "plain") as host:
        yield host


def sender_of(host: MailHost, scheme: str, password: str = PASSWORD, **settings: Any) -> MailSender:
    login = "" if scheme == "smtp+plain" else f"{USER}:{quote(password, safe='')}@"
    trusted = {} if scheme == "smtp+plain" else {"smtp_ca": host.authority}
    url = f"{scheme}://{login}localhost:{host.port}"
    return MailSender(Settings(smtp_url=url, smtp_from=FROM, **{**trusted, **settings}))


def notification(recipient: str, delivery: str = "delivery-1") -> Notification:
    facts = {"folder": MEANEST, "message": "The disk is full."}
    body = body_of(delivery, "ops", 1.8e9, [Notice("n", "backup.failed", MEANEST, "error", False, 1.8e9, facts)])
    return Notification(delivery, f"mailto:{recipient}", "", body.encode())


def send(sender: MailSender, recipient: str, delivery: str = "delivery-1") -> int:
    return asyncio.run(sender.send(notification(recipient, delivery)))


@pytest.mark.parametrize("scheme", ["smtp", "smtps", "smtp+plain"])
def test_a_mail_arrives_as_text_and_html_over_each_kind_of_connection(
    scheme: str, starttls: MailHost, tls: MailHost, plain: MailHost
) -> None:
    host = {"smtp": starttls, "smtps": tls, "smtp+plain": plain}[scheme]

    assert send(sender_of(host, scheme), "ops@example.org") == 250

    (mail,) = host.taken("ops@example.org")
    assert (mail.tls, mail.user) == ((False, None) if host is plain else (True, USER))
    assert mail.recipients == ["ops@example.org"]
    message = mail.message
    assert (message["From"], message["To"]) == (FROM, "ops@example.org")
    assert (message["Subject"], message["Bcc"]) == ("[Docrelay] A backup failed", None)
    assert message["Message-ID"] == "<delivery-1@example.org>"
    text, page = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert page is not None
    assert "The disk is full." in text.get_content()
    assert "ü.pdf" in text.get_content()
    assert "&lt;b&gt;&amp;" in page.get_content()
    assert "<b>" not in page.get_content()


def test_every_try_sends_the_same_message(plain: MailHost) -> None:
    for _ in range(2):
        send(sender_of(plain, "smtp+plain"), "twice@example.org", "delivery-2")

    first, second = plain.taken("twice@example.org")
    assert first.message.as_bytes() == second.message.as_bytes()


def test_a_connection_that_is_cut_after_the_message_is_an_error_that_is_tried_again(plain: MailHost) -> None:
    with pytest.raises(SendError) as cut:
        send(sender_of(plain, "smtp+plain"), "cut-1@example.org", "delivery-3")
    assert not cut.value.final
    assert send(sender_of(plain, "smtp+plain"), "cut-1@example.org", "delivery-3") == 250

    assert [mail.message["Message-ID"] for mail in plain.taken("cut-1@example.org")] == ["<delivery-3@example.org>"] * 2


@pytest.mark.parametrize(
    ("recipient", "status", "final"),
    [("busy-9@example.org", 451, False), ("refused@example.org", 550, True), ("full@example.org", 552, True)],
)
def test_a_refusal_is_tried_again_if_the_server_says_that_it_may_pass(
    plain: MailHost, recipient: str, status: int, final: bool
) -> None:
    with pytest.raises(SendError) as refused:
        send(sender_of(plain, "smtp+plain"), recipient)

    assert (refused.value.status, refused.value.final) == (status, final)
    assert str(status) in refused.value.message
    assert plain.taken(recipient) == []


def test_a_wrong_password_is_tried_again_as_the_settings_may_be_mended(starttls: MailHost) -> None:
    with pytest.raises(SendError) as refused:
        send(sender_of(starttls, "smtp", "wrong"), "login@example.org")

    assert (refused.value.status, refused.value.final) == (535, False)
    assert "refuses the login" in refused.value.message


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(
    scheme: str, starttls: MailHost, tls: MailHost
) -> None:
    host = starttls if scheme == "smtp" else tls
    with pytest.raises((SendError, OSError), match=r"(?i)certificate"):
        send(sender_of(host, scheme, smtp_ca=None), "untrusted@example.org")
    assert host.taken("untrusted@example.org") == []


def test_nothing_is_sent_in_the_open_where_starttls_is_wanted(plain: MailHost) -> None:
    with pytest.raises(SendError):
        send(MailSender(Settings(smtp_url=f"smtp://localhost:{plain.port}", smtp_from=FROM)), "open@example.org")
    assert plain.taken("open@example.org") == []


def test_a_server_that_is_not_there_is_an_error_that_is_tried_again(folder: Path) -> None:
    nobody = MailSender(Settings(smtp_url="smtp+plain://localhost:1", smtp_from=FROM))
    with pytest.raises((SendError, OSError)):
        send(nobody, "nobody@example.org")


def test_the_body_holds_what_the_mail_says() -> None:
    body = json.loads(notification("a@example.org").body)
    assert (body["type"], body["rule"], body["severity"], body["count"]) == ("notice", "ops", "error", 1)
