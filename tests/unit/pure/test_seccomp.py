"""The compiler of filters: its programs are run here as the kernel would run them, and compared with the rules."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidock._pure.seccomp import ALLOW, ERRNO, KILL_PROCESS, X32_BIT, compile_profile, numbers
from minidock.errors import InvalidArgument
from minidock.runtime.capabilities import ALL_CAPABILITIES, DEFAULT_CAPABILITIES
from minidock.runtime.seccomp import default_profile

TABLES = numbers()
X86_64, X86, ARM64 = 0xC000003E, 0x40000003, 0xC00000B7


def execute(program: bytes, number: int, arch: int = X86_64, args: tuple[int, ...] = ()) -> int:
    """Run a classic BPF program over ``struct seccomp_data``; return the action."""
    data = struct.pack("IIQ6Q", number, arch, 0, *(*args, 0, 0, 0, 0, 0, 0)[:6])
    code = list(struct.iter_unpack("HBBI", program))
    register = at = 0
    while True:
        op, true, false, k = code[at]
        at += 1
        if op == 0x20:
            register = struct.unpack_from("I", data, k)[0]
        elif op == 0x54:
            register &= k
        elif op == 0x05:
            at += k
        elif op == 0x06:
            return int(k)
        else:
            holds = {0x15: register == k, 0x25: register > k, 0x35: register >= k}[op]
            at += true if holds else false


def profile_of(**fields: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64"], **fields}


def default(capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES, machine: str = "x86_64") -> bytes:
    profile: dict[str, Any] = json.loads(msgspec.json.encode(default_profile(capabilities, machine, (6, 1))))
    return compile_profile(profile, machine)[0]


def test_the_default_profile_refuses_what_docker_refuses() -> None:
    program = default()
    table = TABLES["X86_64"]
    refused = {name for name, number in table.items() if number <= 450 and execute(program, number) != ALLOW}
    by_argument = {name for name in refused if name in ("socket", "personality", "clone")}
    assert by_argument == set()  # they pass with arguments of 0
    assert execute(program, table["clone3"]) == ERRNO | 38
    assert len(refused) == 67  # 68 with chroot, which the default CAP_SYS_CHROOT brings back
    assert {"mount", "keyctl", "io_uring_setup", "userfaultfd", "bpf", "unshare", "open_by_handle_at"} <= refused
    assert execute(default(()), table["chroot"]) == ERRNO | 1


def test_arguments_of_the_default_profile() -> None:
    program, table = default(), TABLES["X86_64"]
    results = {family: execute(program, table["socket"], args=(family,)) == ALLOW for family in range(46)}
    assert [family for family, allowed in results.items() if not allowed] == [38, 40]
    assert execute(program, table["clone"], args=(0x10000000,)) == ERRNO | 1
    assert execute(program, table["personality"], args=(0xFFFFFFFF,)) == ALLOW
    assert execute(program, table["personality"], args=(0x40000,)) == ERRNO | 1


def test_other_architectures_have_their_own_numbers() -> None:
    program, tables = default(), TABLES
    assert execute(program, tables["X86"]["socketcall"], X86) == ALLOW
    assert execute(program, tables["X86"]["mount"], X86) == ERRNO | 1
    assert execute(program, tables["X32"]["getpid"] | X32_BIT) == ALLOW
    assert execute(program, tables["X32"]["execve"] | X32_BIT) == ALLOW
    assert execute(program, tables["X32"]["mount"] | X32_BIT) == ERRNO | 1
    assert execute(program, 0, ARM64) == KILL_PROCESS
    only_64 = compile_profile(profile_of(syscalls=[{"names": ["getpid"], "action": "SCMP_ACT_ALLOW"}]), "x86_64")[0]
    assert execute(only_64, 39) == ALLOW
    assert execute(only_64, 39 | X32_BIT) == KILL_PROCESS
    assert execute(only_64, 20, X86) == KILL_PROCESS
    arm = default(machine="aarch64")
    assert execute(arm, tables["AARCH64"]["read"], ARM64) == ALLOW
    assert execute(arm, tables["ARM"]["set_tls"], 0x40000028) == ALLOW


def test_a_call_of_the_future_is_as_if_it_did_not_exist() -> None:
    assert execute(default(), 999) == ERRNO | 38
    assert execute(default(ALL_CAPABILITIES), 999) == ERRNO | 38


def test_two_conditions_on_one_argument_are_alternatives() -> None:
    rule = {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
        {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]}  # fmt: skip
    program, _ = compile_profile(profile_of(syscalls=[rule]), "x86_64")
    assert [execute(program, 41, args=(family,)) == ALLOW for family in (0, 1, 2, 3)] == [False, True, True, False]


def test_flags_and_unknown_machines() -> None:
    flags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    assert compile_profile(profile_of(flags=flags), "x86_64")[1] == 6
    with pytest.raises(InvalidArgument, match="sparc"):
        compile_profile(profile_of(), "sparc")


words = st.one_of(st.integers(0, 3), st.sampled_from([2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1]))
comparisons: dict[str, Callable[[int, int, int], bool]] = {
    "SCMP_CMP_EQ": lambda a, v, _: a == v,
    "SCMP_CMP_NE": lambda a, v, _: a != v,
    "SCMP_CMP_LT": lambda a, v, _: a < v,
    "SCMP_CMP_LE": lambda a, v, _: a <= v,
    "SCMP_CMP_GT": lambda a, v, _: a > v,
    "SCMP_CMP_GE": lambda a, v, _: a >= v,
    "SCMP_CMP_MASKED_EQ": lambda a, v, w: a & v == w,
}
conditions = st.lists(
    st.fixed_dictionaries(
        {"index": st.integers(0, 2), "value": words, "valueTwo": words, "op": st.sampled_from(sorted(comparisons))}
    ),
    max_size=3,
    unique_by=lambda condition: condition["index"],
)
rules = st.lists(
    st.fixed_dictionaries(
        {
            "names": st.lists(st.sampled_from(["read", "write", "open", "socket", "nothing"]), min_size=1, max_size=3),
            "action": st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_KILL_PROCESS"]),
            "args": conditions,
        }
    ),
    max_size=6,
)


@settings(max_examples=400, deadline=None)
@given(rules, st.sampled_from(["read", "write", "open", "socket", "close"]), st.tuples(words, words, words))
def test_a_program_says_what_its_rules_say(found: list[dict[str, Any]], name: str, args: tuple[int, int, int]) -> None:
    actions = {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_KILL_PROCESS": KILL_PROCESS}
    mine = [rule for rule in found if name in rule["names"]]
    mine.sort(key=lambda rule: not rule["args"])  # those with conditions come first
    expected = next(
        (
            actions[rule["action"]]
            for rule in mine
            if all(comparisons[c["op"]](args[c["index"]], c["value"], c["valueTwo"]) for c in rule["args"])
        ),
        ERRNO | 1,
    )
    program, _ = compile_profile(profile_of(syscalls=found), "x86_64")
    number = TABLES["X86_64"][name]
    newest = max((TABLES["X86_64"].get(n, -1) for rule in found for n in rule["names"]), default=-1)
    if number > newest >= 0:
        expected = ERRNO | 38  # newer than all that the profile knows
    assert execute(program, number, args=args) == expected
