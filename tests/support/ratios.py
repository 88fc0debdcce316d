"""Ratios of benchmarks: ours to a peer's, printed at once and kept until the session ends.

A time says little: it is the machine's. A ratio of two medians, whose runs took turns in one session, is nearly the
program's own. ``make bench`` writes all of them as a table and a picture for the docs.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Ratio(NamedTuple):
    """One comparison: medians in seconds; less than 1 means that ours is faster."""

    work: str
    ours: str
    peer: str
    ours_time: float
    peer_time: float
    target: float | None
    why: str

    @property
    def value(self) -> float:
        return self.ours_time / self.peer_time


#: What this session measured so far.
RATIOS: list[Ratio] = []


def compared(work: str, ours: str, peer: str, times: dict[str, list[float]], target: float | None, why: str) -> None:
    """Keep and print one ratio.

    :param times: seconds of each run, by name; *ours* and *peer* are two of the names.
    :param target: what the ratio should be at most; shown, never asserted.
    """
    found = Ratio(work, ours, peer, statistics.median(times[ours]), statistics.median(times[peer]), target, why)
    RATIOS.append(found)
    wanted = "" if target is None else f" (target {target})"
    print(f"\n{work}: {ours} {seconds(found.ours_time)}, {peer} {seconds(found.peer_time)}, ", end="")
    print(f"ratio {found.value:.2f}{wanted}", end="")


def in_turns(rounds: int, commands: Mapping[str, Sequence[str]], env: dict[str, str]) -> dict[str, list[float]]:
    """Run whole commands in turns, after one unmeasured run of each; return the wall seconds of each run, by name.

    :raises AssertionError: a command failed; its time would mean nothing.
    """
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, words in commands.items():
            start = time.perf_counter()
            done = subprocess.run(words, check=False, env=env, stdin=subprocess.DEVNULL, capture_output=True)
            taken = time.perf_counter() - start
            assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stderr.decode()}"
            if number:
                times[name].append(taken)
    return times


def seconds(value: float) -> str:
    """Write a time with three digits, in the unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"
