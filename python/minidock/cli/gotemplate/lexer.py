"""Text and actions → tokens.

An action goes from ``{{`` to ``}}``; ``{{- `` and `` -}}`` take away the white space before and after it; ``{{/* */}}``
is a comment. Inside an action a token is one of: ``field`` (``.Name``), ``variable`` (``$x``), ``name``, ``string``,
``number``, ``character``, ``space`` (which separates arguments) and marks such as ``|``, ``(``, ``:=``.
"""

from __future__ import annotations

from collections.abc import Iterator

from minidock.cli.gotemplate.nodes import TemplateError

_MARKS = (":=", "=", "|", "(", ")", ",")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_SPACE = " \t\r\n"


class Token:
    """One token: its kind, its value, and where it stands, for messages."""

    __slots__ = ("column", "kind", "line", "value")

    def __init__(self, kind: str, value: str, line: int, column: int) -> None:
        self.kind = kind
        self.value = value
        self.line = line
        self.column = column


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens; ``text`` for text, ``open`` and ``close`` around an action's tokens."""
    at = 0
    trim = False
    while True:
        start = text.find("{{", at)
        piece = text[at:] if start < 0 else text[at:start]
        if trim:
            piece = piece.lstrip(_SPACE)
        trims_left = start >= 0 and text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4] in tuple(_SPACE)
        if trims_left:
            piece = piece.rstrip(_SPACE)
        if piece:
            yield Token("text", piece, _line(text, at), at)
        if start < 0:
            return
        at = start + (3 if trims_left else 2)
        if text.startswith("/*", at) or (trims_left and text[at:].lstrip(_SPACE).startswith("/*")):
            at, trim = _comment(text, at)
            continue
        yield Token("open", "{{", _line(text, start), start)
        at, found = _action(text, at)
        yield from found
        trim = text.startswith(" -}}", at - 4) or text.startswith("-}}", at - 3)
        yield Token("close", "}}", _line(text, at), at - 2)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def fail(line: int, message: str) -> TemplateError:
    """Return the error for a template that cannot be parsed."""
    return TemplateError(f"template: :{line}: {message}")


def _comment(text: str, at: int) -> tuple[int, bool]:
    end = text.find("*/", at)
    if end < 0:
        raise fail(_line(text, at), "unclosed comment")
    rest = text[end + 2 :]
    if rest.startswith("}}"):
        return end + 4, False
    stripped = rest.lstrip(_SPACE)
    if stripped.startswith("-}}") and len(stripped) < len(rest):
        return end + 2 + len(rest) - len(stripped) + 3, True
    raise fail(_line(text, at), "comment ends before closing delimiter")


def _action(text: str, at: int) -> tuple[int, list[Token]]:
    """Return where the action ends, behind its ``}}``, and its tokens."""
    found: list[Token] = []
    while True:
        if text.startswith("}}", at):
            return at + 2, found
        if text[at : at + 1] in tuple(_SPACE):
            end = at
            while text[end : end + 1] in tuple(_SPACE):
                end += 1
            if text.startswith("-}}", end):
                return end + 3, found
            found.append(Token("space", " ", _line(text, at), at))
            at = end
            continue
        if at >= len(text):
            raise fail(_line(text, at), "unclosed action")
        token, at = _token(text, at)
        found.append(token)


def _token(text: str, at: int) -> tuple[Token, int]:
    line, letter = _line(text, at), text[at]
    if letter in "\"`'":
        return _string(text, at)
    if letter == ".":
        end = _word(text, at + 1)
        return Token("field", text[at + 1 : end], line, at), end
    if letter == "$":
        end = _word(text, at + 1)
        return Token("variable", text[at + 1 : end], line, at), end
    if letter.isdigit() or (letter in "+-" and text[at + 1 : at + 2].isdigit()):
        end = at + 1
        while text[end : end + 1].isalnum() or (text[end : end + 1] in ("_", ".") and text[end : end + 1]):
            end += 1
        return Token("number", text[at:end], line, at), end
    end = _word(text, at)
    if end > at:
        return Token("name", text[at:end], line, at), end
    for mark in _MARKS:
        if text.startswith(mark, at):
            return Token(mark, mark, line, at), at + len(mark)
    raise fail(line, f"bad character U+{ord(letter):04X} '{letter}'")


def _word(text: str, at: int) -> int:
    while at < len(text) and (text[at].isalnum() or text[at] == "_"):
        at += 1
    return at


def _string(text: str, at: int) -> tuple[Token, int]:
    quote, line, start = text[at], _line(text, at), at
    parts: list[str] = []
    at += 1
    while True:
        letter = text[at : at + 1]
        if not letter or (letter == "\n" and quote != "`"):
            names = {'"': "unterminated quoted string", "`": "unterminated raw quoted string"}
            raise fail(line, names.get(quote, "unterminated character constant"))
        at += 1
        if letter == quote:
            break
        if letter == "\\" and quote != "`":
            decoded, at = _escape(text, at, line)
            parts.append(decoded)
        else:
            parts.append(letter)
    value = "".join(parts)
    if quote == "'":
        if len(value) != 1:
            raise fail(line, f"malformed character constant: {text[start:at]}")
        return Token("number", str(ord(value)), line, start), at
    return Token("string", value, line, start), at


def _escape(text: str, at: int, line: int) -> tuple[str, int]:
    letter = text[at : at + 1]
    if letter in _ESCAPES and letter:
        return _ESCAPES[letter], at + 1
    width = {"x": 2, "u": 4, "U": 8}.get(letter, 0)
    digits = text[at + 1 : at + 1 + width]
    try:
        if len(digits) != width or not width:
            raise ValueError(digits)
        return chr(int(digits, 16)), at + 1 + width
    except (ValueError, OverflowError):
        raise fail(line, "invalid syntax") from None
