"""Quotation marks as Go's ``%q`` writes them: Docker's error messages quote what the user typed in this way."""

from __future__ import annotations

_NAMED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}


def quote(text: str) -> str:
    r"""Return *text* in double quotes, with what cannot be printed escaped; bytes that are no UTF-8 as ``\xNN``."""
    return '"' + "".join(_escape(character) for character in text) + '"'


def quote_character(character: str) -> str:
    """Return one character in single quotes: Go's ``%q`` of a byte."""
    return f"'{_escape(character)}'" if character != "'" else "'\\''"


def _escape(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if 0xDC80 <= code <= 0xDCFF:  # a byte of argv that is no UTF-8: Python carries it as a lone surrogate
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
