"""Times of images."""

from __future__ import annotations

import pytest

from minidock.errors import InvalidArgument
from minidock.images.times import created_ns, format_time, parse_moment, parse_time

NOW = 10**18


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T01:00:00.5+01:00", 5 * 10**8),
        ("2024-05-01T12:00:00.123456789Z", 1714564800123456789),
        ("1969-12-31T23:59:59Z", -(10**9)),
        ("0001-01-01T00:00:00Z", -62135596800 * 10**9),
    ],
)
def test_parse(text: str, nanoseconds: int) -> None:
    assert parse_time(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "x", "2024-13-01T00:00:00Z", "2024-01-01", "2024-01-01T00:00:00", "٢٠٢٤"])
def test_no_time(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_time(text)
    assert created_ns(text) == 0


def test_format_is_gos() -> None:
    assert format_time(1714564800120000000) == "2024-05-01T12:00:00.12Z"
    assert format_time(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("24h", NOW - 24 * 3600 * 10**9),
        ("1.5", 1_500_000_000),
        ("12", 12 * 10**9),
        ("1970-01-02", 86400 * 10**9),
        ("1970-01-01T00:01", 60 * 10**9),
        ("1970-01-01T00:00:02", 2 * 10**9),
        ("1970-01-01T00:00:02Z", 2 * 10**9),
    ],
)
def test_moments(text: str, moment: int) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "x", "-1", "1d", "9" * 40])
def test_no_moment(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_moment(text, NOW)
