"""What an extractor that was taken over might try: each attempt is made for real, and its outcome is returned."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["ATTEMPTS", "outcomes", "prepare"]


def prepare(data_dir: Path) -> None:
    """Make what the attempts are aimed at."""
    for name in ("read", "overwritten", "removed", "moved", "opened", "aged", "cut"):
        path = data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a secret")


def connect(_data: Path, port: int) -> None:
    socket.create_connection(("127.0.0.1", port), 5).close()


def connect_by_name_of_socket(data: Path, _port: int) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.path.relpath(data / "socket"))


def listen(_data: Path, _port: int) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))


def send_a_datagram(_data: Path, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a secret", ("127.0.0.1", port))


def read(data: Path, _port: int) -> None:
    (data / "read").read_text()


def list_the_folder(data: Path, _port: int) -> None:
    list(data.iterdir())


def write_a_new_file(data: Path, _port: int) -> None:
    (data / f"written-{os.getpid()}").write_text("here I was")


def write_beside_the_data(data: Path, _port: int) -> None:
    data.with_name(f"beside-{os.getpid()}").write_text("here I was")


def overwrite(data: Path, _port: int) -> None:
    (data / "overwritten").write_text("here I was")


def remove(data: Path, _port: int) -> None:
    (data / "removed").unlink()


def move(data: Path, _port: int) -> None:
    (data / "moved").rename(data / "elsewhere")


def open_to_all(data: Path, _port: int) -> None:
    (data / "opened").chmod(0o777)


def age(data: Path, _port: int) -> None:
    os.utime(data / "aged", (1, 1))


def cut(data: Path, _port: int) -> None:
    os.truncate(data / "cut", 0)


def start_a_process(_data: Path, _port: int) -> None:
    subprocess.run(["true"], check=True)


def start_an_interpreter(_data: Path, _port: int) -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def signal_the_caller(_data: Path, _port: int) -> None:
    os.kill(int(os.environ["DOCRELAY_TEST_CALLER"]), 0)


def read_the_callers_variables(_data: Path, _port: int) -> None:
    Path("/proc", os.environ["DOCRELAY_TEST_CALLER"], "environ").read_bytes()


def read_the_users(_data: Path, _port: int) -> None:
    Path("/etc/passwd").read_text()


ATTEMPTS: dict[str, Callable[[Path, int], None]] = {
    attempt.__name__: attempt
    for attempt in (
        connect, connect_by_name_of_socket, listen, send_a_datagram, read, list_the_folder, write_a_new_file,
        write_beside_the_data, overwrite, remove, move, open_to_all, age, cut, start_a_process, start_an_interpreter,
        signal_the_caller, read_the_callers_variables, read_the_users,
    )
}  # fmt: skip


def outcomes(data_dir: Path, port: int) -> dict[str, str]:
    """What becomes of each attempt: "" where it succeeds, the error's class where it fails."""
    found = {}
    for name, attempt in ATTEMPTS.items():
        try:
            attempt(data_dir, port)
            found[name] = ""
        except (OSError, subprocess.SubprocessError) as error:
            found[name] = type(error).__name__
    return found
