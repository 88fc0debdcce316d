"""Booleans, whole numbers and CPU counts, as Go's ``strconv`` reads them (base prefixes and underscores included)."""

from __future__ import annotations

from minidock.cli.values.quoting import quote

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def parse_bool(text: str) -> bool:
    """Read ``true``, ``T``, ``1`` … or ``false``, ``F``, ``0`` …; no other spelling."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")


def parse_int(text: str, bits: int = 64) -> int:
    """Read a signed number of at most *bits* bits: ``10``, ``-0x1f``, ``0b1``, ``017`` (octal), ``1_000``."""
    value = _whole(text, "ParseInt", text[1:] if text[:1] in ("+", "-") else text)
    if text.startswith("-"):
        value = -value
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return value


def parse_uint(text: str, bits: int = 64) -> int:
    """Read an unsigned number of at most *bits* bits."""
    value = _whole(text, "ParseUint", text)
    if value >= 1 << bits:
        raise ValueError(f"strconv.ParseUint: parsing {quote(text)}: value out of range")
    return value


def _whole(text: str, function: str, digits: str) -> int:
    syntax = ValueError(f"strconv.{function}: parsing {quote(text)}: invalid syntax")
    if not digits.isascii() or not digits[:1].isdigit():
        raise syntax
    old_octal = len(digits) > 1 and digits[0] == "0" and (digits[1].isdigit() or digits[1] == "_")
    try:
        return int(f"0o{digits[1:].lstrip('_')}" if old_octal else digits, 0)
    except ValueError:
        raise syntax from None


def parse_cpus(text: str) -> int:
    """Read a number of CPUs (``1.5``, ``3/4``, ``1e-3``) as billionths of a CPU, exactly."""
    bad = ValueError(f"failed to parse {text} as a rational number")
    top, slash, bottom = text.partition("/")
    try:
        numerator, scale = _decimal(top)
        denominator = int(bottom) if slash else 1
    except ValueError:
        raise bad from None
    if denominator <= 0 or text != text.strip():
        raise bad
    nano, rest = divmod(numerator * 10**9, denominator * scale)
    if rest:
        raise ValueError("value is too precise")
    return nano


def _decimal(text: str) -> tuple[int, int]:
    """Return numerator and denominator of ``12.5e-1``."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent) if exponent else 0
    if abs(power) > 30 or len(mantissa) > 60 or (fraction and not fraction.isdigit()):
        raise ValueError(text)
    number = int(whole + fraction) * 10 ** max(power, 0)
    return number, 10 ** (len(fraction) + max(-power, 0))
