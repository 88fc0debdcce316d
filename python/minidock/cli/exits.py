"""Errors → messages on stderr and exit statuses, in one place.

========  =============================================================================================
status    means
========  =============================================================================================
0         done
1         the command failed, or was called with the wrong number of words
125       a flag is wrong; or, for ``run``, the engine failed before the program ran
126, 127  ``run``: the program cannot be executed, or does not exist
n, 128+n  ``run``: what the program returned, or the signal n that ended it
130       the user pressed ctrl-c
========  =============================================================================================

``run`` names itself before its errors and ends with a hint; other commands print the message alone: as Docker does.
"""

from __future__ import annotations

import sys

from minidock.cli.command import Command, WrongWords
from minidock.errors import InvalidReference, LaunchFailed, MinidockError

FLAG_STATUS = 125
PREFIX = "Error response from daemon: "


class CommandFailed(Exception):
    """A command ends with *status* after it has said *message*, as it is, on stderr (nothing if empty)."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status


class BadRequest(Exception):
    """The command line makes no sense, which was found after the flags were read and before any engine was asked."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def complain(text: str) -> None:
    """Print *text* on stderr; bytes of argv that are no UTF-8 go out as they came in."""
    sys.stderr.flush()
    sys.stderr.buffer.write((text + "\n").encode("utf-8", "surrogateescape"))
    sys.stderr.buffer.flush()


def flag_error(path: str, usage: str, message: object) -> int:
    """Report a flag that cannot be read."""
    usage_line = " ".join(word for word in ("Usage:  minidock", path, usage) if word)
    program = f"minidock {path}".rstrip()
    complain(f"{message}\n\n{usage_line}\n\nRun '{program} --help' for more information")
    return FLAG_STATUS


def wrong_words(path: str, usage: str, error: WrongWords) -> int:
    """Report too few or too many positional words."""
    complain(
        f"minidock: 'minidock {path}' {error}\n\nUsage:  minidock {path} {usage}\n\n"
        f"{error.see} 'minidock {path} --help' for more information"
    )
    return 1


def report(path: str, command: Command, error: BaseException) -> int:
    """Say what went wrong, and return the exit status; unknown errors are raised again."""
    if isinstance(error, CommandFailed):
        if str(error):
            complain(str(error))
        return error.status
    if isinstance(error, BrokenPipeError):
        return 128 + 13  # whoever read our output has left: leave as quietly as SIGPIPE would
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, MinidockError):
        message = error.message if isinstance(error, InvalidReference) else PREFIX + error.message
    elif isinstance(error, (BadRequest, OSError)):
        message = str(error)
    else:
        from minidock.kernel.dry import DryRunEnd

        if not isinstance(error, DryRunEnd):
            raise error
        complain(f"dry run: {error}")  # the steps were printed; that they end here is no failure
        return 0
    hint = getattr(error, "hint", None)
    text = f"{message}\nhint: {hint}" if hint else message
    if command.failure != FLAG_STATUS:
        complain(text)
        return command.failure
    complain(f"minidock: {text}\n\nRun 'minidock {path} --help' for more information")
    return error.exit_code if isinstance(error, LaunchFailed) else FLAG_STATUS
