"""System calls that Python 3.11 has no function for, by ctypes; each raises :class:`OSError`.

They are named as their man pages in section 2.
"""

from __future__ import annotations

import ctypes
import os
import platform

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_REC, MS_PRIVATE, MS_BIND = 1, 2, 0x4000, 0x40000, 0x1000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_CAPBSET_READ = 38, 22, 23

#: System calls without a function in the C library, by machine; those from 424 on have one number everywhere.
_NUMBERS = {"x86_64": {"getppid": 110, "memfd_create": 319}, "aarch64": {"getppid": 173, "memfd_create": 279}}
FSOPEN, FSCONFIG, FSMOUNT, OPEN_TREE, MOVE_MOUNT = 430, 431, 432, 428, 429
CLONE3, CLOSE_RANGE, OPENAT2, PIDFD_OPEN, MOUNT_SETATTR = 435, 436, 437, 434, 442

_libc = ctypes.CDLL(None, use_errno=True)


def number(name: str) -> int:
    """Return a system call's number on this machine.

    :raises OSError: ENOSYS, on a machine that the table does not know.
    """
    import errno

    try:
        return _NUMBERS[platform.machine()][name]
    except KeyError:
        raise OSError(errno.ENOSYS, f"{name} is not known on {platform.machine()}") from None


def call(nr: int, *args: int | bytes | ctypes.Array[ctypes.c_char] | ctypes.Structure | None) -> int:
    """Make one system call."""
    values = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return _checked(_libc.syscall(ctypes.c_long(nr), *values))


def unshare(flags: int) -> None:
    """Leave the namespaces of *flags* for new ones."""
    _checked(_libc.unshare(flags))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount a file system, in the old way."""
    _checked(
        _libc.mount(
            os.fsencode(source), os.fsencode(target), os.fsencode(kind), ctypes.c_ulong(flags), os.fsencode(data)
        )
    )


def umount(target: str) -> None:
    """Unmount, lazily."""
    _checked(_libc.umount2(os.fsencode(target), 2))


def prctl(option: int, *args: int | ctypes.Structure | ctypes.Array[ctypes.c_char]) -> int:
    """Set or read something of this process; pointers are passed by reference."""
    values = [ctypes.c_ulong(arg) if isinstance(arg, int) else ctypes.byref(arg) for arg in args]
    values += [ctypes.c_ulong(0)] * (4 - len(values))
    return _checked(_libc.prctl(option, *values))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def own_namespaces(*, network: bool = False) -> None:
    """Enter a mount namespace of our own (and a user namespace first, if we are not root), propagation private."""
    if os.geteuid() != 0:
        enter_user_namespace()
    unshare(CLONE_NEWNS | (CLONE_NEWNET if network else 0))
    mount("none", "/", "none", MS_REC | MS_PRIVATE)


def enter_user_namespace() -> None:
    """Become root of a new user namespace in which only our own identity is mapped."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
