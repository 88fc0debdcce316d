"""Writes what a session measured into the docs: ``make bench`` (``--write-docs``) makes a table and a picture.

Only rows that were measured are replaced, so a session of one file leaves the others' rows as they are; the line about
the machine is the last session's. No test asserts any of it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.support.ratios import RATIOS, Ratio, seconds

DOCS = Path(__file__).parents[2] / "docs"
#: Why native differs from pure, by how a benchmark's group begins; the first that fits counts.
TWINS = {
    "layers: digest": "one thread hashes, in both: OpenSSL's assembler against Rust's use of the same instructions",
    "layers: inflate": "one thread, two libraries: the one in Rust's crate against the one below Python's module",
    "layers: deflate": "one thread, two libraries: the one in Rust's crate against the one below Python's module",
    "layers": "threads side by side, against Python's loop over entries around the same C for inflating and hashing",
    "links": "the kernel's time is most of it; what is saved is encoding a few hundred bytes",
}
HEAD = "| work | ours | peer | ratio | target | why |\n|---|---|---|---|---|---|"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-docs", action="store_true", help="write docs/benchmarks.md and .svg")


def pytest_sessionfinish(session: pytest.Session) -> None:
    found = [*RATIOS, *twins(session.config)]
    if found and session.config.getoption("--write-docs"):
        write(DOCS, found)


def twins(config: pytest.Config) -> list[Ratio]:
    """Pair pytest-benchmark's results: the same group and parameters, once native, once pure."""
    kept = getattr(config, "_benchmarksession", None)  # the plugin offers its results to no public hook in this form
    times: dict[str, dict[str, float]] = {}
    for bench in kept.benchmarks if kept else ():
        for twin in ("native", "pure"):
            if twin in (bench.params or {}).values():
                rest = [str(value) for value in bench.params.values() if value != twin]
                work = ", ".join([bench.group or bench.name, *rest])
                times.setdefault(work, {})[twin] = bench.stats.median
    return [
        Ratio(work, "native", "pure", pair["native"], pair["pure"], None, reason(work))
        for work, pair in times.items()
        if len(pair) == 2
    ]


def reason(work: str) -> str:
    return next((why for start, why in TWINS.items() if work.startswith(start)), "")


def write(docs: Path, found: list[Ratio]) -> None:
    """Put the rows between the page's marks, and draw all ratios that the page then has."""
    page = docs / "benchmarks.md"
    text = page.read_text()
    start, end = text.index("<!-- table -->"), text.index("<!-- end of table -->")
    rows = {key(line): line for line in text[start:end].splitlines() if line.startswith("| ") and "| work" not in line}
    rows |= {key(line): line for line in map(row, found)}
    table = "\n".join([HEAD, *rows.values()])
    page.write_text(f"{text[:start]}<!-- table -->\n\n{machine()}\n\n{table}\n\n{text[end:]}")
    draw(docs / "benchmarks.svg", list(rows.values()))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def key(line: str) -> tuple[str, str]:
    """Return a row's work and peer: which row a new measurement replaces."""
    work, _, peer, *_ = cells(line)
    return work, re.sub(r" [\d.]+ \S+$", "", peer)


def row(found: Ratio) -> str:
    target = "" if found.target is None else f"≤ {found.target}"
    ours, peer = f"{found.ours} {seconds(found.ours_time)}", f"{found.peer} {seconds(found.peer_time)}"
    return f"| {found.work} | {ours} | {peer} | {found.value:.2f} | {target} | {found.why} |"


def machine() -> str:
    """Describe the machine, without a date or a name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), os.uname().machine)
    kernel = ".".join(os.uname().release.split(".")[:2])
    return f"Measured on: {model}, {len(os.sched_getaffinity(0))} processors, Linux {kernel}; files on a tmpfs."


def draw(path: Path, rows: list[str]) -> None:
    """Draw one bar for each ratio, the target as a mark; a logarithmic axis, since ratios multiply."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "minidock"  # else each drawing gets other ids
    from matplotlib import pyplot

    parts = [cells(line) for line in rows]
    figure, axes = pyplot.subplots(figsize=(9, 1 + 0.32 * len(parts)))
    for place, (_, ours, _, ratio, target, _) in enumerate(reversed(parts)):
        axes.barh(place, float(ratio) - 1, left=1, color="#2a7" if ours.startswith("native") else "#37b")
        if target:
            axes.plot(float(target.split()[1]), place, "k|", markersize=14)
    labels = [" ÷ ".join(key(line)) for line in reversed(rows)]
    axes.set_yticks(range(len(parts)), labels, fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("our time ÷ the other's; left of 1 is faster; | is the target")
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
