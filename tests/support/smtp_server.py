"""A mail server for tests, `aiosmtpd` in a process of its own: it keeps what it takes, and fails as recipients say.

The name of a recipient says how the server answers: `busy-N` refuses N times for the moment, `refused` and `full` for
good, `cut-N` closes the connection N times after it has taken the message, without an answer.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from flow_tools import eventually

USER, PASSWORD = "docrelay", "pass:word/with@signs"
READY = "ready "


@dataclass(frozen=True)
class Taken:
    """A message as the server has received it, whether it answered or not."""

    recipients: list[str]
    tls: bool
    user: str | None
    message: EmailMessage


@dataclass(frozen=True)
class MailHost:
    """A server that runs. `authority` is the certificate to trust."""

    port: int
    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "certificate.pem"

    def taken(self, recipient: str | None = None) -> list[Taken]:
        """What was received, in order; for one recipient if it is named."""
        path = self.folder / "taken.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        found = [
            Taken(row["to"], row["tls"], row["user"], message_from_string(row["data"], policy=policy.default))  # type: ignore[arg-type]
            for row in rows
        ]
        return [mail for mail in found if recipient in (None, *mail.recipients)]


@contextmanager
def mail_host(folder: Path, mode: str) -> Iterator[MailHost]:
    """A server whose mode is `starttls` or `tls` (both want a login), or `plain`."""
    folder.mkdir(parents=True, exist_ok=True)
    if mode != "plain":
        make_certificate(folder)
    line = [sys.executable, "-W", "ignore", __file__, str(folder), mode]
    said = folder / "said"
    with said.open("w") as out, subprocess.Popen(line, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            assert eventually(lambda: READY in said.read_text() or process.poll() is not None), said.read_text()
            yield MailHost(int(said.read_text().partition(READY)[2]), folder)
        finally:
            process.kill()


def make_certificate(folder: Path) -> None:
    """A certificate of localhost for a day."""
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(["openssl", *kind, *names, *files], check=True, capture_output=True)


# The process of the server


class Handler:
    """Keeps messages in a file, a line of JSON each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: dict[str, int] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, _: Any) -> str:  # noqa: N802
        if address.startswith("refused"):
            return "550 5.1.1 No such mailbox"
        if self.again(address, "busy"):
            return "451 4.7.1 Greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        recipient = envelope.rcpt_tos[0]
        if recipient.startswith("full"):
            return "552 5.2.2 The mailbox is full"
        data = session.auth_data.login.decode() if session.auth_data else None
        tls = session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None
        row = {"to": envelope.rcpt_tos, "tls": tls, "user": data, "data": envelope.content.decode(), "at": time.time()}
        with (self.folder / "taken.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        if self.again(recipient, "cut"):
            server.transport.abort()
        return "250 OK"

    def again(self, address: str, word: str) -> bool:
        """Whether this is one of the first N times of an address `word-N`."""
        found = re.match(rf"{word}-(\d+)", address)
        self.counts[address] = self.counts.get(address, 0) + bool(found)
        return found is not None and self.counts[address] <= int(found[1])


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
    from aiosmtpd.smtp import AuthResult

    right = data.login.decode() == USER and data.password.decode() == PASSWORD
    return AuthResult(success=right, auth_data=data if right else None, handled=False)


async def serve(folder: Path, mode: str) -> None:
    from aiosmtpd.smtp import SMTP

    context = None
    if mode != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    wanted = {"authenticator": authenticate, "auth_required": mode != "plain", "auth_require_tls": mode == "starttls"}
    more = {"tls_context": context, "require_starttls": True} if mode == "starttls" else {}
    handler = Handler(folder)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, hostname="localhost", **wanted, **more),
        "127.0.0.1",
        0,
        ssl=context if mode == "tls" else None,
    )
    print(f"{READY}{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
