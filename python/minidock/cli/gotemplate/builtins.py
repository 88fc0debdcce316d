"""The functions a template may call: Go's own, and those that Docker adds for ``--format``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from minidock.cli.gotemplate.nodes import TemplateError
from minidock.cli.gotemplate.printf import printf, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def truth(value: Any) -> bool:
    """Whether *value* counts as true: not false, zero, nil or empty."""
    return bool(value)


def _index(item: Any, *keys: Any) -> Any:
    for key in keys:
        if item is None:
            raise TemplateError("index of untyped nil")
        if isinstance(item, dict):
            item = item.get(key)
        elif isinstance(item, (list, tuple, str)):
            if isinstance(key, bool) or not isinstance(key, int):
                raise TemplateError(f"cannot index slice/array with type {_name(key)}")
            if not 0 <= key < len(item):
                raise TemplateError(f"index out of range: {key}")
            item = item[key] if not isinstance(item, str) else item.encode()[key]
        else:
            raise TemplateError(f"can't index item of type {_name(item)}")
    return item


def _slice(item: Any, *bounds: Any) -> Any:
    if not isinstance(item, (str, list, tuple)):
        raise TemplateError(f"can't slice item of type {_name(item)}")
    start = bounds[0] if bounds else 0
    stop = bounds[1] if len(bounds) > 1 else len(item)
    if not all(isinstance(bound, int) for bound in bounds) or not 0 <= start <= stop <= len(item):
        raise TemplateError(f"index out of range: {stop if stop > len(item) else start}")
    return item[start:stop]


def _len(item: Any) -> int:
    if isinstance(item, str):
        return len(item.encode("utf-8", "surrogateescape"))
    if isinstance(item, (dict, list, tuple)):
        return len(item)
    raise TemplateError("len of nil pointer" if item is None else f"len of type {_name(item)}")


def _name(value: Any) -> str:
    return {bool: "bool", int: "int", float: "float64", str: "string"}.get(type(value), "interface {}")


def _comparable(left: Any, right: Any) -> None:
    numbers = (int, float)
    same = type(left) is type(right) or (isinstance(left, numbers) and isinstance(right, numbers))
    if not same and left is not None and right is not None:
        raise TemplateError("incompatible types for comparison")


def _eq(left: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    for other in others:
        _comparable(left, other)
    return any(left == other for other in others)


def _order(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        _comparable(left, right)
        if left is None or isinstance(left, (bool, dict, list, tuple)):
            raise TemplateError("invalid type for comparison")
        return test(left, right)

    return compare


def _println(*values: Any) -> str:
    return " ".join(show(value) for value in values) + "\n"


def _print(*values: Any) -> str:
    """Like Go's Sprint: a space between two operands when neither is a string."""
    parts = ""
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            parts += " "
        parts += show(value)
    return parts


_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"}


def _html(*values: Any) -> str:
    return "".join(_HTML.get(letter, letter) for letter in _print(*values))


def _urlquery(*values: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_print(*values))


def to_json(value: Any) -> str:
    """Return JSON as Go writes it: ``<``, ``>`` and ``&`` escaped, keys in order."""
    import json

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TemplateError(f"wrong type for value; expected string; got {_name(value)}")
    return value


def _join(items: Any, separator: str) -> str:
    if not isinstance(items, (list, tuple)):
        raise TemplateError(f"wrong type for value; expected []string; got {_name(items)}")
    return separator.join(_text(item) for item in items)


def _split(text: Any, separator: str) -> list[str]:
    return _text(text).split(separator) if separator else list(_text(text))


def _title(text: Any) -> str:
    """Each word's first letter in upper case."""
    result, fresh = "", True
    for letter in _text(text):
        result += letter.upper() if fresh else letter
        fresh = not (letter.isalnum() or letter in "_'")
    return result


def _pad(text: Any, before: int, after: int) -> str:
    return " " * min(before, 10_000) + _text(text) + " " * min(after, 10_000) if text else _text(text)


def _truncate(text: Any, length: int) -> str:
    return _text(text)[: max(length, 0)]


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "not": lambda value: not truth(value),
    "eq": _eq,
    "ne": lambda left, right: not _eq(left, right),
    "lt": _order(lambda left, right: left < right),
    "le": _order(lambda left, right: left <= right),
    "gt": _order(lambda left, right: left > right),
    "ge": _order(lambda left, right: left >= right),
    "index": _index,
    "slice": _slice,
    "len": _len,
    "print": _print,
    "printf": lambda template, *values: printf(_text(template), *values),
    "println": _println,
    "html": _html,
    "urlquery": _urlquery,
    # Docker's own
    "json": to_json,
    "split": _split,
    "join": _join,
    "title": _title,
    "lower": lambda text: _text(text).lower(),
    "upper": lambda text: _text(text).upper(),
    "pad": _pad,
    "truncate": _truncate,
}

#: These evaluate their arguments one by one, as far as needed: the executor itself does them.
LAZY = ("and", "or")
