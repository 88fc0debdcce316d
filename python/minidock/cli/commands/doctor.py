"""``minidock doctor``: try what this host can do, and say how to fix what it cannot."""

from __future__ import annotations

from minidock.cli.command import Command
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Values
from minidock.cli.kinds import BOOL, STRING
from minidock.cli.session import Session

#: Exit statuses: all can be done; some things only in a poorer way; something that is needed cannot be done.
OK, DEGRADED, BLOCKED = 0, 2, 3


def doctor(session: Session, values: Values) -> int:
    """Run the probes; print a report."""
    from minidock.doctor import LESSONS, examine
    from minidock.doctor.report import as_json, as_text

    lesson = values["lesson"]
    if lesson and lesson not in LESSONS:
        raise BadRequest(f"no lesson {lesson}", f"lessons are {', '.join(LESSONS)}")
    names = LESSONS[lesson] if lesson else None
    root = session.settings["root"]
    probes = examine(names, root=root or None)
    print(as_json(probes) if values["json"] else as_text(probes, lesson), end="")
    states = {probe.state for probe in probes}
    return BLOCKED if "blocked" in states else DEGRADED if "degraded" in states else OK


DOCTOR = Command(
    "[OPTIONS]",
    "Try what this host can do, and say how to fix what it cannot",
    doctor,
    (
        Flag("json", BOOL, "Print JSON"),
        Flag("lesson", STRING, "Try only what this lesson needs"),
    ),
)
