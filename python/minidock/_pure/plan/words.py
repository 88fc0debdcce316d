"""The planner's few shared words: how a step is written down, how an error is, and how a path is made plain."""

from __future__ import annotations

from typing import Any

from minidock.errors import InvalidArgument, Unsupported
from minidock.trace.step import PlannedStep

Steps = list[PlannedStep]


def host(op: str, **args: Any) -> PlannedStep:
    """A step of the monitor."""
    return PlannedStep(op, "host", args)


def inside(op: str, **args: Any) -> PlannedStep:
    """A step of the new process."""
    return PlannedStep(op, "inside", args)


def bad(message: str) -> InvalidArgument:
    """The specification makes no sense."""
    return InvalidArgument(f"config.json: {message}")


def unsupported(message: str) -> Unsupported:
    """The specification asks for something that no step carries out."""
    return Unsupported(f"config.json: {message}")


def words(text: str, prefix: str = "") -> frozenset[str]:
    """Return the words of *text*, each behind *prefix*."""
    return frozenset(prefix + word for word in text.split())


def whole(what: str, value: int, most: int) -> int:
    """Return *value* if it is between 0 and *most*."""
    if not 0 <= value <= most:
        raise bad(f"{what}: {value} is out of range")
    return value


def clean(what: str, path: str) -> str:
    """Return the absolute *path* without ``.``, ``..`` and double slashes: the form in which rules compare paths."""
    if not path.startswith("/"):
        raise bad(f"{what}: {path or '(empty)'} is not an absolute path")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
