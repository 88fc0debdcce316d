"""The holder: the process whose life is the life of an ordinary user's namespaces.

A user namespace ends with its last process. So one small process per root makes it, with a mount namespace (where
layers and roots can be mounted) and a network namespace (for the bridge), and then only waits to be ended. Every
command joins what it holds. Twin: ``rust/core/src/holder.rs``::

    engine, an ordinary user              holder
           ├────────── spawn ──────────▶│  a session of its own, nothing inherited
           │                            │  unshare(CLONE_NEWUSER)
           │◀──────── born PID ─────────┤
           │  newuidmap, newgidmap      │
           ├───────── mapped ──────────▶│  becomes root inside; mount and network namespaces
           │◀────────── ready ──────────┤
                                        │  waits for a signal; a pipe that only it holds ends with it
"""

from __future__ import annotations

import contextlib
import os
import signal

from minidock._pure import syscalls

#: The control socket; then the two ends of the pipe of life: who polls the first sees it hang up when the holder ends.
CONTROL, LIFE = 3, (4, 5)


def main(words: list[str]) -> int:
    """Be a holder: ``--control FD``; return only when something failed. The first process leaves at once."""
    if len(words) != 2 or words[0] != "--control" or not words[1].isdigit():
        return 2
    if os.fork():
        return 0
    _prepare(int(words[1]))
    try:
        _make()
        if os.pipe() != LIFE:
            raise OSError(0, "the pipe is not where others look for it")
    except OSError as error:
        _say(f"failed {error.filename or 'hold the namespaces'}: {error.strerror}")
        return 1
    _say("ready")
    os.close(CONTROL)
    signal.pause()  # no signal has a handler: whichever comes ends this process
    return 0


def _prepare(control: int) -> None:
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.dup2(control, CONTROL)
    os.closerange(CONTROL + 1, os.sysconf("SC_OPEN_MAX"))
    for number in (signal.SIGINT, signal.SIGPIPE):  # Python has its own ideas about these two
        signal.signal(number, signal.SIG_DFL)
    os.chdir("/")


def _make() -> None:
    """Make the namespaces, in the one order that works."""
    syscalls.unshare(syscalls.CLONE["user"])
    _say(f"born {os.getpid()}")
    if os.read(CONTROL, 16) != b"mapped\n":
        raise OSError(0, "the engine is gone")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    with contextlib.suppress(PermissionError):  # denied for good with a single identity (user_namespaces(7))
        os.setgroups([0])
    # a change of identity hides a process's namespaces from its own user: they are there to be joined
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    syscalls.unshare(syscalls.CLONE["mount"] | syscalls.CLONE["network"])
    root = os.open("/", syscalls.O_PATH)
    syscalls.mount_setattr(root, propagation=syscalls.MS_SLAVE, recursive=True)
    os.close(root)


def _say(words: str) -> None:
    os.write(CONTROL, f"{words}\n".encode())
