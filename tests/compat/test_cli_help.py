"""Every flag that Docker's commands list, minidock's commands know, with the same short form and kind of value."""

from __future__ import annotations

import re

import pytest
from tests.support.docker_cli import Docker

from minidock.cli.flags import Flag
from minidock.cli.main import find_in_group
from minidock.cli.table import TOP

LINE = re.compile(r"^ {2}(?:-(?P<short>\w), | {4})--(?P<name>[\w-]+)(?: (?P<word>\S+))?(?: {3,}|$)")

#: With an engine behind it the CLI hides the flags that this engine does not support (those of Windows).
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/engine.sock"}
COMMANDS = (
    *("run", "ps", "images", "pull", "rm", "rmi", "inspect"),
    *("history", "load", "import", "tag", "info", "version"),
)
GROUPED: tuple[str, ...] = (
    "container run",
    "container ls",
    "container rm",
    "container inspect",
    "image ls",
    "image rm",
    "image pull",
)
GROUPED += ("image inspect", "image tag", "image history", "image load", "image import", "system info")


def listed(help_text: str) -> dict[str, tuple[str, str]]:
    """Return name → (short form, word of the kind) of each flag in a help text."""
    found = {}
    for line in help_text.splitlines():
        if match := LINE.match(line):
            found[match["name"]] = (match["short"] or "", match["word"] or "")
    return found


def known(flags: tuple[Flag, ...]) -> dict[str, tuple[str, str]]:
    return {flag.name: (flag.short, flag.kind.word) for flag in flags if not flag.hidden}


@pytest.mark.parametrize("path", [*COMMANDS, *GROUPED])
def test_flags(docker: Docker, path: str) -> None:
    theirs = listed(docker([*path.split(), "--help"], variables=NO_ENGINE).stdout)
    words = path.split()
    entry = TOP[path] if len(words) == 1 else find_in_group(*words)[1]
    assert entry is not None
    command = entry.load()
    ours = known(command.flags)
    if path.endswith("run"):
        assert len(theirs) == 104
    assert {name: ours.get(name) for name in theirs} == theirs


@pytest.mark.parametrize("path", [*COMMANDS, *GROUPED])
def test_usage_line_and_aliases(docker: Docker, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    from minidock.cli.main import main

    assert main([*path.split(), "--help"]) == 0
    ours = capfd.readouterr().out.splitlines()
    theirs = docker([*path.split(), "--help"], variables=NO_ENGINE).stdout.replace("docker", "minidock").splitlines()
    assert ours[0] == theirs[0]
    assert aliases(ours) == aliases(theirs)


def aliases(lines: list[str]) -> str:
    return lines[lines.index("Aliases:") + 1] if "Aliases:" in lines else ""
