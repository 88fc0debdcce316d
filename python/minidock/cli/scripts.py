"""``--as-shell``: a dry run's steps, printed as a script (:mod:`minidock.trace.script`)."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from minidock.api import CreateRequest, RunOptions
from minidock.cli.exits import CommandFailed, complain
from minidock.cli.output.progress import Silent
from minidock.cli.session import Session
from minidock.cli.terminal import Terminal
from minidock.trace.script import make_script
from minidock.trace.step import Step


class Collector:
    """Keeps the steps of a dry run, in their order."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def planned(self, steps: Sequence[Step]) -> None:
        self.steps += steps

    def began(self, step: Step) -> None:
        """A step of a dry run begins and ends at once: it is noted at its end."""

    def ended(self, step: Step) -> None:
        if not step.error:
            self.steps.append(step)


class _Reasons(Silent):
    """Remembers why a dry run ended."""

    def __init__(self) -> None:
        self.last = ""

    def status(self, id: str, status: str, current: int = 0, total: int = 0) -> None:
        self.last = status


def print_run(session: Session, request: CreateRequest, options: RunOptions) -> int:
    """Print the script of a ``run``.

    :raises CommandFailed: the image is not there yet, so that nobody knows what its layers will be.
    """
    collector, reasons = Collector(), _Reasons()
    terminal = Terminal(request.config)
    with session.open_engine([collector], dry=True) as engine:
        engine.containers.run(request, options, terminal, reasons)
    # what the engine does after the plan (its monitor is no part of the script)
    steps = [step for step in collector.steps if step.op != "monitor.start"]
    if not any(step.op == "ns.create" for step in steps):
        raise CommandFailed(
            125,
            f"minidock: no script: {reasons.last or 'the run would end before it starts a process'}\n"
            f"hint: pull the image first (minidock pull {request.config.image}), then ask again",
        )
    sys.stdout.write(make_script(_title(), steps))
    return 0


def print_remove(session: Session, names: Sequence[str], *, force: bool, volumes: bool) -> int:
    """Print the script of an ``rm``."""
    collector = Collector()
    with session.open_engine([collector], dry=True) as engine:
        for name in names:
            engine.containers.remove(name.strip("/"), force, volumes)
    sys.stdout.write(make_script(_title(), collector.steps))
    complain(f"The engine's records still name what the script removes: after it, run minidock rm {shlex.join(names)}")
    return 0


def _title() -> str:
    return shlex.join(["minidock", *(word for word in sys.argv[1:] if word != "--as-shell")])
