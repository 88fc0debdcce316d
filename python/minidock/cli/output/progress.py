"""How a pull goes: plain lines where nobody watches, bars on a terminal.

Off a terminal each change of state is one line, as Docker prints them, and the numbers in between are left out. On a
terminal each layer keeps one line, which is written over as it changes::

    b0a0cf830b12: Downloading [=================>                                 ]  21.5MB/60.1MB
    5d20c808ce19: Pull complete
"""

from __future__ import annotations

import os
import sys

from minidock.cli.values.sizes import show_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_BAR = 50
#: Between two pictures, in seconds: more often than this nobody can see.
_PAUSE = 0.05


class Silent:
    """Says nothing (``--quiet``)."""

    def status(self, id: str, status: str, current: int = 0, total: int = 0) -> None:
        """Nothing."""


class Lines:
    """One line for each change of state."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last: dict[str, str] = {}

    def status(self, id: str, status: str, current: int = 0, total: int = 0) -> None:
        """Print the state, unless it only moved on."""
        if current or total or (id and self._last.get(id) == status):
            return
        self._last[id] = status
        self._out.write(f"{id}: {status}\n" if id else f"{status}\n")
        self._out.flush()


class Bars:
    """One line for each layer, written over as it changes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rows: dict[str, int] = {}
        self._shown: dict[str, str] = {}
        self._drawn = 0.0

    def status(self, id: str, status: str, current: int = 0, total: int = 0) -> None:
        """Draw the state; of a state that only moves on, not every step."""
        if not id:
            self._out.write(f"{status}\n")
            self._out.flush()
            self._rows.clear()
            return
        import time

        now = time.monotonic()
        moving = bool(total) and current < total
        if moving and id in self._rows and now - self._drawn < _PAUSE:
            return
        self._drawn = now
        text = f"{id}: {status}" + (f" {bar(current, total)}" if current or total else "")
        if self._shown.get(id) == text and id in self._rows:
            return
        self._shown[id] = text
        self._draw(id, text[: max(self._columns() - 1, 20)])

    def _draw(self, id: str, text: str) -> None:
        if id not in self._rows:
            self._rows[id] = len(self._rows)
            self._out.write(f"{text}\n")
        else:
            up = len(self._rows) - self._rows[id]
            self._out.write(f"\x1b[{up}A\r\x1b[2K{text}\x1b[{up}B\r")
        self._out.flush()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns
        except OSError:
            return 80


def bar(current: int, total: int) -> str:
    """Return ``[====>      ]  1.2MB/5.4MB``; without a total only the size so far."""
    if total <= 0:
        return f" {show_size(current)}"
    done = min(_BAR, _BAR * current // total)
    arrow = "=" * done + (">" if done < _BAR else "")
    return f"[{arrow:<{_BAR}}]  {show_size(current)}/{show_size(total)}"


def pull_progress(quiet: bool, out: TextIO | None = None) -> Silent | Lines | Bars:
    """Return what shows a pull on *out* (stderr by default)."""
    out = out or sys.stderr
    if quiet:
        return Silent()
    if out.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
        return Bars(out)
    return Lines(out)
