"""From a specification's ``linux.seccomp`` to a program for the kernel: classic BPF (seccomp(2)).

For each system call the kernel runs the program over ``struct seccomp_data``: number, architecture, address, six
arguments of 64 bits. The program loads 32 bits at a time into its one register, compares, jumps forward, and returns an
action. Ours is laid out so that a call needs few steps::

    architecture? ── not ours ──▶ kill
      └─ number ── binary search over ranges of numbers with the same answer ──▶ answer
                                    └─ a call with conditions: test one rule after the other

The rules mean what they mean to libseccomp, for which profiles are written: a name that an architecture does not have
is skipped; several rules for one call are alternatives, those with conditions first; conditions of one rule must all
hold, but two on the same argument are alternatives. Where the default is an error, numbers above all that the profile
knows get ENOSYS: programs then fall back to an older call, as on an older kernel.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import Any

from minidock.errors import InvalidArgument

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant
Answer = tuple[tuple[tuple[tuple[dict[str, Any], ...], int], ...], int]  # ((conditions, action), …), otherwise

LOAD, AND, RETURN, JUMP = 0x20, 0x54, 0x06, 0x05
EQUAL, GREATER, AT_LEAST = 0x15, 0x25, 0x35
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
ACTIONS = {"KILL": 0, "KILL_THREAD": 0, "KILL_PROCESS": KILL_PROCESS, "TRAP": 0x00030000, "ERRNO": ERRNO,
           "TRACE": 0x7FF00000, "LOG": 0x7FFC0000, "ALLOW": ALLOW}  # fmt: skip
FLAGS = {"TSYNC": 1, "LOG": 2, "SPEC_ALLOW": 4}
ENOSYS = 38
X32_BIT = 0x40000000

#: The kernel's ``AUDIT_ARCH_``… value, and the columns of the table of numbers that belong to it.
AUDIT = {"X86_64": 0xC000003E, "X86": 0x40000003, "AARCH64": 0xC00000B7, "ARM": 0x40000028}
FAMILIES = {"x86_64": ("X86_64", "X86"), "aarch64": ("AARCH64", "ARM")}
COLUMNS = ("X86_64", "X32", "X86", "AARCH64", "ARM")
LONGEST = 4096  # BPF_MAXINSNS


def compile_profile(profile: dict[str, Any], machine: str | None = None) -> tuple[bytes, int]:
    """Return the program as an array of ``struct sock_filter``, and the flags for seccomp(2).

    :raises InvalidArgument: the machine has no table of numbers, or the program would be too long.
    """
    machine = machine or os.uname().machine
    if machine not in FAMILIES:
        raise InvalidArgument(f"seccomp: no table of system calls for {machine}")
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    listed = [name.removeprefix("SCMP_ARCH_") for name in profile.get("architectures") or ()]
    native, *others = FAMILIES[machine]
    tables = numbers()
    program: list[Instruction] = [(LOAD, 0, 0, ARCHITECTURE)]
    for name in (native, *(other for other in others if other in listed)):
        found = _answers(profile, tables[name], default)
        if name == "X86_64" and "X32" in listed:
            for number, answer in _answers(profile, tables["X32"], default).items():
                found[number | X32_BIT] = answer
        block = [(LOAD, 0, 0, NUMBER), *_search(_ranges(found, default, name, "X32" in listed))]
        program += [*_jump(EQUAL, AUDIT[name], 0, len(block)), *block]
    program.append((RETURN, 0, 0, KILL_PROCESS))
    if len(program) > LONGEST:
        raise InvalidArgument(f"seccomp: the filter has {len(program)} instructions, more than the kernel takes")
    flags = sum(FLAGS[flag.removeprefix("SECCOMP_FILTER_FLAG_")] for flag in set(profile.get("flags") or ()))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program), flags


def numbers() -> dict[str, dict[str, int]]:
    """Return the number of each system call by architecture and name, from the table beside this file."""
    tables: dict[str, dict[str, int]] = {column: {} for column in COLUMNS}
    with open(os.path.join(os.path.dirname(__file__), "seccomp_numbers.txt")) as file:
        for line in file:
            if not line.startswith("#"):
                name, *row = line.split()
                for column, number in zip(COLUMNS, row, strict=True):
                    if number != "-":
                        tables[column][name] = int(number)
    return tables


def _action(name: str, errno: int | None) -> int:
    action = ACTIONS[name.removeprefix("SCMP_ACT_")]
    data = 1 if errno is None else errno  # EPERM, runtime-spec config-linux.md
    return action | data if name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE") else action


def _answers(profile: dict[str, Any], table: dict[str, int], default: int) -> dict[int, Answer]:
    """Collect the rules by number. Of several rules without conditions for one call, the first counts."""
    conditional: dict[int, list[tuple[tuple[dict[str, Any], ...], int]]] = {}
    plain: dict[int, int] = {}
    for rule in profile.get("syscalls") or ():
        action = _action(rule["action"], rule.get("errnoRet"))
        conditions = tuple(rule.get("args") or ())
        same_argument = len({condition["index"] for condition in conditions}) < len(conditions)
        for number in (table[name] for name in rule["names"] if name in table):
            if not conditions:
                plain.setdefault(number, action)
            else:
                alternatives = [(c,) for c in conditions] if same_argument else [conditions]
                conditional.setdefault(number, []).extend((alternative, action) for alternative in alternatives)
    return {
        number: (tuple(conditional.get(number, ())), plain.get(number, default)) for number in {*conditional, *plain}
    }


def _ranges(found: dict[int, Answer], default: int, arch: str, x32: bool) -> list[tuple[int, Answer]]:
    """Cut all numbers into ranges with the same answer: the first number of each, ascending from 0."""
    otherwise: Answer = ((), default)
    unknown: Answer = ((), ERRNO | ENOSYS) if default & ~0xFFFF == ERRNO else otherwise
    edges = {0: otherwise}
    parts = [(0, X32_BIT - 1), (X32_BIT, 0xFFFFFFFF)] if arch == "X86_64" else [(0, 0xEFFFF), (0xF0000, 0xFFFFFFFF)]
    for first, last in parts:  # above: x32, or the private calls of Arm
        edges[first] = otherwise
        inside = sorted(number for number in found if first <= number <= last)
        for number in inside:
            edges[number] = found[number]
            edges.setdefault(number + 1, otherwise if number != inside[-1] else unknown)
    if arch == "X86_64" and not x32:
        edges[X32_BIT] = ((), KILL_PROCESS)
    ranges: list[tuple[int, Answer]] = []
    for number, answer in sorted(edges.items()):
        if not ranges or ranges[-1][1] != answer:
            ranges.append((number, answer))
    return ranges


def _search(ranges: list[tuple[int, Answer]]) -> list[Instruction]:
    """Binary search: the call's number is in the register."""
    if len(ranges) == 1:
        return _reply(ranges[0][1])
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    return [*_jump(AT_LEAST, ranges[middle][0], len(below), 0), *below, *above]


