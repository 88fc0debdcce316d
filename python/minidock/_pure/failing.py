"""One way to turn the kernel's refusals into the errors of the ports."""

from __future__ import annotations

import os
from types import TracebackType

from minidock.errors import StepFailed


class failing:  # noqa: N801  (it is used as a statement: ``with failing("mount.bind", …):``)
    """An OSError in this block becomes StepFailed of the operation *op*, with *detail*: what was attempted."""

    def __init__(self, op: str, detail: str) -> None:
        self._op, self._detail = op, detail

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, OSError):
            raise StepFailed(self._op, error.errno or 0, f"{self._detail}{words_of(error)}") from error


def words_of(error: OSError) -> str:
    """Return what an OSError says beside its number, as `` (…)``: a file's name, or words of ours."""
    own = error.strerror if error.errno and error.strerror != os.strerror(error.errno) else None
    words = ": ".join(str(word) for word in (error.filename, own) if word is not None)
    return f" ({words})" if words else ""
