"""Tables, bars, detach keys."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.api import ImageSummary
from minidock.cli.detachkeys import DEFAULT, DetachKeys, parse_keys
from minidock.cli.output.images import rows
from minidock.cli.output.progress import Bars, Lines, bar
from minidock.cli.output.table import align, short_id, shorten


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert align(["A\tB\tC", "1234567890ab\tx\ty"]) == "A              B         C\n1234567890ab   x         y\n"


def test_a_column_ends_where_lines_do_not_have_it() -> None:
    assert align(["a\tb", "plain", "cccccccccccc\td"]) == "a         b\nplain\ncccccccccccc   d\n"


@given(st.lists(st.lists(st.text("abc é", max_size=15), min_size=3, max_size=3), min_size=1, max_size=6))
def test_cells_of_a_column_begin_together(cells: list[list[str]]) -> None:
    lines = align(["\t".join(["|" + cell for cell in row]) for row in cells]).splitlines()
    starts = {tuple(at for at, letter in enumerate(line) if letter == "|") for line in lines}
    assert len(starts) == 1


def test_short_words() -> None:
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"
    assert short_id("sha256:" + "ab" * 32) == "abababababab"


def test_lines_are_said_once() -> None:
    out = io.StringIO()
    lines = Lines(out)
    for state, current in (("Waiting", 0), ("Waiting", 0), ("Downloading", 5), ("Download complete", 0)):
        lines.status("a", state, current, 10 if current else 0)
    lines.status("", "done")
    lines.status("", "done")
    assert out.getvalue() == "a: Waiting\na: Download complete\ndone\ndone\n"


def test_bars_write_over_their_own_line() -> None:
    out = io.StringIO()
    bars = Bars(out)
    bars.status("a", "Waiting")
    bars.status("b", "Waiting")
    bars.status("a", "Pull complete")
    bars.status("", "Status: done")
    assert out.getvalue() == "a: Waiting\nb: Waiting\n\x1b[2A\r\x1b[2Ka: Pull complete\x1b[2B\rStatus: done\n"


def test_a_bar() -> None:
    assert bar(0, 100) == "[>" + " " * 49 + "]  0B/100B"
    assert bar(50, 100) == "[" + "=" * 25 + ">" + " " * 24 + "]  50B/100B"
    assert bar(100, 100) == "[" + "=" * 50 + "]  100B/100B"
    assert bar(200, 100).startswith("[" + "=" * 50 + "]")


def test_an_image_with_a_digest_alone_shows_it() -> None:
    image = ImageSummary("sha256:1", (), ("only/digest@sha256:2",), 1, 1, None)
    shown = [next(rows(image, cut=True, digests=wanted, now=9.0)) for wanted in (True, False)]
    assert [(row["Repository"], row["Tag"], row["Digest"]) for row in shown] == [
        ("only/digest", "<none>", "sha256:2"),
        ("only/digest", "<none>", "<none>"),
    ]


def test_keys() -> None:
    assert parse_keys(DEFAULT) == b"\x10\x11"
    assert parse_keys("ctrl-@,a,ctrl-[,ctrl-\\,ctrl-_") == b"\0a\x1b\x1c\x1f"


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-ab", "ctrl-A", "ab", "a,,b", "é", "ctrl-1"])
def test_keys_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="invalid detach keys"):
        parse_keys(text)


@pytest.mark.parametrize(
    ("chunks", "passed"),
    [
        ([b"abc"], b"abc"),
        ([b"a\x10b"], b"a\x10b"),
        ([b"a\x10", b"b"], b"a\x10b"),
        ([b"\x10\x10", b"c"], b"\x10\x10c"),
        ([b"\x11\x10"], b"\x11"),
        ([b"x\x10\x11"], None),
        ([b"\x10", b"\x11"], None),
        ([b"\x10\x10\x11"], None),
    ],
)
def test_detaching(chunks: list[bytes], passed: bytes | None) -> None:
    keys = DetachKeys(b"\x10\x11")
    results = [keys.feed(chunk) for chunk in chunks]
    assert (None if None in results else b"".join(part for part in results if part)) == passed