def _reply(answer: Answer) -> list[Instruction]:
    rules, otherwise = answer
    program: list[Instruction] = []
    for conditions, action in rules:
        tail: list[Instruction] = [(RETURN, 0, 0, action)]
        for condition in reversed(conditions):
            tail = [*_condition(condition, len(tail)), *tail]
        program += tail
    return [*program, (RETURN, 0, 0, otherwise)]


def _condition(condition: dict[str, Any], rest: int) -> list[Instruction]:
    """Test one 64-bit argument in two halves; if it does not hold, skip *rest* more instructions behind the test.

    In the tables below a jump says where it leads: ``+`` the condition holds, ``-`` it fails, a space: go on.
    """
    low = ARGUMENTS + 8 * condition["index"]
    value, second = condition["value"], condition.get("valueTwo", 0)
    op = condition["op"].removeprefix("SCMP_CMP_")
    load_high, load_low = (LOAD, "  ", low + 4), (LOAD, "  ", low)
    high, rest_of = value >> 32, value & 0xFFFFFFFF
    test: list[tuple[int, str, int]]
    if op == "MASKED_EQ":
        test = [load_high, (AND, "  ", high), (EQUAL, " -", second >> 32),
                load_low, (AND, "  ", rest_of), (EQUAL, " -", second & 0xFFFFFFFF)]  # fmt: skip
    elif op == "EQ":
        test = [load_high, (EQUAL, " -", high), load_low, (EQUAL, " -", rest_of)]
    elif op == "NE":
        test = [load_high, (EQUAL, " +", high), load_low, (EQUAL, "- ", rest_of)]
    elif op in ("GT", "GE"):
        test = [load_high, (GREATER, "+ ", high), (EQUAL, " -", high),
                load_low, (GREATER if op == "GT" else AT_LEAST, " -", rest_of)]  # fmt: skip
    else:
        test = [load_high, (GREATER, "- ", high), (EQUAL, " +", high),
                load_low, (AT_LEAST if op == "LT" else GREATER, "- ", rest_of)]  # fmt: skip
    program: list[Instruction] = []
    for position, (code, jumps, constant) in enumerate(test):
        ahead = len(test) - position - 1
        true, false = ({"+": ahead, "-": ahead + rest, " ": 0}[way] for way in jumps)
        program.append((code, true, false, constant))
    return program


def _jump(code: int, constant: int, true: int, false: int) -> Iterable[Instruction]:
    """A conditional jump; its distances have 8 bits, so a far one goes by an unconditional jump of 32."""
    if max(true, false) < 256:
        return [(code, true, false, constant)]
    return [(code, *((0, 1) if true else (1, 0)), constant), (JUMP, 0, 0, max(true, false))]
