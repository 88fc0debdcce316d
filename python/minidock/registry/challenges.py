r"""Reading ``WWW-Authenticate``: schemes and their parameters, from a stranger.

::

    Bearer realm="https://auth.docker.io/token",service="registry.docker.io", Basic realm="x \"y\""
    └scheme┘└──────────────── parameters ──────────────────────────────────┘  └─ the next challenge ─┘

A comma separates parameters *and* challenges, so that a word counts as a new scheme when a space follows it and no
``=``. What breaks the grammar ends the reading of that field; what was read before it still counts. Source: RFC 9110,
sections 11.3 and 5.6.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

_LONGEST = 16 << 10
_MOST = 16
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_TOKEN68 = _TOKEN | frozenset("/")


class Challenge(msgspec.Struct, frozen=True):
    """One challenge; scheme and parameter names are in lower case."""

    scheme: str
    parameters: dict[str, str] = {}


def parse_challenges(fields: Sequence[str]) -> list[Challenge]:
    """Return the challenges of all fields, 16 at most; never raises."""
    challenges: list[Challenge] = []
    for field in fields[:_MOST]:
        challenges += _Reader(field[:_LONGEST]).challenges()
    return challenges[:_MOST]


class _Reader:
    """A cursor over one field."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def challenges(self) -> list[Challenge]:
        found: list[Challenge] = []
        while len(found) < _MOST:
            self._skip(" \t,")
            scheme = self._word(_TOKEN)
            if not scheme:
                break
            if self._token68():
                found.append(Challenge(scheme.lower()))
                continue
            parameters, whole = self._parameters()
            found.append(Challenge(scheme.lower(), parameters))
            if not whole:
                break
        return found

    def _token68(self) -> bool:
        """Read what Negotiate and its like have instead of parameters, ``abc==``; say whether it was there."""
        start = self._at
        self._skip(" \t")
        word = self._word(_TOKEN68)
        self._skip("=")
        self._skip(" \t")
        if word and self._text[self._at : self._at + 1] in ("", ","):
            return True
        self._at = start
        return False

    def _parameters(self) -> tuple[dict[str, str], bool]:
        """Read ``name=value`` pairs up to the next scheme or the end; say whether the grammar held."""
        parameters: dict[str, str] = {}
        while True:
            self._skip(" \t,")
            start = self._at
            name = self._word(_TOKEN)
            self._skip(" \t")
            if not name or not self._take("="):
                self._at = start  # the next scheme, the end, or nonsense
                return parameters, bool(name)
            self._skip(" \t")
            value = self._quoted() if self._take('"') else self._word(_TOKEN)
            if value is None:
                return parameters, False
            parameters.setdefault(name.lower(), value)

    def _skip(self, chars: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in chars:
            self._at += 1

    def _take(self, char: str) -> bool:
        if self._text[self._at : self._at + 1] != char:
            return False
        self._at += 1
        return True

    def _word(self, allowed: frozenset[str]) -> str:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in allowed:
            self._at += 1
        return self._text[start : self._at]

    def _quoted(self) -> str | None:
        """Read to the closing quote, ``None`` if there is none."""
        out: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char == '"':
                return "".join(out)
            if char == "\\" and self._at < len(self._text):
                char = self._text[self._at]
                self._at += 1
            out.append(char)
        return None
