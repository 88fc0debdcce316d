"""How values are written and shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.cli.values.durations import parse_duration
from minidock.cli.values.numbers import parse_bool, parse_cpus, parse_int, parse_uint
from minidock.cli.values.quoting import quote, quote_character
from minidock.cli.values.sizes import parse_size, parse_swap, show_size, show_size_binary
from minidock.containers.ages import show_age


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("1", 1), ("1b", 1), ("1B", 1), ("1k", 1024), ("1K", 1024), ("1kb", 1024), ("1KiB", 1024),
        ("1.5m", 1572864), ("1 g", 1 << 30), ("1gb", 1 << 30), ("1t", 1 << 40), ("2p", 2 << 50),
        (".5k", 512), ("1e3", 1000),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1x", "1kib2", "1.1.1", "nan1", "1ki", "0x10", " 5", "1  g", "9" * 30])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|suffix|ParseFloat"):
        parse_size(text)


def test_swap() -> None:
    assert (parse_swap("-1"), parse_swap("1k")) == (-1, 1024)


@given(st.integers(0, 10**21))
def test_shown_sizes_are_short(size: int) -> None:
    assert len(show_size(size, 3)) <= 10
    assert len(show_size_binary(size)) <= 10


def test_shown_sizes() -> None:
    assert [show_size(size, 3) for size in (0, 999, 1000, 1_240_000, 60_123_456_789)] == [
        *("0B", "999B", "1kB", "1.24MB", "60.1GB")
    ]
    assert (show_size(4261502), show_size_binary(25_276_514_304)) == ("4.262MB", "23.54GiB")


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("0", 0), ("1ns", 1), ("1.5h", 5400 * 10**9), ("1h2m3s", 3723 * 10**9), ("-1s", -(10**9)), ("+5ms", 5_000_000),
     ("1µs", 1000), ("1us", 1000), (".5s", 500_000_000), ("1.s", 10**9)],
)  # fmt: skip
def test_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1h5", ".s", "1..5s", "1 s", "-", "9999999999999h", "--1s"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="time: "):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "Less than a second"), (1.9, "1 second"), (59, "59 seconds"), (60, "About a minute"), (119, "About a minute"),
     (120, "2 minutes"), (3599, "59 minutes"), (3600, "About an hour"), (5399, "About an hour"), (5400, "2 hours"),
     (47 * 3600, "47 hours"), (48 * 3600, "2 days"), (13.9 * 86400, "13 days"), (14 * 86400, "2 weeks"),
     (59 * 86400, "8 weeks"), (60 * 86400, "2 months"), (729 * 86400, "24 months"), (731 * 86400, "2 years")],
)  # fmt: skip
def test_ages(seconds: float, words: str) -> None:
    assert show_age(seconds) == words


@pytest.mark.parametrize(
    ("text", "nano"), [("1", 10**9), ("1.5", 1_500_000_000), ("3/4", 750_000_000), ("1e-3", 10**6), ("-1", -(10**9))]
)
def test_cpus(text: str, nano: int) -> None:
    assert parse_cpus(text) == nano


@pytest.mark.parametrize("text", ["", "x", "1/0", "1/3", "1e-10", "1.2.3", " 1", "1e999999999", "1/-2", "0x1"])
def test_cpus_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"rational|precise"):
        parse_cpus(text)


def test_numbers() -> None:
    assert [parse_int(text) for text in ("10", "-0x1f", "0b11", "017", "0o17", "1_000", "+5", "0")] == [
        *(10, -31, 3, 15, 15, 1000, 5, 0)
    ]
    assert parse_uint("65535", 16) == 65535
    assert parse_bool("T")
    assert not parse_bool("FALSE")


@pytest.mark.parametrize("text", ["", "-", "08", "1.5", "x", "1__0", "_1", "٣", "0x", "9223372036854775808"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="ParseInt: parsing"):
        parse_int(text)


def test_quotes() -> None:
    assert quote('a"\\\n\x01é\udcff') == '"a\\"\\\\\\n\\x01é\\xff"'
    assert quote_character("z") == "'z'"
    assert quote_character("'") == "'\\''"


@given(st.text())
def test_quotes_end_where_they_begin(text: str) -> None:
    assert quote(text).startswith('"')
    assert '"' not in quote(text)[1:-1].replace("\\\\", "").replace('\\"', "")
