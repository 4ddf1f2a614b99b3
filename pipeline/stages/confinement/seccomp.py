"""Seccomp: system calls that no extractor needs are refused with EPERM, for this process and all that it starts.

A list of what is refused, not of what is allowed: native libraries may call what they want of the rest, and files are
landlock's part. Refused are sockets, looking into or steering other processes, changing owner, mode or time of files
(landlock does not cover those), leaving the process group (by which everything is ended), and the kernel's own
administration. Limits are not changed any more: a process of the administrator could raise its own.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

from pipeline.stages.confinement.landlock import give_up_new_rights

__all__ = ["is_known", "refuse"]

NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
    "process_madvise": (440, 440), "migrate_pages": (256, 238), "move_pages": (279, 239), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    "quotactl": (179, 60), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142),
    "iopl": (172, None), "ioperm": (173, None), "syslog": (103, 116), "personality": (135, 92),
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266), "chmod": (90, None), "fchmod": (91, 52),
    "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None),
    "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "setxattrat": (463, 463), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "removexattrat": (466, 466), "truncate": (76, 45), "mknod": (133, None), "mknodat": (259, 33),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "execveat": (322, 281), "setsid": (112, 157), "setpgid": (109, 154),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "setrlimit": (160, 164),
}  # fmt: skip
"""What is refused, whatever its arguments: the number on x86_64 and on aarch64, None where there is none."""

CLONE, CLONE3, IOCTL, PRLIMIT = (56, 220), (435, 435), (16, 29), (302, 261)
"""Refused for some arguments only."""

NEW_NAMESPACES = 0x7E020080
"""The flags of `clone` that make namespaces: of mounts, cgroups, hosts, IPC, users, processes, network, time."""
TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: write into a terminal as if its user had typed it."""

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""The column of the numbers, and the kernel's name of the processor."""
X32 = 0x40000000
"""On x86_64, numbers from here on are those of another interface."""

PR_SET_SECCOMP, FILTER = 22, 2
ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38
"""EPERM is refused; ENOSYS makes the C library fall back to an older call."""

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, MACHINE_AT, ARGUMENTS_AT = 0, 4, 16

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, value."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def is_known() -> bool:
    """Whether the numbers of this processor's system calls are known."""
    return sys.platform == "linux" and platform.machine() in MACHINES and sys.maxsize > 2**32


def refuse() -> None:
    """Refuse the calls from now on.

    Raises:
        OSError: the kernel takes no filter.
    """
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program(platform.machine()))
    filter_ = _Program(len(code) // 8, code)
    give_up_new_rights()
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(filter_), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def program(machine: str) -> list[Instruction]:
    """The filter for a processor; the kernel runs it before each system call."""
    column, audited = MACHINES[machine]
    instructions = [(LOAD, 0, 0, MACHINE_AT), (EQUAL, 1, 0, audited), (RETURN, 0, 0, REFUSE), (LOAD, 0, 0, NUMBER_AT)]
    if machine == "x86_64":
        instructions += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, REFUSE)]
    for numbers in NUMBERS.values():
        if (number := numbers[column]) is not None:
            instructions += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    instructions += [(EQUAL, 0, 1, CLONE3[column]), (RETURN, 0, 0, UNKNOWN)]
    instructions += _if_argument(CLONE[column], [(0, (ANY_BIT, 0, 1, NEW_NAMESPACES))])
    instructions += _if_argument(IOCTL[column], [(1, (EQUAL, 0, 1, request)) for request in TERMINAL_INPUT])
    # The limits of another process, as its own have the id 0; and new limits, which an administrator's may be higher.
    not_zero = (EQUAL, 1, 0, 0)
    instructions += _if_argument(PRLIMIT[column], [(0, not_zero), (2, not_zero), (2.5, not_zero)])
    return [*instructions, (RETURN, 0, 0, ALLOW)]


def _if_argument(number: int, tests: list[tuple[float, Instruction]]) -> list[Instruction]:
    """Refuse the call where one of the tests of its arguments is true; allow it otherwise.

    Args:
        number: of the call.
        tests: each with the argument that it is about: 2 is the lower half of the third one, 2.5 the upper half.
    """
    body = [
        instruction
        for argument, test in tests
        for instruction in ((LOAD, 0, 0, ARGUMENTS_AT + int(8 * argument)), test, (RETURN, 0, 0, REFUSE))
    ]
    body.append((RETURN, 0, 0, ALLOW))
    return [(EQUAL, 0, len(body), number), *body]
