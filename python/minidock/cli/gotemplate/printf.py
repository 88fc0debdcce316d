"""Go's formatting: how values look by themselves, and the verbs of ``printf``.

Source: https://pkg.go.dev/fmt. Verbs: ``%v %+v %s %q %d %x %X %o %b %c %t %f %e %g %T``-less; flags ``- + # 0`` and
space; width and precision, also as ``*``.
"""

from __future__ import annotations

from minidock.cli.values.quoting import quote, quote_character

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def show(value: Any, nothing: str = "<nil>") -> str:
    """Return *value* as Go's ``%v`` does: ``true``, ``[a b]``, ``map[k:v]`` with sorted keys."""
    if value is None:
        return nothing
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _general(value)
    if isinstance(value, dict):
        return f"map[{' '.join(f'{show(key)}:{show(value[key])}' for key in sorted(value))}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(show(item) for item in value)}]"
    return str(value)


def _general(value: float) -> str:
    """The shortest form; an exponent below 1e-4 and from 1e21 on."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    if value == 0 or 1e-4 <= abs(value) < 1e21:
        return str(int(value)) if value == int(value) else _plain(repr(value))
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        mantissa, _, exponent = f"{value:e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].zfill(2)}"


def _plain(text: str) -> str:
    """Write a number such as ``1e+16`` without an exponent."""
    return f"{float(text):f}".rstrip("0").rstrip(".") if "e" in text else text


def printf(template: str, *values: Any) -> str:
    """Format as Go's ``fmt.Sprintf``: what does not fit is shown, never an error (``%!d(string=x)``)."""
    left = list(values)
    parts: list[str] = []
    at = 0
    while (start := template.find("%", at)) >= 0:
        parts.append(template[at:start])
        at = start + 1
        flags = ""
        while template[at : at + 1] in tuple("-+# 0"):
            flags, at = flags + template[at], at + 1
        width, at = _number(template, at, left)
        precision: int | None = None
        if template[at : at + 1] == ".":
            precision, at = _number(template, at + 1, left)
            precision = precision or 0
        verb, at = template[at : at + 1], at + 1
        if not verb:
            parts.append("%!(NOVERB)")
        elif verb == "%":
            parts.append("%")
        elif not left:
            parts.append(f"%!{verb}(MISSING)")
        else:
            if width is not None and width < 0:
                flags, width = flags + "-", -width
            parts.append(_pad(_verb(verb, flags, precision, left.pop(0)), flags, width))
    parts.append(template[at:])
    if left:
        parts.append("%!(EXTRA " + ", ".join(f"{type_name(value)}={show(value)}" for value in left) + ")")
    return "".join(parts)


#: Wider than any terminal; it keeps ``%999999999d`` from filling the memory.
_WIDEST = 10_000


def _number(template: str, at: int, left: list[Any]) -> tuple[int | None, int]:
    if template[at : at + 1] == "*":
        value = left.pop(0) if left and isinstance(left[0], int) else 0
        return max(-_WIDEST, min(value, _WIDEST)), at + 1
    end = at
    while template[end : end + 1].isdigit():
        end += 1
    return (min(int(template[at:end][:6]), _WIDEST) if end > at else None), end


def _pad(text: str, flags: str, width: int | None) -> str:
    if width is None or len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags:
        sign = text[:1] if text[:1] in ("+", "-") else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _verb(verb: str, flags: str, precision: int | None, value: Any) -> str:
    if verb == "v":
        return show(value)
    if isinstance(value, (list, tuple)) and verb in "sqdxX":
        return f"[{' '.join(_verb(verb, flags, precision, item) for item in value)}]"
    if isinstance(value, bool):
        return show(value) if verb == "t" else _wrong(verb, value)
    if isinstance(value, str):
        cut = value if precision is None else value[:precision]
        return {
            "s": lambda: cut,
            "q": lambda: quote(cut),
            "x": lambda: cut.encode("utf-8", "surrogateescape").hex(),
            "X": lambda: cut.encode("utf-8", "surrogateescape").hex().upper(),
        }.get(verb, lambda: _wrong(verb, value))()
    if isinstance(value, int):
        return _integer(verb, flags, value)
    if isinstance(value, float) and verb in "feEgG":
        plus = "+" if "+" in flags else ""
        if verb in "gG" and precision is None:
            return _general(value)
        return format(value, f"{plus}.{6 if precision is None else precision}{verb}")
    return _wrong(verb, value)


def _integer(verb: str, flags: str, value: int) -> str:
    sign = "+" if "+" in flags else " " if " " in flags else ""
    mark = "#" if "#" in flags else ""
    if verb in "dxXob":
        return format(value, f"{sign or '-'}{mark if verb != 'd' else ''}{verb}")
    if verb in "cq" and 0 <= value < 0x110000:
        return chr(value) if verb == "c" else quote_character(chr(value))
    return _wrong(verb, value)


def type_name(value: Any) -> str:
    """Return the Go type of a JSON value."""
    if value is None:
        return "<nil>"
    names = {bool: "bool", int: "int", float: "float64", str: "string", dict: "map[string]interface {}"}
    return names.get(type(value), "[]interface {}")


def _wrong(verb: str, value: Any) -> str:
    return "%!" + verb + "(<nil>)" if value is None else f"%!{verb}({type_name(value)}={show(value)})"
