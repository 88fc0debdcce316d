"""Short words for a step's arguments, and lines of a given width."""

from __future__ import annotations

import re

from minidock.trace.step import Args

_ID = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")

#: A list with more items than this is shown by their number.
_MOST_ITEMS = 4
_LONGEST = 48
#: What tells one step from another of the same name is shown first, what all of them have last.
_FIRST = ("type", "target", "path", "name", "file", "value", "argv", "namespace", "namespaces", "source")
_LAST = ("options", "root")


def short_args(args: Args, room: int) -> str:
    """Return ``target=/a lower=2 …`` in at most *room* characters: what stands first counts most."""
    text = ""
    for name, value in sorted(args.items(), key=_rank):
        if value is None or value in ("", [], {}):
            continue
        word = f"{name}={_short(value)}"
        if text and len(text) + 1 + len(word) > room - 2:
            text += " …"
            break
        text += f" {word}" if text else word
    return text if len(text) <= room else text[: max(room - 1, 0)] + "…"


def _rank(item: tuple[str, object]) -> int:
    name = item[0]
    return _FIRST.index(name) if name in _FIRST else len(_FIRST) + (name in _LAST)


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return str(len(value))
    if isinstance(value, (list, tuple)):
        words = ",".join(_short(item) for item in value)
        simple = all(isinstance(item, (str, int)) for item in value)
        return words if simple and len(value) <= _MOST_ITEMS and len(words) <= _LONGEST else str(len(value))
    text = short_ids(" ".join(str(value).split()))
    if len(text) <= _LONGEST:
        return text
    if "/" not in text:
        return text[: _LONGEST - 1] + "…"
    return text[:14] + "…" + text[-(_LONGEST - 15) :]


def short_ids(text: str) -> str:
    """Cut ids and digests of 64 digits to the 12 by which people know them."""
    return _ID.sub(r"\1…", text)


def wrap(text: str, room: int) -> list[str]:
    """Break *text* at spaces into lines of at most *room* characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines
