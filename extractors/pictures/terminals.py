"""Pseudo-terminals through which programs answer: made when they are needed, or reserved for a confined process.

A process that may open no terminal any more still uses those that it reserved before: each again and again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache

__all__ = ["Terminal", "Terminals", "terminals"]

BLOCK = 1 << 16


class Terminal:
    """One pseudo-terminal. `output` is the side on which is read what a program writes; `name` is the other one's."""

    def __init__(self) -> None:
        self.output, slave = os.openpty()
        self.name = os.ttyname(slave)
        os.close(slave)

    def open(self) -> int:
        """Open the program's side; the caller closes it."""
        return os.open(self.name, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close it for good."""
        os.close(self.output)

    def drain(self) -> bool:
        """Drop what a program that has ended left in it. Returns False where another one still has it open."""
        os.set_blocking(self.output, False)
        try:
            while os.read(self.output, BLOCK):
                continue
        except BlockingIOError:
            return False
        except OSError:  # how a terminal says that nothing has it open
            os.set_blocking(self.output, True)
            return True
        return False


class Terminals:
    """Gives terminals out, and takes them back."""

    def __init__(self) -> None:
        self._free: list[Terminal] = []
        self._reserved: set[Terminal] = set()

    def reserve(self, count: int) -> list[str]:
        """Make so many terminals, which stay. Returns the names of their programs' sides; fewer where there are few."""
        with suppress(OSError):
            for _ in range(count):
                terminal = Terminal()
                self._reserved.add(terminal)
                self._free.append(terminal)
        return [terminal.name for terminal in self._free]

    def take(self) -> Terminal:
        """A free terminal. Raises OSError where the system has none."""
        try:
            return self._free.pop()
        except IndexError:
            return Terminal()

    def give_back(self, terminal: Terminal) -> None:
        """Keep a reserved terminal for the next program, and close another."""
        if terminal in self._reserved and terminal.drain():
            self._free.append(terminal)
        else:
            self._reserved.discard(terminal)
            terminal.close()


@cache
def terminals() -> Terminals:
    """Those of this process."""
    return Terminals()
