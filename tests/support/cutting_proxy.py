"""A TCP proxy before a server, which resets the connection that sends certain bytes, or that would get the answer."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: a close sends RST."""


class CuttingProxy:
    """Forwards connections to a server of this machine; one that sends what `cut_at` names is reset."""

    def __init__(self, url: str) -> None:
        self._server = urlsplit(url).port
        self._pattern: re.Pattern[bytes] | None = None
        self._is_carried_out = False
        self._was_cut = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{self._server}", f":{port}")
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, pattern: re.Pattern[bytes], *, carried_out: bool = False) -> threading.Event:
        """Reset the next connection whose client sends a match within one piece; the event is set when it was.

        With `carried_out` the server gets what was sent and answers, and only its answer is lost.
        """
        with self._lock:
            self._pattern, self._was_cut, self._is_carried_out = pattern, threading.Event(), carried_out
            return self._was_cut

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                answers_lost = threading.Event()
                for source, target, is_checked in ((client, server, True), (server, client, False)):
                    ends = (source, target, is_checked, answers_lost)
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(
        self, source: socket.socket, target: socket.socket, is_checked: bool, answers_lost: threading.Event
    ) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 20):
                is_cut = is_checked and self._takes(piece)
                if is_cut and self._is_carried_out:
                    answers_lost.set()
                elif is_cut or (answers_lost.is_set() and not is_checked):
                    for end in (source, target):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    self._was_cut.set()
                    break
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RD)
            end.close()

    def _takes(self, piece: bytes) -> bool:
        with self._lock:
            if self._pattern is None or not self._pattern.search(piece):
                return False
            self._pattern = None
            return True


@contextmanager
def cutting_proxy(url: str) -> Iterator[CuttingProxy]:
    """A proxy before the server of this URL, on this machine."""
    proxy = CuttingProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
