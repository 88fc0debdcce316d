"""The holder from the engine's side: start it, find it again, end it.

``<run>/holder.json`` names the process, by its id and its start time: an id alone can be another's by now. The file is
written last and under a lock, so of two first commands one starts a holder and the other finds it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from typing import Protocol

import msgspec

from minidock.errors import StepFailed, Unsupported
from minidock.runtime.rootless.identity import Identities, Line, choose
from minidock.store.state import is_alive, process_start
from minidock.trace.recorder import op

#: The pipe of life: a descriptor of the holder that hangs up when it ends (``_pure/holder.py``).
LIFE = 4
_CONTROL = 3


class Held(msgspec.Struct, frozen=True):
    """A holder: its process, when that began, and what it maps."""

    pid: int
    start: int
    identities: Identities

    @property
    def alive(self) -> bool:
        """Whether it still holds its namespaces."""
        return is_alive(self.pid, self.start) and not _is_zombie(self.pid)

    def namespace(self, kind: str) -> str:
        """Return the path of its namespace: ``user``, ``mnt`` or ``net``."""
        return f"/proc/{self.pid}/ns/{kind}"


class Holders(Protocol):
    """How holders are made and ended."""

    @op("ns.hold")
    def hold(self, uids: tuple[Line, ...], gids: tuple[Line, ...], ranges: bool) -> int:
        """Start a holder with these maps; return its process id.

        :param ranges: the maps need newuidmap and newgidmap; else the process may map itself.
        :raises StepFailed: the kernel, or one of the programs, refuses.
        """

    @op("ns.release")
    def release(self, pid: int) -> None:
        """End a holder and wait until it is gone."""


class RealHolders:
    """The port :class:`Holders`; *command* is the program, ``minidock-runtime hold`` or its twin."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def hold(self, uids: tuple[Line, ...], gids: tuple[Line, ...], ranges: bool) -> int:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), _CONTROL)]
                if theirs.fileno() == _CONTROL:  # dup2 to itself would leave it marked "close on exec"
                    os.set_inheritable(_CONTROL, True)
                    actions = []
                words = [*self._command, "--control", str(_CONTROL)]
                first = os.posix_spawn(words[0], words, os.environ, file_actions=actions)
            os.waitpid(first, 0)
            reader = ours.makefile("r")
            word, _, rest = reader.readline().strip().partition(" ")
            if word != "born":
                raise _refused(rest)
            _map(int(rest), uids, gids, ranges)
            ours.sendall(b"mapped\n")
            last, _, why = reader.readline().strip().partition(" ")
            if last != "ready":
                raise _refused(why)
            return int(rest)

    def release(self, pid: int) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            import select

            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            poll.poll()
        finally:
            os.close(pidfd)


def read_held(run: str) -> Held | None:
    """Return the living holder of the runtime folder *run*, if there is one."""
    try:
        with open(f"{run}/holder.json", "rb") as file:
            held = msgspec.json.decode(file.read(), type=Held)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return held if held.alive else None


def start_holder(run: str, holders: Holders, uid: int, gid: int) -> Held:
    """Start a holder and write down which; the caller holds the lock."""
    identities = find_identities(uid, gid)
    pid = holders.hold(identities.uids, identities.gids, not identities.why_single)
    held = Held(pid, process_start(pid), identities)
    with open(f"{run}/holder.json.new", "wb") as file:
        file.write(msgspec.json.encode(held))
    os.rename(f"{run}/holder.json.new", f"{run}/holder.json")  # the commit point: others find it
    return held


def find_identities(uid: int, gid: int) -> Identities:
    """Look at this host, and choose."""
    import pwd

    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/bin:/usr/sbin"
    missing = tuple(name for name in ("newuidmap", "newgidmap") if shutil.which(name, path=path) is None)
    single = os.environ.get("MINIDOCK_SINGLE_ID", "") not in ("", "0")
    return choose(user, uid, gid, _read("/etc/subuid"), _read("/etc/subgid"), missing, single)


def _map(pid: int, uids: tuple[Line, ...], gids: tuple[Line, ...], ranges: bool) -> None:
    if not ranges:
        for name, text in (("setgroups", "deny"), ("uid_map", _text(uids)), ("gid_map", _text(gids))):
            try:
                with open(f"/proc/{pid}/{name}", "w") as file:
                    file.write(text)
            except OSError as error:
                raise StepFailed("ns.hold", error.errno or 0, f"write {name}") from error
        return
    import subprocess

    for program, lines in (("newuidmap", uids), ("newgidmap", gids)):
        words = [program, str(pid), *(str(number) for line in lines for number in line)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            complaint = done.stderr.strip().partition("\n")[0]
            raise StepFailed("ns.hold", 0, f"{program}: {complaint}", "`minidock doctor` says what is wrong")


def _is_zombie(pid: int) -> bool:
    """Say whether the process has ended and only waits to be noticed: its namespaces are gone (proc(5), stat)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return True


def _text(lines: tuple[Line, ...]) -> str:
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in lines)


def _refused(why: str) -> Unsupported:
    return Unsupported(
        f"no user namespace can be made here: {why or 'the holder ended without a word'}",
        "`minidock doctor` says what is in the way; or run minidock as root",
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
