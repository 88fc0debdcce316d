"""The pure launcher as a program::

    --control FD                                       a monitor, for the engine at the other end of the socket
    run [--bundle DIR] [--options FILE] [--plan FILE] ID   run a bundle in the foreground, without a monitor

``run`` exits as ``docker run`` does: 127 the program was not found, 126 it cannot be executed, 125 anything before.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Iterator

import msgspec

from minidock._pure import syscalls
from minidock._pure.monitor import host
from minidock._pure.monitor.connection import BrokenConnection, Connection
from minidock._pure.monitor.loop import Monitor
from minidock._pure.monitor.walk import PREPARING, STARTED, Failed, Walk
from minidock._pure.plan import plan
from minidock.errors import MinidockError
from minidock.kernel.launch import LaunchOptions
from minidock.kernel.protocol import MESSAGE, Request
from minidock.trace.step import PlannedStep

USAGE = "usage: --control FD | run [--bundle DIR] [--options FILE] [--plan FILE] ID"
FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def main(words: list[str]) -> int:
    """Run the program; return its exit code."""
    try:
        if words[:1] == ["--control"] and len(words) == 2:
            return monitor(int(words[1]))
        if words[:1] == ["run"]:
            return run(words[1:])
    except MinidockError as error:
        print(f"minidock: {error.message}", file=sys.stderr)
        return 125
    print(USAGE, file=sys.stderr)
    return 2


def monitor(fd: int) -> int:
    """Be the monitor for the engine behind the socket *fd*."""
    os.setsid()
    os.chdir("/")
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    control = Connection(socket.socket(fileno=fd), control=True)
    try:
        request = next(_messages(control), None)
        if request is not None:
            Monitor(control, msgspec.json.decode(request, type=Request)).run()
        return 0
    except (BrokenConnection, msgspec.MsgspecError, OSError) as error:
        control.send(MESSAGE, msgspec.json.encode({"is": "failed", "index": -1, "errno": 0, "message": str(error)}))
        return 1


def _messages(control: Connection) -> Iterator[bytes]:
    """Yield messages until the engine closes."""
    poll = select.poll()
    poll.register(control.socket, select.POLLIN)
    while not control.read_closed:
        poll.poll()
        for kind, payload in control.receive():
            if kind == MESSAGE:
                yield payload


def run(words: list[str]) -> int:
    """Run a bundle with our own streams, carry signals to it, wait for it, take everything back."""
    steps = _steps(words)
    if any(step.op == "process.session" and step.args["terminal"] for step in steps):
        raise MinidockError("a terminal needs a monitor: set process.terminal to false, or use minidock")
    walk = Walk(steps, [os.dup(stream) for stream in range(3)], (24, 80), lambda _: None, lambda _: None)
    try:
        walk.advance()
        while walk.stage == PREPARING:
            walk.receive()
        walk.go()
        while walk.stage != STARTED:
            walk.receive()
        for number in FORWARDED:
            signal.signal(number, lambda number, _: os.kill(walk.pid, number))
        code = os.waitstatus_to_exitcode(os.waitpid(walk.pid, 0)[1])
        walk.pid = 0
    except Failed as failed:
        step = steps[failed.report.index]
        print(f"minidock: {step.op}: {failed.report.message}", file=sys.stderr)
        code = 125 if step.op != "process.exec" else 127 if failed.report.errno in (2, 20) else 126
    walk.kill()
    for op, args in walk.undo():
        host.run(op, args)
    return code if code >= 0 else 128 - code


def _steps(words: list[str]) -> list[PlannedStep]:
    named = {"--bundle": ".", "--options": "", "--plan": ""}
    rest = list(words)
    while rest and rest[0] in named:
        if len(rest) < 2:
            raise MinidockError(USAGE)
        named[rest[0]], rest = rest[1], rest[2:]
    if len(rest) != 1 or rest[0].startswith("-"):
        raise MinidockError(USAGE)
    bundle = os.path.realpath(named["--bundle"])
    try:
        if named["--plan"]:
            return msgspec.json.decode(_read(named["--plan"]), type=list[PlannedStep])
        default = msgspec.json.encode(LaunchOptions(bundle))
        options = _read(named["--options"]) if named["--options"] else default
        return msgspec.json.decode(plan(_read(f"{bundle}/config.json"), options), type=list[PlannedStep])
    except (OSError, msgspec.MsgspecError) as error:
        raise MinidockError(str(error)) from error


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
