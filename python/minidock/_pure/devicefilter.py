"""Which devices a container may use: on v1 lines of two files, on v2 a program for the kernel (bpf(2)).

Rules are read in order, as v1's kernel reads them: there is a default for all devices, and a list of exceptions. A rule
for all devices sets the default and forgets the exceptions; any other rule adds to them or takes from them. On v2 the
same reading is done here. The program sees ``struct bpf_cgroup_dev_ctx``::

    w2 = type, w3 = access, w4 = major, w5 = minor
    for each exception: if it fits, return the opposite of the default
    return the default
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

#: ``allow``, ``type`` (a, b, c), ``major`` and ``minor`` (``None``: any), ``access`` (of r, w, m).
Rule = dict[str, Any]
Key = tuple[str, int | None, int | None]
Instruction = tuple[int, int, int, int, int]  # code, to, from, jump, constant

ACCESS = {"m": 1, "r": 2, "w": 4}
TYPE = {"b": 1, "c": 2}
LOAD_WORD, MOVE, SET, AND, SHIFT_RIGHT, EXIT = 0x61, 0xBC, 0xB4, 0x54, 0x74, 0x95
IF_EQUAL, IF_NOT_EQUAL = 0x16, 0x56  # on the lower 32 bits


def line(rule: Rule) -> str:
    """Return the rule in the kernel's own words, such as ``c 1:* rw`` (cgroup-v1/devices)."""
    numbers = ":".join("*" if rule[name] is None else str(rule[name]) for name in ("major", "minor"))
    return f"{rule['type']} {numbers} {rule['access']}"


def decide(rules: Sequence[Rule]) -> tuple[bool, dict[Key, int]]:
    """Return the default and the exceptions, each with its access bits. A group begins with all allowed."""
    allow = True
    exceptions: dict[Key, int] = {}
    for rule in rules:
        if rule["type"] == "a":
            allow, exceptions = rule["allow"], {}
            continue
        key = (rule["type"], rule["major"], rule["minor"])
        bits = sum(ACCESS[letter] for letter in set(rule["access"]))
        known = exceptions.get(key, 0)
        exceptions[key] = known & ~bits if rule["allow"] == allow else known | bits
    return allow, {key: bits for key, bits in exceptions.items() if bits}


def program(rules: Sequence[Rule]) -> bytes:
    """Return the rules as an array of ``struct bpf_insn``."""
    allow, exceptions = decide(rules)
    code: list[Instruction] = [
        (LOAD_WORD, 2, 1, 0, 0),  # access in the upper half, type in the lower
        (MOVE, 3, 2, 0, 0),
        (SHIFT_RIGHT, 3, 0, 0, 16),
        (AND, 2, 0, 0, 0xFFFF),
        (LOAD_WORD, 4, 1, 4, 0),
        (LOAD_WORD, 5, 1, 8, 0),
    ]
    for (kind, major, minor), bits in exceptions.items():
        tests: list[Instruction] = [(IF_NOT_EQUAL, 2, 0, 0, TYPE[kind])]
        tests += [(IF_NOT_EQUAL, 4, 0, 0, major)] if major is not None else []
        tests += [(IF_NOT_EQUAL, 5, 0, 0, minor)] if minor is not None else []
        tests.append((MOVE, 6, 3, 0, 0))
        # allowed by default: any of the refused ways; refused by default: nothing beyond the allowed ways
        tests += (
            [(AND, 6, 0, 0, bits), (IF_EQUAL, 6, 0, 0, 0)]
            if allow
            else [(AND, 6, 0, 0, ~bits), (IF_NOT_EQUAL, 6, 0, 0, 0)]
        )
        tests += [(SET, 0, 0, 0, int(not allow)), (EXIT, 0, 0, 0, 0)]
        for position, (op, to, source, _, constant) in enumerate(tests):
            jump = len(tests) - position - 1 if op in (IF_EQUAL, IF_NOT_EQUAL) else 0  # over the rest of the exception
            code.append((op, to, source, jump, constant))
    code += [(SET, 0, 0, 0, int(allow)), (EXIT, 0, 0, 0, 0)]
    return b"".join(struct.pack("BBhI", op, to | source << 4, jump, k & 0xFFFFFFFF) for op, to, source, jump, k in code)
