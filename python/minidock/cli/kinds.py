"""The kinds of flag values that many commands share. Kinds that only ``run`` has stand in :mod:`minidock.cli.run`."""

from __future__ import annotations

from minidock.cli.flags import Flag, Kind

# The readers of values are imported when the first such value is read: most commands read none.


def _bool(text: str) -> bool:
    from minidock.cli.values.numbers import parse_bool

    return parse_bool(text)


def _int(text: str) -> int:
    from minidock.cli.values.numbers import parse_int

    return parse_int(text)


def _uint(text: str, bits: int = 64) -> int:
    from minidock.cli.values.numbers import parse_uint

    return parse_uint(text, bits)


def _size(text: str) -> int:
    from minidock.cli.values.sizes import parse_size

    return parse_size(text)


def _duration(text: str) -> int:
    from minidock.cli.values.durations import parse_duration

    return parse_duration(text)


def _filter(text: str) -> tuple[str, str]:
    if not text:
        return "", ""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError("bad format of filter (expected name=value)")
    return name.strip().lower(), value.strip()


STRING = Kind("string", str, "")
BOOL = Kind("", _bool, False, implied="true")
INT = Kind("int", _int, 0)
UINT = Kind("uint", _uint, 0)
UINT16 = Kind("uint16", lambda text: _uint(text, 16), 0)
BYTES = Kind("bytes", _size, 0)
DURATION = Kind("duration", _duration, 0)
LIST = Kind("list", str, repeats=True)
STRINGS = Kind("strings", str, repeats=True)
FILTER = Kind("filter", _filter, repeats=True)

HELP = Flag("h,help", BOOL, "Print usage", hidden=True, short_deprecated="use --help")
HELP_LONG_ONLY = Flag("help", BOOL, "Print usage")

FORMAT = Flag(
    "format",
    STRING,
    "How to print the result: 'table' (the default), 'table TEMPLATE' with a heading, 'json' for one JSON object per"
    " line, or a Go template such as '{{.ID}}'",
)
FORMAT_SHORT = Flag("f,format", STRING, "How to print the result: 'json', or a Go template such as '{{.Id}}'")


def filters(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Collect ``--filter`` pairs by name."""
    collected: dict[str, list[str]] = {}
    for name, value in pairs:
        if name:
            collected.setdefault(name, []).append(value)
    return collected
