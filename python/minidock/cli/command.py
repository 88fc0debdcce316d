"""A command as data: its names, flags and positional words, and the function that carries it out."""

from __future__ import annotations

from minidock.cli.flags import Flag, Values, parse
from minidock.cli.kinds import HELP, HELP_LONG_ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from minidock.cli.session import Session


class WrongWords(Exception):
    """Too few or too many positional words. ``see`` is how Docker begins the hint: ``See`` or ``Run``."""

    def __init__(self, message: str, see: str = "Run") -> None:
        super().__init__(message)
        self.see = see


class Command:
    """One command.

    :param usage: what follows the name: ``[OPTIONS] IMAGE [COMMAND] [ARG...]``.
    :param summary: one line.
    :param action: carries it out with the session and what was given; returns the exit status.
    :param least: the smallest number of positional words; *most* the largest, ``None`` for any.
    :param interspersed: flags may follow positional words.
    :param failure: the exit status of an error of the engine.
    """

    __slots__ = ("action", "failure", "flags", "interspersed", "least", "most", "summary", "usage")

    def __init__(
        self,
        usage: str,
        summary: str,
        action: Callable[[Session, Values], int],
        flags: Sequence[Flag] = (),
        *,
        least: int = 0,
        most: int | None = 0,
        interspersed: bool = True,
        failure: int = 1,
    ) -> None:
        self.usage = usage
        self.summary = summary
        self.action = action
        taken = any(flag.short == "h" for flag in flags)
        self.flags = (*flags, HELP_LONG_ONLY if taken else HELP)
        self.least = least
        self.most = most
        self.interspersed = interspersed
        self.failure = failure

    def read(self, argv: Sequence[str]) -> Values:
        """Parse the words after the command's name.

        :raises FlagError: a flag cannot be read.
        """
        return parse(self.flags, argv, interspersed=self.interspersed)

    def check_words(self, count: int) -> None:
        """Check the number of positional words, with Docker's messages.

        :raises WrongWords: too few or too many.
        """
        least, most = self.least, self.most
        if least == most and count != least:
            raise WrongWords("accepts no arguments" if not least else f"requires {_arguments(least)}")
        if count < least:
            raise WrongWords(f"requires at least {_arguments(least)}", "See")
        if most is not None and count > most:
            raise WrongWords(f"requires at most {_arguments(most)}")


def _arguments(number: int) -> str:
    return f"{number} argument" + ("s" if number != 1 else "")
