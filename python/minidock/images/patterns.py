r"""Shell patterns as Go's ``path.Match`` understands them, for ``--filter reference=``.

``*`` is any run of characters and ``?`` one character, both but for a slash; ``[a-z]`` and ``[^a-z]`` are one of a set;
``\`` takes the meaning from the character after it. The work is bounded by pattern times text: only the last star is
ever tried again, so no pattern can make it slow.
"""

from __future__ import annotations

from collections.abc import Callable

from minidock.errors import InvalidArgument

#: What one place of a pattern accepts; ``None`` is a star.
Token = Callable[[str], bool] | None


def match_path(pattern: str, text: str) -> bool:
    """Say whether *pattern* matches all of *text*.

    :raises InvalidArgument: the pattern is malformed.

    >>> match_path("team/*:1.?", "team/app:1.2"), match_path("*", "team/app")
    (True, False)
    """
    tokens = _tokens(pattern)
    at, place, star, resume = 0, 0, -1, 0
    while at < len(text):
        token = tokens[place] if place < len(tokens) else _nothing
        if token is None:
            star, resume, place = place, at, place + 1
        elif token(text[at]):
            at, place = at + 1, place + 1
        elif star >= 0 and text[resume] != "/":
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return all(token is None for token in tokens[place:])


def _tokens(pattern: str) -> list[Token]:
    tokens: list[Token] = []
    rest = list(reversed(pattern))
    while rest:
        mark = rest.pop()
        if mark == "*":
            tokens.append(None)
        elif mark == "?":
            tokens.append(lambda character: character != "/")
        elif mark == "[":
            tokens.append(_set(rest))
        else:
            tokens.append(_same(_quoted(mark, rest)))
    return tokens


def _set(rest: list[str]) -> Callable[[str], bool]:
    """Read the set after ``[``: single characters and ranges, up to the ``]`` that is not the first of them."""
    negated = bool(rest) and rest[-1] == "^"
    if negated:
        rest.pop()
    ranges: list[tuple[str, str]] = []
    while True:
        if not rest:
            raise InvalidArgument("syntax error in pattern")
        mark = rest.pop()
        if mark == "]" and ranges:
            return lambda character: any(low <= character <= high for low, high in ranges) != negated
        low = high = _member(mark, rest)
        if rest and rest[-1] == "-":
            rest.pop()
            if not rest:
                raise InvalidArgument("syntax error in pattern")
            high = _member(rest.pop(), rest)
        ranges.append((low, high))


def _member(mark: str, rest: list[str]) -> str:
    if mark in "-]":
        raise InvalidArgument("syntax error in pattern")
    return _quoted(mark, rest)


def _quoted(mark: str, rest: list[str]) -> str:
    if mark != "\\":
        return mark
    if not rest:
        raise InvalidArgument("syntax error in pattern")
    return rest.pop()


def _same(wanted: str) -> Callable[[str], bool]:
    return lambda character: character == wanted


def _nothing(_: str) -> bool:
    return False
