"""Help texts in Docker's form, from the table of commands and the flags' own data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from minidock.cli.command import Command
from minidock.cli.flags import Flag
from minidock.cli.table import COMMANDS, COMMON, GROUPS, MANAGEMENT, TOP, Entry

_NARROWEST = 24


def top_help(global_flags: Sequence[Flag]) -> str:
    """All commands by group, and the global flags."""
    width = max(len(name) for name in (*TOP, *GROUPS)) + 2
    parts = ["Usage:  minidock [OPTIONS] COMMAND\n\nA small, real container engine that explains every step it takes"]
    for title in (COMMON, MANAGEMENT, COMMANDS):
        rows = (
            [(name, summary) for name, (summary, _) in GROUPS.items()]
            if title == MANAGEMENT
            else [(name, entry.summary) for name, entry in TOP.items() if entry.group == title]
        )
        parts.append(f"{title}:\n" + _rows(rows, width))
    parts.append("Global Options:\n" + flag_lines(global_flags))
    parts.append("Run 'minidock COMMAND --help' for more information on a command.")
    return "\n\n".join(parts) + "\n"


def group_help(name: str) -> str:
    """The commands of one group."""
    summary, commands = GROUPS[name]
    width = max(len(command) for command in commands) + 2
    rows = _rows([(command, entry.summary) for command, entry in commands.items()], width)
    return (
        f"Usage:  minidock {name} COMMAND\n\n{summary}\n\nCommands:\n{rows}\n\n"
        f"Run 'minidock {name} COMMAND --help' for more information on a command.\n"
    )


def command_help(path: str, entry: Entry, command: Command) -> str:
    """Usage, aliases and flags of one command."""
    parts = [f"Usage:  minidock {path} {command.usage}", command.summary]
    if entry.also:
        parts.append("Aliases:\n  " + ", ".join(f"minidock {name}" for name in entry.also))
    if any(not flag.hidden for flag in command.flags):
        parts.append("Options:\n" + flag_lines(command.flags))
    return "\n\n".join(parts) + "\n"


def _rows(rows: Iterable[tuple[str, str]], width: int) -> str:
    return "\n".join(f"  {name:<{width}}{summary}" for name, summary in rows)


def flag_lines(flags: Iterable[Flag]) -> str:
    """One paragraph per visible flag, sorted by name, the texts in one column."""
    shown = sorted((flag for flag in flags if not flag.hidden and not flag.deprecated), key=lambda flag: flag.name)
    heads = [_head(flag) for flag in shown]
    column = max(len(head) for head in heads) + 3
    room = max(_columns() - column, _NARROWEST)
    lines: list[str] = []
    for head, flag in zip(heads, shown, strict=True):
        first, *others = _wrap(_text(flag), room)
        lines.append(f"{head:<{column}}{first}")
        lines += [" " * column + other for other in others]
    return "\n".join(lines)


def _head(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else "    "
    return f"  {short}--{flag.name}" + (f" {flag.kind.word}" if flag.kind.word else "")


def _text(flag: Flag) -> str:
    default = flag.default
    if default in (None, 0, "", False) or flag.kind.repeats:
        return flag.text
    shown = "true" if default is True else f'"{default}"' if isinstance(default, str) else str(default)
    return f"{flag.text} (default {shown})"


def _wrap(text: str, room: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _columns() -> int:
    try:
        return max(os.get_terminal_size(1).columns, 40)
    except OSError:
        return 80
