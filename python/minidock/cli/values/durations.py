"""Lengths of time: Go's ``1m30s`` read into nanoseconds."""

from __future__ import annotations

from minidock.cli.values.quoting import quote

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,  # the micro sign
    "\u03bcs": 10**3,  # the Greek letter mu
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_LONGEST = (1 << 63) - 1


def parse_duration(text: str) -> int:
    """Read ``90s``, ``1h2m``, ``-1.5h``, ``0`` as nanoseconds.

    :raises ValueError: with the words of Go's ``time.ParseDuration``.
    """
    bad = ValueError(f"time: invalid duration {quote(text)}")
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise bad
    total = 0
    while rest:
        number = rest[: _span(rest, "0123456789.")]
        whole, _, fraction = number.partition(".")
        if not (whole + fraction).isdigit() or number.count(".") > 1:
            raise bad
        rest = rest[len(number) :]
        unit = next((rest[:at] for at, letter in enumerate(rest) if letter in "0123456789."), rest)
        if not unit:
            raise ValueError(f"time: missing unit in duration {quote(text)}")
        if unit not in _UNITS:
            raise ValueError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        total += int(whole or "0") * _UNITS[unit] + int(fraction or "0") * _UNITS[unit] // 10 ** len(fraction)
        rest = rest[len(unit) :]
    if total > _LONGEST:
        raise bad
    return -total if text.startswith("-") else total


def _span(text: str, accepted: str) -> int:
    return len(text) - len(text.lstrip(accepted))
