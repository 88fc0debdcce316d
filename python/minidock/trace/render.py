"""Steps as text for people, or as JSON for programs: what ``--explain`` and ``--dry-run`` print, on stderr.

For people, one step is a few lines that fit 100 columns::

       +2.1 ms  mount.overlay  target=/run/…/rootfs lower=2 upper=/var/…/fs                     0.3 ms
                The image's layers and one writable folder on top become one tree.
                $ mount -t overlay overlay -o lowerdir=…,upperdir=… /run/…/rootfs
                see kernel filesystems/overlayfs, fsopen(2)

The number on the left is when the step began, counted from the first one; on the right is how long it took. ``┃`` marks
a step inside the new process. For programs, one step is one JSON object on one line, with every field.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

import msgspec

from minidock.trace.ops import describe, undo_of
from minidock.trace.recorder import Listener
from minidock.trace.step import Step
from minidock.trace.words import short_args, short_ids, wrap

WIDTH = 100
_MARGIN = 11


def renderer(form: str, dry: bool = False, out: TextIO | None = None) -> Listener:
    """Return the listener for ``--explain`` (*form* is ``text`` or ``json``) and ``--dry-run``."""
    if form == "json":
        return JsonRenderer(out or sys.stderr, dry)
    return TextRenderer(out or sys.stderr, dry)


class TextRenderer:
    """Prints each step when it has ended.

    :param dry: nothing is done, so there are no times; planned steps are printed when they are announced.
    """

    def __init__(self, out: TextIO, dry: bool = False) -> None:
        self._out = out
        self._dry = dry
        self._first = 0
        self._count = 0
        # the terminal of an attached container is in raw mode: there a new line does not return to the left by itself
        self._newline = "\r\n" if out.isatty() else "\n"

    def planned(self, steps: Sequence[Step]) -> None:
        if self._dry:
            for step in steps:
                self._print(step)

    def began(self, step: Step) -> None:
        """Nothing: a step is printed when it is known how it went."""
        self._first = self._first or step.began

    def ended(self, step: Step) -> None:
        self._first = self._first or step.began
        self._print(step)

    def _print(self, step: Step) -> None:
        self._count += 1
        lines = explain(step, None if self._dry else step.began - self._first)
        self._out.write(self._newline.join([*lines, ""]))
        self._out.flush()


def explain(step: Step, offset: int | None) -> list[str]:
    """Return the lines that explain one step.

    :param offset: when it began, in nanoseconds since the first step; ``None``: it was not carried out.
    """
    meaning = describe(step.op)
    margin = " " * _MARGIN + ("┃ " if step.side == "inside" else "  ")
    room = WIDTH - len(margin)
    when = " " * _MARGIN if offset is None else f"{'+' + milliseconds(offset):>{_MARGIN - 1}} "
    took = milliseconds(step.took) if offset is not None else ""
    head = f"{when}{margin[_MARGIN:]}{step.op}"
    left = WIDTH - len(head) - len(took) - 3
    head = f"{head}  {short_args(step.args, left)}"
    lines = [f"{head:<{WIDTH - len(took) - 1}} {took}".rstrip()]
    lines += [margin + line for line in wrap(meaning.why, room)]
    command = meaning.shell(step.args)
    if command:
        lines += [margin + line for line in _command(command, room)]
    lines.append(f"{margin}see {meaning.man}")
    if step.error:
        lines += [margin + line for line in wrap(f"FAILED: {step.error}", room)]
    return lines


#: More lines of a command than this tell a reader nothing; ``--as-shell`` has them all.
_MOST_LINES = 4


def _command(command: str, room: int) -> list[str]:
    lines = command.split("\n")
    shown = [_cut(f"$ {short_ids(line)}", room) for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        shown.append(f"  ... and {len(lines) - _MOST_LINES} more lines")
    return shown


def _cut(text: str, room: int) -> str:
    """Shorten a long line in its middle: the beginning says what it is, the end where."""
    if len(text) <= room:
        return text
    half = (room - 3) // 2
    return f"{text[: room - 3 - half]}...{text[-half:]}"


def milliseconds(nanoseconds: int) -> str:
    """Return ``2.1 ms``, ``12 µs`` or ``1.50 s``."""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1e3:.0f} µs"
    return f"{nanoseconds / 1e6:.1f} ms" if nanoseconds < 1_000_000_000 else f"{nanoseconds / 1e9:.2f} s"


class JsonStep(msgspec.Struct, frozen=True):
    """One step with all its fields, as ``--explain=json`` prints it; ``state`` is planned, done or failed."""

    op: str
    side: str
    state: str
    args: dict[str, object]
    began: int
    took: int
    error: str | None
    errno: int
    why: str
    man: str
    shell: str | None
    undo: dict[str, object] | None


def full(step: Step, state: str) -> JsonStep:
    """Return everything there is to say about a step."""
    meaning = describe(step.op)
    undo = undo_of(step.op, step.args)
    return JsonStep(
        step.op,
        step.side,
        state,
        step.args,
        step.began,
        step.took,
        step.error,
        step.errno,
        meaning.why,
        meaning.man,
        meaning.shell(step.args),
        None if undo is None else {"op": undo[0], "args": undo[1]},
    )


class JsonRenderer:
    """Prints one JSON object per line: each planned step when it is announced, each step when it has ended.

    :param dry: nothing is done: every step is only planned.
    """

    def __init__(self, out: TextIO, dry: bool = False) -> None:
        self._out = out
        self._done = "planned" if dry else "done"

    def planned(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._print(full(step, "planned"))

    def began(self, step: Step) -> None:
        """Nothing: a step is printed when it is known how it went."""

    def ended(self, step: Step) -> None:
        self._print(full(step, "failed" if step.error else self._done))

    def _print(self, step: JsonStep) -> None:
        self._out.write(msgspec.json.encode(step).decode() + "\n")
        self._out.flush()
