"""The v2 device filter: its program is run here as the kernel would run it."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from minidock._pure.devicefilter import decide, line, program

READ, WRITE, MKNOD = 2, 4, 1
BLOCK, CHARACTER = 1, 2


def rule(allow: bool, type: str, major: int | None, minor: int | None, access: str) -> dict[str, Any]:
    return {"allow": allow, "type": type, "major": major, "minor": minor, "access": access}


def execute(code: bytes, kind: int, access: int, major: int, minor: int) -> bool:
    context = (kind | access << 16, major, minor)
    registers = [0] * 10
    instructions = list(struct.iter_unpack("BBhI", code))
    at = 0
    while True:
        op, both, jump, k = instructions[at]
        to, source = both & 15, both >> 4
        at += 1
        if op == 0x95:
            return registers[0] == 1
        if op == 0x61:
            registers[to] = context[jump // 4]
        elif op == 0xBC:
            registers[to] = registers[source]
        elif op == 0xB4:
            registers[to] = k
        elif op == 0x54:
            registers[to] &= k
        elif op == 0x74:
            registers[to] >>= k
        elif {0x16: registers[to] == k, 0x56: registers[to] != k}[op]:
            at += jump


def test_what_is_not_named_is_refused() -> None:
    code = program(
        [rule(False, "a", None, None, "rwm"), rule(True, "c", 1, 3, "rw"), rule(True, "c", 136, None, "rwm")]
    )
    assert execute(code, CHARACTER, READ | WRITE, 1, 3)
    assert not execute(code, CHARACTER, READ | MKNOD, 1, 3)
    assert not execute(code, BLOCK, READ, 1, 3)
    assert not execute(code, CHARACTER, READ, 1, 4)
    assert execute(code, CHARACTER, MKNOD, 136, 77)


def test_what_is_named_is_refused_where_all_is_allowed() -> None:
    code = program(
        [rule(True, "a", None, None, "rwm"), rule(False, "c", 10, 229, "rwm"), rule(False, "b", None, None, "w")]
    )
    assert not execute(code, CHARACTER, READ, 10, 229)
    assert execute(code, CHARACTER, READ, 10, 228)
    assert execute(code, BLOCK, READ, 8, 0)
    assert not execute(code, BLOCK, READ | WRITE, 8, 0)


def test_a_later_rule_takes_back_an_earlier_one() -> None:
    rules = [rule(False, "a", None, None, "rwm"), rule(True, "c", 1, 5, "rwm"), rule(False, "c", 1, 5, "w")]
    code = program(rules)
    assert execute(code, CHARACTER, READ, 1, 5)
    assert not execute(code, CHARACTER, WRITE, 1, 5)
    assert decide([*rules, rule(False, "a", None, None, "rwm")]) == (False, {})


@pytest.mark.parametrize(
    ("found", "expected"),
    [(rule(True, "c", 1, None, "rw"), "c 1:* rw"), (rule(False, "a", None, None, "rwm"), "a *:* rwm")],
)
def test_lines_for_v1(found: dict[str, Any], expected: str) -> None:
    assert line(found) == expected
