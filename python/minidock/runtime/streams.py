"""Where an attached container's bytes come from and go to: the CLI's terminal, later the daemon's connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class Streams(Protocol):
    """The other end of an attachment. All methods are called from one thread, in the loop that carries the bytes."""

    def created(self, id: str, warnings: Sequence[str]) -> None:
        """The container has been made; Docker's *warnings* are for the user. Nothing runs yet."""

    def attached(self, resize: Callable[[int, int], None], signal: Callable[[int], None]) -> None:
        """The container is about to start; *resize* (rows, columns) and *signal* (number) reach it from now on.

        Both may be called at any time until :meth:`closed`, from a signal handler too.
        """

    def stdin_fd(self) -> int | None:
        """A file descriptor to read the container's input from, or ``None`` for no input."""

    def input(self, data: bytes) -> bytes | None:
        """Bytes that were just read from it: return those to pass on, or ``None`` to detach (the detach keys)."""

    def output(self, stream: int, data: bytes) -> None:
        """Bytes of stdout (1) or stderr (2)."""

    def closed(self) -> None:
        """The container has ended, or the streams were detached. Called once, whatever happened."""
