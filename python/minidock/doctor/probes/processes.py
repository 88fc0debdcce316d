"""Processes: running a program from memory, and holding on to a process without its number being reused."""

from __future__ import annotations

import errno
import os
import shutil
import signal

from minidock.doctor import syscalls
from minidock.doctor.fixes import set_sysctl
from minidock.doctor.probe import DEGRADED, Finding

_ALLOW_SEALING = 2


def memfd_exec(_: str) -> str:
    """Copy a program into a sealed memory file and run it."""
    program = shutil.which("true")
    if program is None:
        raise Finding("there is no program true to try it with", state=DEGRADED)
    try:
        fd = os.memfd_create("minidock-doctor", os.MFD_ALLOW_SEALING)
        with open(program, "rb") as source:
            os.sendfile(fd, source.fileno(), 0, os.fstat(source.fileno()).st_size)
        pid = os.posix_spawn(f"/proc/self/fd/{fd}", ["true"], os.environ)
    except OSError as error:
        cause = f"programs in memory cannot be run: {error.strerror}"
        if error.errno == errno.EACCES:
            fix, undo = set_sysctl("vm.memfd_noexec", "1")
            raise Finding(cause, errno=errno.EACCES, fix=fix, undo=undo, state=DEGRADED) from error
        raise Finding(cause, errno=error.errno or 0, fix="use Linux 3.17 or newer", state=DEGRADED) from error
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise Finding(f"the program in memory ended with status {code}", state=DEGRADED)
    return "the container's first program cannot be overwritten from inside"


def pidfd(_: str) -> str:
    """pidfd_open, pidfd_send_signal and close_range."""
    try:
        fd = os.pidfd_open(os.getpid())
        signal.pidfd_send_signal(fd, 0)
        syscalls.call(syscalls.CLOSE_RANGE, fd, fd, 0)
    except OSError as error:
        raise Finding(
            f"processes cannot be held by a file descriptor: {error.strerror}",
            errno=error.errno or 0,
            fix="use Linux 5.9 or newer",
        ) from error
    return ""
