"""The process: its rights, its limits, its user, its program. The last steps, since each one takes something away."""

from __future__ import annotations

from typing import Any

import msgspec

from minidock._pure.plan.words import Steps, bad, clean, inside, unsupported, whole, words
from minidock.kernel.launch import LaunchOptions
from minidock.oci.capability import NAMES
from minidock.oci.runtime import Capabilities, Linux, Process, Rlimit, Seccomp
from minidock.trace.step import PlannedStep

RLIMITS = words(
    "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK", "RLIMIT_"
)
ACTIONS = words("KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG", "SCMP_ACT_")
COMPARISONS = words("NE LT LE EQ GE GT MASKED_EQ", "SCMP_CMP_")
ARCHITECTURES = words("X86_64 X86 X32 AARCH64 ARM", "SCMP_ARCH_")
FLAGS = words("TSYNC LOG SPEC_ALLOW", "SECCOMP_FILTER_FLAG_")

_ID_LIMIT = (1 << 32) - 2  # 2^32 - 1 is -1: "leave it as it is", which would be root
_U64 = (1 << 64) - 1


def steps(process: Process, linux: Linux, options: LaunchOptions) -> Steps:
    """Everything from the out-of-memory score to exec, in the order that the package's docstring explains."""
    if not process.args:
        raise bad("process.args is empty")
    found: Steps = []
    if process.oom_score_adj is not None:
        if not -1000 <= process.oom_score_adj <= 1000:
            raise bad(f"process.oomScoreAdj: {process.oom_score_adj} is out of range")
        found.append(inside("process.oom", score=process.oom_score_adj))
    if process.rlimits:
        found.append(inside("process.limits", rlimits=_rlimits(process.rlimits)))
    found.append(inside("process.cwd", cwd=clean("process.cwd", process.cwd)))
    if process.no_new_privileges:
        found.append(inside("process.no_new_privs"))
    filters = [_seccomp(linux.seccomp)] if linux.seccomp else []
    rights = [_capabilities(process.capabilities or Capabilities(), options), _user(process)]
    last = [inside("process.close_fds")]
    found += [*rights, *last, *filters] if process.no_new_privileges else [*filters, *rights, *last]
    for variable in process.env:
        if variable.find("=") < 1:
            raise bad(f"process.env: {variable or '(empty)'} is not of the form NAME=value")
    found.append(inside("process.exec", argv=list(process.args), env=list(process.env)))
    return found


def _rlimits(limits: tuple[Rlimit, ...]) -> list[dict[str, Any]]:
    seen: set[str] = set()
    for limit in limits:
        if limit.type not in RLIMITS:
            raise bad(f"process.rlimits: unknown type {limit.type}")
        if limit.type in seen:
            raise bad(f"process.rlimits: {limit.type} stands there twice")
        seen.add(limit.type)
        whole(f"process.rlimits: {limit.type}", limit.hard, _U64)
        whole(f"process.rlimits: {limit.type}", limit.soft, limit.hard)
    return [{"type": limit.type, "soft": limit.soft, "hard": limit.hard} for limit in limits]


def _capabilities(sets: Capabilities, options: LaunchOptions) -> PlannedStep:
    """The five sets, without what the host does not have: a container cannot get more than its host."""
    kept: dict[str, list[str]] = {}
    for name in ("bounding", "effective", "inheritable", "permitted", "ambient"):
        asked: tuple[str, ...] = getattr(sets, name)
        for capability in asked:
            if capability not in NAMES:
                raise bad(f"process.capabilities: unknown capability {capability}")
        kept[name] = [c for c in asked if options.capabilities is None or c in options.capabilities]
    return inside("process.capabilities", **kept)


def _user(process: Process) -> PlannedStep:
    user = process.user
    uid, gid = whole("process.user.uid", user.uid, _ID_LIMIT), whole("process.user.gid", user.gid, _ID_LIMIT)
    groups = [whole("process.user.additionalGids", group, _ID_LIMIT) for group in user.additional_gids or ()]
    umask = None if user.umask is None else whole("process.user.umask", user.umask, 0o777)
    return inside("process.user", uid=uid, gid=gid, groups=groups, umask=umask)


def _seccomp(profile: Seccomp) -> PlannedStep:
    """The filter, with every word checked; names of system calls that no architecture has are left to the compiler."""
    for action in (profile.default_action, *(rule.action for rule in profile.syscalls or ())):
        if action == "SCMP_ACT_NOTIFY":
            raise unsupported("linux.seccomp: SCMP_ACT_NOTIFY is not supported")
        if action not in ACTIONS:
            raise bad(f"linux.seccomp: unknown action {action}")
    for architecture in profile.architectures or ():
        if architecture not in ARCHITECTURES:
            raise unsupported(f"linux.seccomp: architecture {architecture} is not supported")
    for flag in profile.flags or ():
        if flag not in FLAGS:
            raise unsupported(f"linux.seccomp: flag {flag} is not supported")
    whole("linux.seccomp.defaultErrnoRet", profile.default_errno_ret or 0, 4095)
    for rule in profile.syscalls or ():
        whole("linux.seccomp: errnoRet", rule.errno_ret or 0, 4095)
        for condition in rule.args or ():
            whole("linux.seccomp: index", condition.index, 5)
            whole("linux.seccomp: value", condition.value, _U64)
            whole("linux.seccomp: valueTwo", condition.value_two, _U64)
            if condition.op not in COMPARISONS:
                raise bad(f"linux.seccomp: unknown comparison {condition.op}")
    return inside("process.seccomp", profile=msgspec.to_builtins(profile))
