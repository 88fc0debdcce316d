"""The journal: how to undo what an operation has done so far, written before it is done.

One file per operation, in the runtime folder (a tmpfs: no fsync is needed, and a reboot forgets it, since a reboot also
undoes what the kernel held). The writer keeps it locked, so whoever finds one *unlocked* knows that its writer is dead,
and runs it backwards (:func:`undo_lines`). Each line is one step that has an undo::

    {"op":"cgroup.delete","args":{"dirs":["/sys/fs/cgroup/memory/minidock-1f2e/4c5d"]}}

Before the operation commits, its lines are copied to the container's *teardown list* on the disk, which ``stop``,
``rm -f``, crash recovery and the clean-up after a reboot all run: there is no second clean-up code. An undo checks
the identity of what it removes, and succeeds when there is nothing left to remove. Recovery asks first whether the
operation had committed (its row is there): then only the journal itself is left to remove.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence

import msgspec

from minidock.trace.ops import undo_of
from minidock.trace.step import Args, Step


class Undo(msgspec.Struct, frozen=True):
    """The step that reverses another one."""

    op: str
    args: Args


_decoder = msgspec.json.Decoder(Undo)


class Journal:
    """The journal of one operation, a listener of the recorder.

    :param path: the file; its folder exists.
    :raises OSError: the file cannot be made.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        unborn = path + ".new"  # locked before it has its name: recovery never sees it without its writer's lock
        self._fd = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        os.rename(unborn, path)

    def planned(self, steps: Sequence[Step]) -> None:
        lines = b"".join(line for step in steps if (line := _line(step)))
        if lines:
            os.write(self._fd, lines)

    def began(self, step: Step) -> None:
        if line := _line(step):
            os.write(self._fd, line)

    def note(self, undo: Undo) -> None:
        """Write an undo that belongs to no step."""
        os.write(self._fd, msgspec.json.encode(undo) + b"\n")

    def ended(self, step: Step) -> None:
        """Nothing: an undo of a step that failed half-way is still needed."""

    def save(self, teardown: str) -> None:
        """Append the lines so far to the teardown list at *teardown*, before the operation commits."""
        fd = os.open(teardown, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, read_whole(self.path))
        finally:
            os.close(fd)

    def close(self) -> None:
        """Remove the journal: everything in it has been committed or undone."""
        os.unlink(self.path)
        os.close(self._fd)

    def end(self, finished: bool) -> None:
        """Close it if it is *finished*, leave it otherwise."""
        if finished:
            self.close()
        else:
            self.leave()

    def leave(self) -> None:
        """Leave the journal to the next engine, as a writer that died would: something in it could not be undone."""
        os.close(self._fd)


def undo_lines(path: str) -> Iterator[Undo]:
    """Yield the undo steps of a journal or teardown list, the last first; a torn last line counts as not written."""
    for line in reversed(read_whole(path).split(b"\n")[:-1]):
        yield _decoder.decode(line)


def read_whole(path: str) -> bytes:
    """Return the file's bytes, none if it is not there."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _line(step: Step) -> bytes | None:
    undo = undo_of(step.op, step.args)
    return None if undo is None else msgspec.json.encode(Undo(*undo)) + b"\n"
