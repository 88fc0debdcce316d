"""Files of variables and labels: ``--env-file``, ``--label-file``, and ``NAME`` without a value.

::

    # a comment
    NAME=value          the value is everything after the first "=", spaces and quotes included
    NAME                the value of the caller's own environment; left out if there is none (env files only)
"""

from __future__ import annotations

import os

from minidock.cli.exits import BadRequest

#: An env file is a few kilobytes; this bounds what a wrong path (a device, a disk image) can do.
LONGEST = 16 << 20


def parse_env(text: str) -> str:
    """Read one ``--env``: ``NAME=value``, or ``NAME`` for the caller's own value."""
    name, equals, _ = text.partition("=")
    if not name:
        raise ValueError(f"invalid environment variable: {text}")
    return text if equals or name not in os.environ else f"{name}={os.environ[name]}"


def parse_label(text: str) -> str:
    """Read one ``--label``: ``name=value`` or ``name``."""
    name = text.partition("=")[0]
    if not name:
        raise ValueError(f"invalid label '{text}': empty name")
    if any(character.isspace() for character in name):
        raise ValueError(f"label '{name}' contains whitespaces")
    return text


def read_pairs(path: str, *, from_environment: bool) -> list[str]:
    """Return the ``NAME=value`` lines of a file.

    :param from_environment: a name without a value takes the caller's, or is left out; otherwise it stays as it is.
    :raises BadRequest: it cannot be read, or a line makes no sense.
    """
    pairs = []
    for number, raw in enumerate(_lines(path), 1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise BadRequest(f"invalid env file ({path}): invalid utf8 bytes at line {number}") from None
        line = line.lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, _ = line.partition("=")
        if not name:
            raise BadRequest(f"invalid env file ({path}): no variable name on line '{line}'")
        if any(character.isspace() for character in name):
            raise BadRequest(f"invalid env file ({path}): variable '{name}' contains whitespaces")
        if equals or not from_environment:
            pairs.append(line)
        elif name in os.environ:
            pairs.append(f"{name}={os.environ[name]}")
    return pairs


def _lines(path: str) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise BadRequest(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    if len(data) > LONGEST:
        raise BadRequest(f"invalid env file ({path}): more than {LONGEST} bytes", "give a smaller file")
    return [line.removesuffix(b"\r") for line in data.split(b"\n")]


def as_map(pairs: list[str]) -> dict[str, str]:
    """Return ``name=value`` pairs as a map; the last one wins, a name alone has an empty value."""
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
