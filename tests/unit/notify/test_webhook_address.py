"""Addresses to which webhooks may go, and those to which they may not."""

from __future__ import annotations

import pytest

from pipeline.errors import HookRefused
from pipeline.notify import webhook_address

INSIDE = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://[::1]/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://172.16.0.1/",
    "http://169.254.169.254/latest/",
    "http://0.0.0.0/",
    "http://100.64.0.1/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[::127.0.0.1]/",
    "http://[5f00::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://224.0.0.1/",
    "http://a.localhost/",
    "http://printer.local/",
    "http://db.internal/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0xa9.254.43518/",
    "http://127.0.0.1./",
    "http://127.1./",
    "http://localhost./",
    "http://a.localhost./",
    "http://./",
]


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/",
        "http://134744072/",
        "http://8.8.8.8./",
        "http://hooks.example./",
        "http://[2606:4700::1111]/",
        "http://[64:ff9b::808:808]/",
    ],
)
def test_public_webhook_addresses_are_accepted(url: str) -> None:
    webhook_address.check(url, private=False)


@pytest.mark.parametrize("url", INSIDE)
def test_private_webhook_addresses_are_refused(url: str) -> None:
    with pytest.raises(HookRefused):
        webhook_address.check(url, private=False)


@pytest.mark.parametrize("name", ["127.1", "localhost.", "127.0.0.1.nip.io"])
def test_a_name_that_resolves_to_a_private_address_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(webhook_address.socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(HookRefused):
        webhook_address.resolve(f"http://{name}/", private=False)


def test_the_connection_goes_to_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_address.socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("8.8.8.8", 443))])
    target = webhook_address.resolve("https://hooks.example:8443/a?b=c", private=False)
    assert (target.url, target.authority) == ("https://8.8.8.8:8443/a?b=c", "hooks.example:8443")


@pytest.mark.parametrize(
    "url",
    ["", "hook", "ftp://example.org/", "file:///etc/passwd", "http://", "http://u:p@example.org/", "http://a b/",
     "http://example.org:99999/", "http://exa\nmple.org/", "gopher://x/", "http://example.org\\@127.0.0.1/", "http://ü.de/"],
)  # fmt: skip
def test_invalid_webhook_urls_are_refused(url: str) -> None:
    with pytest.raises(HookRefused):
        webhook_address.check(url, private=True)
