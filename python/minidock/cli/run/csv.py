"""One line of comma-separated values, as ``--mount`` and ``--network`` take it: quotes keep a comma in a value.

::

    type=bind,source=/a,target=/b          three fields
    type=bind,"source=/a,b",target=/b      three fields; inside quotes, two quotes mean one
"""

from __future__ import annotations


def split_fields(text: str) -> list[str]:
    """Return the fields of one line.

    :raises ValueError: with the words of Go's ``encoding/csv``.
    """
    if not text:
        raise ValueError("EOF")
    fields, at = [], 0
    while True:
        field, at = _quoted(text, at + 1) if text[at : at + 1] == '"' else _plain(text, at)
        fields.append(field)
        if at >= len(text):
            return fields
        at += 1  # the comma


def _plain(text: str, at: int) -> tuple[str, int]:
    end = text.find(",", at)
    end = len(text) if end < 0 else end
    quote = text.find('"', at, end)
    if quote >= 0:
        raise ValueError(f'parse error on line 1, column {quote + 1}: bare " in non-quoted-field')
    return text[at:end], end


def _quoted(text: str, at: int) -> tuple[str, int]:
    parts = []
    while True:
        end = text.find('"', at)
        if end < 0:
            raise ValueError(f'parse error on line 1, column {len(text) + 1}: extraneous or missing " in quoted-field')
        parts.append(text[at:end])
        if text[end + 1 : end + 2] != '"':
            break
        parts.append('"')
        at = end + 2
    if text[end + 1 : end + 2] not in ("", ","):
        raise ValueError(f'parse error on line 1, column {end + 1}: extraneous or missing " in quoted-field')
    return "".join(parts), end + 1


def parse_fields(text: str, alone: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Return the ``key=value`` fields of one line, keys in lower case; a key in *alone* may stand without a value.

    :raises ValueError: with Docker's words.
    """
    pairs = []
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals:
            if key not in alone:
                raise ValueError(f"invalid field '{field}' must be a key=value pair")
            value = "true"
        pairs.append((key, value))
    return pairs
