"""Landlock: a process gives up rights to files and to the network, for itself and for all that it will start.

What no rule allows is refused. Each version of the kernel's interface (ABI) knows more rights than the one before; what
the running kernel does not know is left open. See the kernel's own manual, `userspace-api/landlock`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from functools import cache

__all__ = ["READ", "RUN", "TERMINAL", "WRITE", "Rule", "abi", "give_up_new_rights", "restrict"]

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on every processor."""

ASK_VERSION = 1
RULE_PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, MAKE_SYM = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 12
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15

READ = READ_FILE | READ_DIR
RUN = READ_FILE | READ_DIR | EXECUTE
WRITE = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM
TERMINAL = READ_FILE | WRITE_FILE | IOCTL_DEV

OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""Rights that a rule for a single file may name."""

FIRST_FILES = (1 << 13) - 1
ADDED_FILES = {2: 1 << 13, 3: TRUNCATE, 5: IOCTL_DEV}
"""Rights to files by the ABI that brought them; the second is to move a file to another folder."""

NETWORK, NETWORK_SINCE = 0b11, 4
"""To bind and to connect by TCP."""
SCOPES, SCOPES_SINCE = 0b11, 6
"""Abstract Unix sockets and signals to processes outside."""

Rule = tuple[str, int]
"""A path and the rights to it and to everything below it."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


@cache
def abi() -> int:
    """The version of landlock that the running kernel offers; 0 for none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, ASK_VERSION)))


def restrict(rules: Iterable[Rule]) -> None:
    """Give up, for good, every right to files that no rule allows, TCP, and signals to processes outside.

    A path that does not exist gets no rule.

    Raises:
        OSError: the kernel refuses.
    """
    version = abi()
    handled = FIRST_FILES | sum(right for since, right in ADDED_FILES.items() if since <= version)
    ruleset = _Ruleset(handled, NETWORK if version >= NETWORK_SINCE else 0, SCOPES if version >= SCOPES_SINCE else 0)
    size = 24 if version >= SCOPES_SINCE else 16 if version >= NETWORK_SINCE else 8
    descriptor = _call(CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    try:
        for path, rights in rules:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                _allow(descriptor, path, rights & handled)
        give_up_new_rights()
        _call(RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)


def give_up_new_rights() -> None:
    """No program that this process starts gets more rights than it has (setuid and the like)."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")


def _allow(ruleset: int, path: str, rights: int) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= OF_FILES
        _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(_Beneath(rights, parent)), 0)
    finally:
        os.close(parent)


def _call(number: int, *arguments: object) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    result = int(library.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock: {os.strerror(error)}")
    return result
