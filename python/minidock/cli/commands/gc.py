"""``minidock gc``: remove what nothing needs any more; with ``--explain``, say of each thing why it goes or stays."""

from __future__ import annotations

from collections.abc import Sequence

from minidock.cli.command import Command
from minidock.cli.exits import complain
from minidock.cli.flags import Flag, Values
from minidock.cli.kinds import BOOL
from minidock.cli.output.table import align
from minidock.cli.session import Session
from minidock.cli.values.sizes import show_size
from minidock.errors import MinidockError
from minidock.store.gc import Decision


def gc(session: Session, values: Values) -> int:
    """Collect the garbage."""
    dry = session.dry(values)
    failed: Sequence[tuple[Decision, MinidockError]] = ()
    with session.open_engine([], dry, reconcile=False) as engine:
        if dry:
            decisions = engine.gc_plan()
        else:
            swept = engine.gc()
            decisions, failed = swept.decisions, swept.failed
    kept = {(decision.kind, decision.name) for decision, _ in failed}
    gone = [each for each in decisions if each.goes and (each.kind, each.name) not in kept]
    shown = decisions if values["explain"] else gone
    if shown:
        print(align(["KIND\tNAME\tFATE\tSIZE\tOWNER\tWHY", *(_line(each, dry) for each in shown)]), end="")
        print()
    verb = "Would reclaim" if dry else "Reclaimed"
    print(f"{verb} {show_size(_size(gone), 4)} in {len(gone)} thing{'s' if len(gone) != 1 else ''}")
    for decision, error in failed:
        complain(f"{decision.kind} {decision.name}: {error.message}")
    return 1 if failed else 0


def _line(each: Decision, dry: bool) -> str:
    fate = ("would go" if dry else "gone") if each.goes else "stays"
    return "\t".join((each.kind, each.name, fate, show_size(each.size, 3) if each.size else "-", each.owner, each.why))


def _size(decisions: Sequence[Decision]) -> int:
    return sum(each.size for each in decisions)


GC = Command(
    "[OPTIONS]",
    "Remove what nothing needs any more, and say why",
    gc,
    (
        Flag("dry-run", BOOL, "Remove nothing: only say what would go"),
        Flag("explain", BOOL, "Show what stays too, who owns it, and why"),
    ),
)
