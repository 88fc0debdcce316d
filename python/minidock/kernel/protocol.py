"""What engine and monitor say to each other: frames on a stream socket.

A frame is Docker's stream header, one byte of type, three of zero, four of length (big-endian), then the payload:

====  =========  ===============================================================================
type  direction  payload
====  =========  ===============================================================================
0     → monitor  bytes for the container's stdin; an empty frame closes it
1     ← monitor  bytes of stdout (and of the terminal)
2     ← monitor  bytes of stderr
3     both       one message, JSON, with a ``do`` (→) or an ``is`` (←)
====  =========  ===============================================================================

A connection that sends no frame of type 3 within a second, or a frame longer than 1 MiB, is closed.

On the control socket the first message is the :class:`Request`; then ``go``. The control connection is itself an
attached one: it gets the output from the first byte on. Others come by ``<runtime folder>/monitor.sock`` and begin
with ``attach``, or send one message and get one answer.

→ ``{"do":"go"}``                                   start the program (the engine has committed)
→ ``{"do":"attach","stdin":b,"stdout":b,"stderr":b}``   become an attached connection
→ ``{"do":"resize","rows":n,"columns":n}``          the terminal's size
→ ``{"do":"signal","signal":n}``                    send a signal to the container's first process
→ ``{"do":"status"}``                               ask for ``status``
← ``{"is":"step", …}``                              :class:`StepReport`: a step of the plan has run
← ``{"is":"created","pid":n,"start":n}``            all but exec is done; ``start`` is field 22 of /proc/PID/stat
← ``{"is":"started"}``                              exec succeeded
← ``{"is":"failed","index":n,"errno":n,"message":s}``   a step failed; the monitor has undone the others and leaves
← ``{"is":"exited", …}``                            :class:`Exited`: gone, and torn down
← ``{"is":"status","pid":n,"start":n,"exited":b}``
← ``{"is":"error","message":s}``                    the message before made no sense
"""

from __future__ import annotations

import msgspec

from minidock.oci.runtime import ConsoleSize
from minidock.trace.journal import Undo
from minidock.trace.step import PlannedStep

HEADER_SIZE = 8
LONGEST_FRAME = 1 << 20

STDIN, STDOUT, STDERR, MESSAGE = range(4)


class LogConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the output is kept: ``json-file`` (Docker's format) or ``none``; sizes in bytes, ``files`` counts all."""

    driver: str
    path: str = ""
    max_size: int = 10_000_000
    max_files: int = 3


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first message on the control socket: what the monitor is for.

    ``runtime_dir`` is the container's runtime folder: ``monitor.sock`` and ``pid`` appear there. ``state_dir`` is its
    folder on the disk: ``exit`` (an :class:`Exited`, written whole by a rename) and ``trace.jsonl`` appear there.
    ``teardown`` is run when the container has ended, in order. ``stdin`` says whether the container's stdin is open at
    all; ``stdin_once`` closes it when the first attached client closes it or leaves. ``foreign`` is the path of another
    OCI runtime that is to start the bundle: then the plan has only host steps, and ``runtime.run`` is one of them.
    """

    id: str
    bundle: str
    runtime_dir: str
    state_dir: str
    plan: tuple[PlannedStep, ...]
    teardown: tuple[Undo, ...] = ()
    log: LogConfig = LogConfig("none")
    terminal: bool = False
    console_size: ConsoleSize | None = None
    stdin: bool = False
    stdin_once: bool = False
    foreign: str | None = None


class StepReport(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="is", tag="step"):
    """A step of the plan has run: its index, when it began (ns since the epoch), how long it took (ns)."""

    index: int
    began: int
    took: int
    errno: int = 0
    message: str = ""


class Exited(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="is", tag="exited"):
    """How the container ended: ``code`` as a shell sees it (128 + signal), times in ns since the epoch.

    ``oom``: the kernel killed a process of the cgroup for memory. ``error``: the teardown failed, in words.
    """

    code: int
    began: int
    ended: int
    signal: int = 0
    oom: bool = False
    error: str = ""
