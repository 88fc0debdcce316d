"""Control groups by their files (cgroups(7)): a folder is a group, a write is a command.

v2 has one tree; a folder shows a controller's files only if its parent has switched that controller on, so they are
switched on from the top down. v1 has one tree for each controller, and *dirs* is the same group in each of them.

Killing a whole group is one write on v2. On v1 it is a race against fork(2), which freezing decides.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from minidock._pure import devicefilter, syscalls
from minidock._pure.failing import failing
from minidock.errors import StepFailed

#: What a container can be limited by (v2).
CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")
_PATIENCE = 10.0  # seconds until "it does not happen" is believed


class PureCgroups:
    """The port :class:`~minidock.kernel.ports.Cgroups`."""

    def create(self, dirs: Sequence[str]) -> None:
        for folder in dirs:
            with failing("cgroup.create", f"make the control group {folder}"):
                _make(folder)

    def limit(self, file: str, value: str) -> None:
        with failing("cgroup.limit", f"write {value!r} to {file}"):
            _write(file, value)

    def read(self, file: str) -> str | None:
        return _read(file)

    def devices(self, dir: str, mode: str, rules: Sequence[devicefilter.Rule]) -> None:
        """Carry out ``cgroup.devices``: lines of two files on v1, a small program on v2."""
        with failing("cgroup.devices", f"set the device filter of {dir}"):
            if mode == "v1":
                for rule in rules:
                    _write(f"{dir}/devices.{'allow' if rule['allow'] else 'deny'}", devicefilter.line(rule))
                return
            group = os.open(dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                syscalls.attach_device_filter(group, devicefilter.program(rules))
            finally:
                os.close(group)

    def freeze(self, dirs: Sequence[str]) -> None:
        with failing("cgroup.freeze", f"freeze {_first(dirs)}"):
            _freeze(dirs, frozen=True)

    def thaw(self, dirs: Sequence[str]) -> None:
        with failing("cgroup.thaw", f"thaw {_first(dirs)}"):
            _freeze(dirs, frozen=False)

    def kill(self, dirs: Sequence[str]) -> None:
        with failing("cgroup.kill", f"kill all in {_first(dirs)}"):
            _kill(dirs)

    def delete(self, dirs: Sequence[str]) -> None:
        with failing("cgroup.delete", f"remove the control group {_first(dirs)}"):
            _kill(dirs)
            for folder in dirs:
                for group in reversed(list(_tree(folder))):
                    _wait(partial(_remove, group), f"{group} stays busy")

    def processes(self, dirs: Sequence[str]) -> list[int]:
        with failing("cgroup.kill", f"list the processes of {_first(dirs)}"):
            return sorted(_processes(dirs))


def out_of_memory(dirs: Sequence[str]) -> bool:
    """Say whether the kernel has killed a process of the group, or below it, for memory."""
    for folder in dirs:
        for file in ("memory.events", "memory.oom_control"):
            for line in (_read(f"{folder}/{file}") or "").splitlines():
                word, _, count = line.partition(" ")
                if word == "oom_kill" and int(count) > 0:
                    return True
    return False


def _make(folder: str) -> None:
    """Make *folder* and its parents, each one ready for its children."""
    parent = os.path.dirname(folder)
    if not os.path.isdir(parent):
        _make(parent)
    if os.path.exists(f"{parent}/cgroup.controllers"):
        _switch_on(parent)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o755)
    for name in ("cpuset.cpus", "cpuset.mems"):  # v1: a new group has none, and nothing could run in it
        if _read(f"{folder}/cgroup.controllers") is None and _read(f"{folder}/{name}") == "":
            _write(f"{folder}/{name}", _read(f"{parent}/{name}") or "")


def _switch_on(folder: str) -> None:
    """Let the children of *folder* have all controllers that it may give them.

    One that the kernel refuses (the group has processes of its own, or is not ours) is left: whoever needs it fails at
    the limit, whose message names the file.
    """
    has = (_read(f"{folder}/cgroup.controllers") or "").split()
    on = (_read(f"{folder}/cgroup.subtree_control") or "").split()
    for controller in CONTROLLERS:
        if controller in has and controller not in on:
            try:
                _write(f"{folder}/cgroup.subtree_control", f"+{controller}")
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.EACCES, errno.EPERM, errno.EOPNOTSUPP):
                    raise


def _kill(dirs: Sequence[str]) -> None:
    for folder in dirs:
        if os.path.exists(f"{folder}/cgroup.kill"):
            _write(f"{folder}/cgroup.kill", "1")
    v1 = any(os.path.exists(f"{folder}/freezer.state") for folder in dirs)

    def gone() -> bool:
        if v1 and _processes(dirs):
            _freeze(dirs, frozen=True)  # so that no fork escapes the list
        left = _processes(dirs)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if v1:
            _freeze(dirs, frozen=False)  # a frozen process does not even die
        return not left

    _wait(gone, "processes stay alive")
    if any(os.path.exists(f"{folder}/cgroup.freeze") for folder in dirs):
        _freeze(dirs, frozen=False)


def _freeze(dirs: Sequence[str], frozen: bool) -> None:
    """Write the wish, and wait until it is so. Without a freezer in *dirs*: ENOENT."""
    for folder in dirs:
        if os.path.exists(f"{folder}/cgroup.freeze"):
            _write(f"{folder}/cgroup.freeze", str(int(frozen)))
            return _wait(partial(_contains, f"{folder}/cgroup.events", f"frozen {int(frozen)}"), "not frozen")
        if os.path.exists(f"{folder}/freezer.state"):
            return _wait(partial(_set, f"{folder}/freezer.state", "FROZEN" if frozen else "THAWED"), "not frozen")
    raise FileNotFoundError(errno.ENOENT, "no freezer among its hierarchies", _first(dirs))


def _contains(file: str, line: str) -> bool:
    return line in (_read(file) or "").splitlines()


def _set(file: str, word: str) -> bool:
    """Write the word again each time: on v1 a fork during the freezing needs that (cgroup-v1/freezer-subsystem)."""
    _write(file, word)
    return _read(file) == word


def _processes(dirs: Sequence[str]) -> set[int]:
    groups = [group for folder in dirs for group in _tree(folder)]
    return {int(word) for group in groups for word in (_read(f"{group}/cgroup.procs") or "").split() if word != "0"}


def _tree(folder: str) -> Iterator[str]:
    """Yield the group and all below it, parents first; nothing if it is not there."""
    for path, _, _ in os.walk(folder):
        yield path


def _remove(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:  # the last process is still on its way out
            raise
        return False
    return True


def _wait(done: Callable[[], bool], otherwise: str) -> None:
    """Try until it is so, for a limited time."""
    end = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > end:
            raise OSError(errno.ETIMEDOUT, otherwise)
        time.sleep(0.001)


def _read(file: str) -> str | None:
    try:
        with open(file) as opened:
            return opened.read().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno != errno.ENODEV:  # the group was removed while its file was open
            raise StepFailed("cgroup.limit", error.errno or 0, f"read {file}") from error
        return None


def _write(file: str, text: str) -> None:
    fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _first(dirs: Sequence[str]) -> str:
    return dirs[0] if dirs else "no control group"
