"""The entry of ``minidock``: global flags, the command, its flags, its action, the exit status.

>>> from minidock.cli.main import main
>>> main(["--version"])
minidock version 0.1.0
0
"""

from __future__ import annotations

import os
import sys

from minidock.cli.command import Command, WrongWords
from minidock.cli.exits import CommandFailed, complain, flag_error, report, wrong_words
from minidock.cli.flags import Flag, FlagError, Values, parse
from minidock.cli.kinds import BOOL, HELP, LIST, STRING
from minidock.cli.session import AS_SHELL, STEPS, Session
from minidock.cli.table import ALIASES, GROUPS, TOP, Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_LEVELS = ("debug", "info", "warn", "warning", "error", "fatal")

GLOBAL_FLAGS = (
    Flag("root", STRING, "Folder of the engine's data (default: MINIDOCK_ROOT, or the user's own)"),
    Flag("D,debug", BOOL, "Show a traceback with each error"),
    Flag("l,log-level", STRING, "How much to log: debug, info, warn, error, fatal", "info"),
    Flag("H,host", LIST, "Engine to connect to"),
    Flag("c,context", STRING, "Name of the context whose engine to connect to"),
    Flag("config", STRING, "Folder of Docker's config.json, for registries' credentials"),
    Flag("tls", BOOL, "Use TLS; implied by --tlsverify"),
    Flag("tlscacert", STRING, "Trust only certificates signed by this one"),
    Flag("tlscert", STRING, "Path of the TLS certificate"),
    Flag("tlskey", STRING, "Path of the TLS key"),
    Flag("tlsverify", BOOL, "Use TLS and verify the engine's certificate"),
    Flag("v,version", BOOL, "Print the version and quit"),
    *STEPS,
    AS_SHELL,
    HELP,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files and variables may be any bytes
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        status = _main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes once more when it ends
        return 128 + 13
    return status


def _main(argv: Sequence[str]) -> int:
    try:
        settings = parse(GLOBAL_FLAGS, argv, interspersed=False)
    except FlagError as wrong:
        return flag_error("", "[OPTIONS] COMMAND [ARG...]", wrong)
    for notice in settings.notices:
        complain(notice)
    if settings["version"]:
        from minidock import __version__

        print(f"minidock version {__version__}")
        return 0
    if not settings.words or settings["help"]:
        return show_help(settings.words)
    if settings["log-level"].lower() not in _LEVELS:
        complain(f"Unable to parse logging level: {settings['log-level']}")
        return 1
    return _dispatch(settings, settings.words)


def _dispatch(settings: Values, words: Sequence[str]) -> int:
    if settings["config"]:
        os.environ["DOCKER_CONFIG"] = settings["config"]
    name, rest = words[0], words[1:]
    if name == "help":
        return show_help(rest)
    if name in TOP:
        return _call(settings, name, TOP[name], rest)
    if name not in GROUPS:
        complain(f"minidock: unknown command: minidock {name}\n\nRun 'minidock --help' for more information")
        return 1
    try:
        group = parse((HELP,), rest, interspersed=False)
    except FlagError as wrong:
        return flag_error(name, "", wrong)
    if group["help"] or not group.words:
        return show_help([name])
    command, entry = find_in_group(name, group.words[0])
    if entry is None:
        complain(
            f"minidock: unknown command: minidock {name} {command}\n\nUsage:  minidock {name}\n\n"
            f"Run 'minidock {name} --help' for more information"
        )
        return 1
    return _call(settings, f"{name} {command}", entry, group.words[1:])


def find_in_group(group: str, name: str) -> tuple[str, Entry | None]:
    """Return a command of a group by any of its names, with its first name."""
    first = ALIASES.get(group, {}).get(name, name)
    return first, GROUPS[group][1].get(first)


def _call(settings: Values, path: str, entry: Entry, argv: Sequence[str]) -> int:
    command = entry.load()
    try:
        values = command.read(argv)
        for notice in values.notices:
            complain(notice)
        if values["help"]:
            return _show_command(path, entry, command)
        command.check_words(len(values.words))
    except FlagError as wrong:
        return flag_error(path, command.usage, wrong)
    except WrongWords as wrong:
        return wrong_words(path, command.usage, wrong)
    if settings.given("log-level"):
        import logging

        logging.basicConfig(level=settings["log-level"].upper().replace("FATAL", "CRITICAL"))
    try:
        return command.action(Session(path, settings), values)
    except (Exception, KeyboardInterrupt) as error:
        if settings["debug"] and not isinstance(error, CommandFailed):
            import traceback

            traceback.print_exc()
        return report(path, command, error)


def show_help(words: Sequence[str]) -> int:
    """Print the help of all, of a group, or of a command."""
    from minidock.cli import help as texts

    if not words:
        print(texts.top_help(GLOBAL_FLAGS), end="")
        return 0
    name = words[0]
    if name in TOP:
        return _show_command(name, TOP[name], TOP[name].load())
    if name in GROUPS:
        if len(words) == 1:
            print(texts.group_help(name), end="")
            return 0
        name, entry = find_in_group(name, words[1])
        if entry is not None:
            return _show_command(f"{words[0]} {name}", entry, entry.load())
    complain(f"unknown help topic: {name}")
    return 1


def _show_command(path: str, entry: Entry, command: Command) -> int:
    from minidock.cli.help import command_help

    print(command_help(path, entry, command), end="")
    return 0
