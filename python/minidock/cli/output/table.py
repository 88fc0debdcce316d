r"""Plain tables: columns as wide as their widest cell, three spaces between them.

These are the rules of Docker's tables (Go's ``text/tabwriter`` with a smallest width of 10 and a padding of 3): the
last cell of a line is not padded, and a column is as wide as its cells in *neighbouring* lines that have it.

>>> print(align(["ID\tNAME", "1234567890ab\tweb"]), end="")
ID             NAME
1234567890ab   web
"""

from __future__ import annotations

from collections.abc import Sequence

_SMALLEST = 10
_PADDING = 3


def align(lines: Sequence[str]) -> str:
    """Return *lines*, whose cells are separated by tabs, as text with aligned columns."""
    rows = [line.split("\t") for line in lines]
    widths: list[list[int]] = [[0] * (len(row) - 1) for row in rows]
    _measure(rows, widths, 0, range(len(rows)))
    text = []
    for row, width in zip(rows, widths, strict=True):
        cells = [f"{cell:<{size}}" for cell, size in zip(row, width, strict=False)]
        text.append("".join([*cells, row[-1]]) + "\n")
    return "".join(text)


def _measure(rows: list[list[str]], widths: list[list[int]], column: int, block: range) -> None:
    """Set the widths of *column* and all to its right, for each run of lines in *block* that has that column."""
    start = block.start
    while start < block.stop:
        end = start
        while end < block.stop and len(rows[end]) - 1 > column:
            end += 1
        if end > start:
            width = max(_SMALLEST, *(len(rows[at][column]) + _PADDING for at in range(start, end)))
            if all(not rows[at][column] for at in range(start, end)):
                width = 0  # a column of empty cells takes no room
            for at in range(start, end):
                widths[at][column] = width
            _measure(rows, widths, column + 1, range(start, end))
        start = end + 1


def shorten(text: str, width: int) -> str:
    """Return at most *width* characters, the last one an ellipsis if some are left out."""
    if len(text) <= width:
        return text
    return text[: width - 1] + "…" if width > 1 else text[:width]


def short_id(identity: str) -> str:
    """Return the 12 characters by which people know an id, without ``sha256:``."""
    return identity.rpartition(":")[2][:12]
