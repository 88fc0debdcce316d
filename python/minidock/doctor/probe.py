"""The answer to one question, and the child process that finds it.

A child is a fresh interpreter, since a process with threads cannot enter a user namespace, and since what a probe does
to itself (namespaces, filters, limits) must end with it. It prints its answer as JSON. One that dies or hangs is an
answer too.
"""

from __future__ import annotations

import errno as errors
import os
import sys

import msgspec

OK, DEGRADED, BLOCKED = "ok", "degraded", "blocked"

#: The longest time for one probe, in seconds.
PATIENCE = 20


class Probe(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was tried and what came of it.

    ``state`` is ok, degraded (minidock works without it, in a poorer way) or blocked. ``detail`` is what was found, one
    clause; ``cause`` why it does not work; ``fix`` the command that mends it on this host, ``undo`` the way back.
    ``errno`` is that of the failing call, 0 for none.
    """

    name: str
    state: str
    tried: str
    detail: str = ""
    errno: int = 0
    cause: str = ""
    fix: str = ""
    undo: str = ""

    @property
    def works(self) -> bool:
        """Whether what was tried works."""
        return self.state == OK

    @property
    def reason(self) -> str:
        """Why it does not work, for a skipped test."""
        name = f" ({errors.errorcode.get(self.errno, self.errno)})" if self.errno else ""
        return f"{self.name}: {self.cause or self.detail}{name}" + (f"; fix: {self.fix}" if self.fix else "")


class Finding(Exception):
    """Raised by a probe that does not succeed: what is wrong, and what to do."""

    def __init__(
        self, cause: str, *, errno: int = 0, fix: str = "", undo: str = "", state: str = BLOCKED, detail: str = ""
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.errno = errno
        self.fix = fix
        self.undo = undo
        self.state = state
        self.detail = detail


def run_in_child(name: str, where: str, root: str | None) -> Probe:
    """Run one probe in a fresh interpreter."""
    import subprocess

    argv = [sys.executable, "-m", "minidock.doctor.child", name, where, root or ""]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )
    except subprocess.TimeoutExpired:
        return Probe(name, BLOCKED, "a child process", cause=f"no answer within {PATIENCE} seconds")
    try:
        return msgspec.json.decode(done.stdout, type=Probe)
    except msgspec.MsgspecError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return Probe(name, BLOCKED, "a child process", cause=f"the probe died: {last[0]}")
