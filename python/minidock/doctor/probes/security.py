"""What keeps a container in: seccomp filters, capabilities, and the policies of a Linux security module."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from minidock.doctor import syscalls
from minidock.doctor.fixes import read, set_sysctl
from minidock.doctor.probe import DEGRADED, Finding
from minidock.oci.capability import NAMES

_RETURN_ERRNO, _ALLOW = 0x00050000, 0x7FFF0000


class _Program(ctypes.Structure):
    """struct sock_fprog: the number of instructions, and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def seccomp(_: str) -> str:
    """Set a filter that refuses one system call, and make that call."""
    refused = syscalls.number("getppid")
    instructions = b"".join(
        struct.pack("=HBBI", *fields)
        for fields in (
            (0x20, 0, 0, 0),  # load the number of the system call
            (0x15, 0, 1, refused),  # the refused one?
            (0x06, 0, 0, _RETURN_ERRNO | errno.EDOM),
            (0x06, 0, 0, _ALLOW),
        )
    )
    code = ctypes.create_string_buffer(instructions, len(instructions))
    program = _Program(4, ctypes.cast(code, ctypes.c_void_p))
    try:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        syscalls.prctl(syscalls.PR_SET_SECCOMP, 2, program)
    except OSError as error:
        raise Finding(
            f"no filter can be set: {error.strerror}",
            errno=error.errno or 0,
            fix="use a kernel with CONFIG_SECCOMP_FILTER (every distribution's has it)",
        ) from error
    try:
        syscalls.call(refused)
    except OSError as error:
        if error.errno == errno.EDOM:
            return "a filter refuses what it is told to"
    raise Finding("the filter was set, and the call was not refused", fix="use another kernel")


def capabilities(_: str) -> str:
    """Read the bounding set: what a container could get at most."""
    missing = []
    for number, name in enumerate(NAMES):
        try:
            if not syscalls.prctl(syscalls.PR_CAPBSET_READ, number):
                missing.append(name)
        except OSError:  # EINVAL: this kernel has fewer capabilities than we know
            break
    if "CAP_SYS_ADMIN" in missing and os.geteuid() == 0:
        raise Finding(
            "root here has no CAP_SYS_ADMIN",
            fix="if this is a container: start it with --privileged, or run minidock as an ordinary user",
        )
    if missing:
        raise Finding(
            f"the host lacks {' '.join(missing)}: --privileged gives only the rest",
            fix="if this is a container: start it with --privileged",
            state=DEGRADED,
        )
    return "all"


def apparmor(_: str) -> str:
    """Read whether AppArmor restricts user namespaces."""
    if read("/sys/module/apparmor/parameters/enabled") != "Y":
        return "not enabled"
    name = "kernel.apparmor_restrict_unprivileged_userns"
    if read(f"/proc/sys/{name.replace('.', '/')}") == "1" and os.geteuid() != 0:
        fix, undo = set_sysctl(name, "0")
        raise Finding(f"{name}=1: only programs with a profile may use user namespaces", fix=fix, undo=undo)
    return "enabled; it does not restrict user namespaces here"
