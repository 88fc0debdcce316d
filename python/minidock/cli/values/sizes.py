"""Sizes in bytes: ``512m`` read in powers of 1024, ``7.8MB`` shown in powers of 1000, as Docker does."""

from __future__ import annotations

_POWERS = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_SHOWN = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_SHOWN_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


def parse_size(text: str) -> int:
    """Read ``1.5g``, ``64 mb``, ``10KiB``, ``100`` as bytes; one kilobyte is 1024 bytes.

    :raises ValueError: with Docker's words.
    """
    end = max((text.rfind(digit) for digit in "0123456789. "), default=-1)
    if end < 0:
        raise ValueError(f"invalid size: '{text}'")
    number, suffix = text[: end if text[end] == " " else end + 1], text[end + 1 :].lower()
    value = _number(number)
    if value < 0:
        raise ValueError(f"invalid size: '{text}'")
    if suffix in ("", "b"):
        size = value
    elif suffix[0] in _POWERS and suffix[1:] in ("", "b", "ib"):
        size = value * (1 << _POWERS[suffix[0]])
    else:
        raise ValueError(f"invalid suffix: '{text[end + 1 :]}'")
    if size >= 1 << 63:
        raise ValueError(f"invalid size: '{text}'")
    return int(size)


def _number(text: str) -> float:
    try:
        if not text or text != text.strip() or not text.isascii() or text.strip("+-")[:1] in "nNiI":
            raise ValueError(text)
        return float(text)
    except ValueError:
        from minidock.cli.values.quoting import quote

        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax") from None


def parse_swap(text: str) -> int:
    """Read a size of memory and swap together; ``-1`` is "no limit"."""
    return -1 if text == "-1" else parse_size(text)


def show_size(size: float, digits: int = 4) -> str:
    """Return ``1.24MB``: powers of 1000, *digits* significant digits, no trailing zeros."""
    return _show(size, digits, 1000.0, _SHOWN)


def show_size_binary(size: float) -> str:
    """Return ``23.54GiB``: powers of 1024."""
    return _show(size, 4, 1024.0, _SHOWN_BINARY)


def _show(size: float, digits: int, base: float, units: tuple[str, ...]) -> str:
    step = 0
    while size >= base and step < len(units) - 1:
        size, step = size / base, step + 1
    return f"{size:.{digits}g}{units[step]}"
