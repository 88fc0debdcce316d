"""Ids and made-up names."""

from __future__ import annotations

import os
import re

from minidock.errors import InvalidArgument

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")

# How a container can feel, and people who built what containers stand on.
_MOOD_WORDS = """
amber brave bright calm clever cosy curious eager fair fearless gentle glad golden happy honest hopeful jolly keen
kind lively lucid merry mild neat nimble patient plucky proud quick quiet ready serene sharp silent sleek smart
steady sunny swift tidy tranquil trusty upbeat vivid warm wise witty zesty
"""
_PEOPLE_WORDS = """
allen bartik borg brooks cerf clarke conway corbato dijkstra engelbart feinler floyd hamilton holberton hoare
hopper jennings joy karn kay kernighan knuth lamport liskov lovelace mcilroy mckusick moore nygaard ossanna
perlman pike postel ritchie roberts shannon spence stallman stonebraker tanenbaum thompson torvalds turing
wilkes wirth zuse
"""
_MOODS = _MOOD_WORDS.split()
_PEOPLE = _PEOPLE_WORDS.split()


def new_id() -> str:
    """Return a new random id, 64 hexadecimal digits; never all digits in front, which would read as a number."""
    while True:
        name = os.urandom(32).hex()
        if not name[:12].isdigit():
            return name


def made_up_name(attempt: int = 0) -> str:
    """Return a name such as ``brave_hopper``; later attempts get a digit behind."""
    pick = int.from_bytes(os.urandom(4), "big")
    name = f"{_MOODS[pick % len(_MOODS)]}_{_PEOPLE[(pick >> 16) % len(_PEOPLE)]}"
    return name if attempt == 0 else f"{name}{pick % 10}"


def check_name(name: str) -> None:
    """Refuse a container name that Docker refuses.

    :raises InvalidArgument: with Docker's words.
    """
    if not _NAME.fullmatch(name.removeprefix("/")):
        raise InvalidArgument(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
