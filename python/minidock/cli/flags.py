"""Docker's flag grammar, small: flags are data, one function reads an argument vector.

Docker's command line is written with Go's *pflag*; its grammar is what people's fingers know::

    --name=value  --name value      -m 1g  -m1g  -m=1g      -itd  -itp 80:80      --rm  --rm=false      --

A long flag without ``=`` takes the next word, unless its kind implies a value (``--rm`` means ``--rm=true``; so
``--rm false`` is the flag and a positional word). Short flags bundle; the first that needs a value takes the rest of
its word, or the next word. ``--`` ends the flags. Commands that run programs stop at the first positional word, so that
``run image ls -l`` gives ``-l`` to ``ls``; all others take flags anywhere.

A repeated flag adds to a list, or replaces the value, as its kind says. A flag's value goes under the name ``into``, so
that ``--net`` is another spelling of ``--network``.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `import typing`, and even collections.abc, would cost as much as all of this folder
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any


class FlagError(Exception):
    """A flag that is unknown, lacks its value, or has one that cannot be read. The message is pflag's."""


class Kind:
    """A kind of value: its word in help texts, how it is read, and what it is when the flag is not given.

    :param implied: the text that the flag alone, without ``=``, means; ``None``: it needs a value.
    :param repeats: each use adds to a list.
    """

    __slots__ = ("implied", "parse", "repeats", "word", "zero")

    def __init__(
        self,
        word: str,
        parse: Callable[[str], Any],
        zero: Any = None,
        *,
        implied: str | None = None,
        repeats: bool = False,
    ) -> None:
        self.word = word
        self.parse = parse
        self.zero = zero
        self.implied = implied
        self.repeats = repeats


class Flag:
    """One flag of one command.

    :param names: ``name`` or ``s,name`` with a one-letter short form.
    :param text: the help text.
    :param default: what it is when not given, if not the kind's zero; shown in the help.
    :param into: the name that the value goes under, by default the flag's own.
    :param deprecated: what to say when it is used.
    :param short_deprecated: what to say when the short form is used.
    """

    __slots__ = ("default", "deprecated", "hidden", "into", "kind", "name", "short", "short_deprecated", "text")

    def __init__(
        self,
        names: str,
        kind: Kind,
        text: str,
        default: Any = None,
        *,
        into: str | None = None,
        hidden: bool = False,
        deprecated: str | None = None,
        short_deprecated: str | None = None,
    ) -> None:
        self.short, _, self.name = names.rpartition(",")
        self.kind = kind
        self.text = text
        self.default = kind.zero if default is None else default
        self.into = into or self.name
        self.hidden = hidden
        self.deprecated = deprecated
        self.short_deprecated = short_deprecated

    @property
    def spelled(self) -> str:
        """The flag as messages name it: ``-m, --memory``."""
        return f"-{self.short}, --{self.name}" if self.short and not self.short_deprecated else f"--{self.name}"


class Values:
    """What was given: ``values["memory"]`` is the value, :meth:`given` whether the user said it."""

    __slots__ = ("_given", "_values", "notices", "words")

    def __init__(self, flags: Iterable[Flag]) -> None:
        self._values: dict[str, Any] = {}
        for flag in flags:
            self._values.setdefault(flag.into, [] if flag.kind.repeats else flag.default)
        self._given: set[str] = set()
        #: the positional words
        self.words: list[str] = []
        #: what to tell the user on stderr: uses of deprecated flags
        self.notices: list[str] = []

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def given(self, *names: str) -> bool:
        """Whether the user gave any of these flags."""
        return not self._given.isdisjoint(names)

    def set(self, flag: Flag, text: str) -> None:
        """Read *text* as the value of *flag*."""
        try:
            value = flag.kind.parse(text)
        except ValueError as wrong:
            from minidock.cli.values.quoting import quote

            raise FlagError(f"invalid argument {quote(text)} for {quote(flag.spelled)} flag: {wrong}") from None
        if flag.kind.repeats:
            self._values[flag.into].append(value)
        else:
            self._values[flag.into] = value
        self._given.add(flag.into)
        if flag.deprecated:
            self.notices.append(f"Flag --{flag.name} has been deprecated, {flag.deprecated}")


def parse(flags: Sequence[Flag], argv: Sequence[str], *, interspersed: bool = True) -> Values:
    """Read *argv*.

    :param interspersed: flags may follow positional words; otherwise the first positional word ends them.
    :raises FlagError: the argument vector breaks the grammar, or a value cannot be read.
    """
    values = Values(flags)
    long = {flag.name: flag for flag in flags}
    short = {flag.short: flag for flag in flags if flag.short}
    left = list(reversed(argv))
    while left:
        word = left.pop()
        if word == "--":
            break
        if word.startswith("--"):
            _long(word, long, left, values)
        elif len(word) > 1 and word[0] == "-":
            _bundle(word[1:], short, left, values)
        else:
            values.words.append(word)
            if not interspersed:
                break
    values.words += reversed(left)
    return values


def _long(word: str, flags: dict[str, Flag], left: list[str], values: Values) -> None:
    name, equals, text = word[2:].partition("=")
    if not name or name[0] == "-":
        raise FlagError(f"bad flag syntax: {word}")
    flag = flags.get(name)
    if flag is None:
        raise FlagError(f"unknown flag: --{name}")
    if equals:
        values.set(flag, text)
    elif flag.kind.implied is not None:
        values.set(flag, flag.kind.implied)
    elif left:
        values.set(flag, left.pop())
    else:
        raise FlagError(f"flag needs an argument: --{name}")


def _bundle(letters: str, flags: dict[str, Flag], left: list[str], values: Values) -> None:
    while letters:
        letter, rest = letters[0], letters[1:]
        flag = flags.get(letter)
        if flag is None:
            raise FlagError(f"unknown shorthand flag: {_quoted(letter)} in -{letters}")
        if flag.short_deprecated:
            values.notices.append(f"Flag shorthand -{letter} has been deprecated, {flag.short_deprecated}")
        if len(rest) > 1 and rest[0] == "=":
            return values.set(flag, rest[1:])
        if flag.kind.implied is None:
            if not rest and not left:
                raise FlagError(f"flag needs an argument: {_quoted(letter)} in -{letters}")
            return values.set(flag, rest or left.pop())
        values.set(flag, flag.kind.implied)
        letters = rest
    return None


def _quoted(letter: str) -> str:
    from minidock.cli.values.quoting import quote_character

    return quote_character(letter)
