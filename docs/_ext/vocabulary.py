"""``{operations}``: the table of all operations, drawn from :mod:`minidock.trace.ops`; ``{states}``: the containers'
states, drawn from the table of moves.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from minidock.containers.state import MOVES
from minidock.trace.ops import OPS


def table(head: tuple[str, ...], rows: list[tuple[str, ...]], widths: tuple[int, ...]) -> nodes.table:
    """Return a docutils table of plain texts; the first column is literal."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=width) for width in widths]
    group += nodes.thead("", _row(head, literal=False))
    group += nodes.tbody("", *(_row(row, literal=True) for row in rows))
    return nodes.table("", group)


def _row(cells: tuple[str, ...], literal: bool) -> nodes.row:
    row = nodes.row()
    for at, cell in enumerate(cells):
        text = nodes.literal(cell, cell) if literal and at == 0 else nodes.Text(cell)
        row += nodes.entry("", nodes.paragraph("", "", text))
    return row


class Operations(SphinxDirective):
    """One row for each operation."""

    def run(self) -> list[nodes.Node]:
        rows = [(name, op.why, op.man) for name, op in OPS.items()]
        return [table(("operation", "why", "where it is documented"), rows, (20, 60, 30))]


class States(SphinxDirective):
    """One row for each move."""

    def run(self) -> list[nodes.Node]:
        rows = [(state, event, after) for (state, event), after in MOVES.items()]
        return [table(("state", "event", "next state"), rows, (20, 20, 20))]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("operations", Operations)
    app.add_directive("states", States)
    return {"parallel_read_safe": True}
