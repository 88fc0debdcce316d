"""Answers as text for people, and as JSON for programs."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

import msgspec

from minidock.doctor.probe import BLOCKED, DEGRADED, OK, Probe

_MARKS = {OK: " ok ", DEGRADED: "POOR", BLOCKED: "FAIL"}


def as_text(probes: Sequence[Probe], lesson: str = "") -> str:
    """Return the report: one line for what works, some more for what does not."""
    lines = [f"{os.uname().sysname} {os.uname().release}, {'root' if os.geteuid() == 0 else 'an ordinary user'}", ""]
    width = max((len(probe.name) for probe in probes), default=0)
    for probe in probes:
        text = probe.detail if probe.state == OK else probe.cause
        lines.append(f"[{_MARKS[probe.state]}] {probe.name:<{width}}  {text}".rstrip())
        if probe.state != OK:
            indent = " " * 7
            name = f" ({errno.errorcode.get(probe.errno, probe.errno)})" if probe.errno else ""
            lines.append(f"{indent}tried  {probe.tried}{name}")
            lines += [f"{indent}fix    {probe.fix}"] if probe.fix else []
            lines += [f"{indent}undo   {probe.undo}"] if probe.undo else []
    return "\n".join([*lines, "", _verdict(probes, lesson)]) + "\n"


def _verdict(probes: Sequence[Probe], lesson: str) -> str:
    what = f"lesson {lesson}" if lesson else "minidock"
    blocked = [probe.name for probe in probes if probe.state == BLOCKED]
    if blocked:
        return f"{what}: blocked by {', '.join(blocked)}"
    degraded = [probe.name for probe in probes if probe.state == DEGRADED]
    if degraded:
        return f"{what}: works, without {', '.join(degraded)}"
    return f"{what}: everything works"


def as_json(probes: Sequence[Probe]) -> str:
    """Return a JSON object for each probe in a list, all fields in each."""
    fields = Probe.__struct_fields__
    return (
        msgspec.json.format(
            msgspec.json.encode([{name: getattr(probe, name) for name in fields} for probe in probes]), indent=2
        ).decode()
        + "\n"
    )
