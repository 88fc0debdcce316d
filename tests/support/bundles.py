"""Hand-made bundles, and a client that speaks a monitor's protocol: for tests of the launchers without an engine."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from minidock.kernel.launch import LaunchOptions
from minidock.kernel.ports import Launch
from minidock.kernel.protocol import MESSAGE, STDERR, STDIN, STDOUT, LogConfig, Request
from minidock.oci.runtime import (
    Capabilities,
    ConsoleSize,
    Linux,
    Mount,
    Namespace,
    Process,
    Root,
    RuntimeSpec,
)
from minidock.runtime.capabilities import DEFAULT_CAPABILITIES, host_capabilities
from minidock.trace.journal import Undo
from minidock.trace.step import PlannedStep

APPLETS = "sh cat echo env grep head hostname id ls mkdir mknod mount readlink sleep stat stty touch true tty wc yes"
NAMESPACES = tuple(Namespace(kind) for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup"))
MOUNTS = (
    Mount("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
    Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "mode=755", "size=65536k")),
    Mount("/dev/pts", "devpts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")),
    Mount("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),
    Mount("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
)


def make_rootfs(folder: Path) -> None:
    """Make a root file system of busybox alone."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "bin/busybox")
    for applet in APPLETS.split():
        (folder / "bin" / applet).symlink_to("busybox")
    (folder / "tmp").mkdir()


def spec(*args: str, **changes: Any) -> RuntimeSpec:
    """A specification as Docker makes them: *changes* are fields of ``process`` and ``linux``, by name."""
    held = tuple(name for name in DEFAULT_CAPABILITIES if name in host_capabilities())
    process = Process(
        args=args,
        env=("PATH=/bin", "HOME=/root"),
        capabilities=Capabilities(bounding=held, effective=held, permitted=held),
    )
    linux = Linux(namespaces=NAMESPACES)
    for name, value in changes.items():
        if name in Process.__struct_fields__:
            process = msgspec.structs.replace(process, **{name: value})
        else:
            linux = msgspec.structs.replace(linux, **{name: value})
    return RuntimeSpec(process=process, root=Root(), hostname="box", mounts=MOUNTS, linux=linux)


class Container:
    """One container under a monitor, and what has been heard from it."""

    def __init__(self, launch: Launch, folder: Path, name: str = "c1") -> None:
        self.launch = launch
        self.id = f"minidock-test-{os.getpid()}-{name}"
        self.bundle, self.run, self.state = folder / "bundle", folder / "run", folder / "state"
        for path in (self.bundle, self.run, self.state):
            path.mkdir(parents=True, exist_ok=True)
        self.run.chmod(0o700)
        self.plan: tuple[PlannedStep, ...] = ()
        self.messages: list[dict[str, Any]] = []
        self.out = {STDOUT: b"", STDERR: b""}
        self.socket: socket.socket | None = None
        self._buffer = b""

    def start(self, whole: RuntimeSpec, options: LaunchOptions | None = None, **request: Any) -> None:
        """Write the bundle, start the monitor, hand over the request."""
        data = msgspec.json.encode(whole)
        (self.bundle / "config.json").write_bytes(data)
        if not (self.bundle / "rootfs").exists():
            make_rootfs(self.bundle / "rootfs")
        if "plan" not in request:
            options = options or LaunchOptions(str(self.bundle))
            plan = self.launch.plan(data, msgspec.json.encode(options))
            request["plan"] = msgspec.json.decode(plan, type=tuple[PlannedStep, ...])
        self.plan = request["plan"]
        terminal = whole.process is not None and whole.process.terminal
        message = Request(
            self.id, str(self.bundle), str(self.run), str(self.state), terminal=terminal,
            **{"log": LogConfig("json-file", f"{self.state}/log"), **request},
        )  # fmt: skip
        self.socket = socket.socket(fileno=self.launch.monitor(self.id, str(self.bundle)))
        self.socket.settimeout(60)
        self.send(MESSAGE, msgspec.json.encode(message))

    def send(self, kind: int, payload: bytes) -> None:
        assert self.socket is not None
        self.socket.sendall(bytes((kind, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload)

    def tell(self, **message: Any) -> None:
        self.send(MESSAGE, json.dumps(message).encode())

    def write(self, data: bytes) -> None:
        self.send(STDIN, data)

    def until(self, kind: str) -> dict[str, Any]:
        """Read until a message of this kind has come; the monitor's end is an error."""
        for message in self.read():
            if message["is"] == kind:
                return message
        raise AssertionError(f"the monitor left before {kind}: {self.messages[-1:]}")

    def until_output(self, words: bytes) -> None:
        """Read until the output holds *words*."""
        while words not in self.out[STDOUT]:
            for _ in self.frame():
                pass

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield messages until the monitor closes."""
        while True:
            yield from (found := self.frame())
            if not found and self._ended:
                return

    _ended = False

    def frame(self) -> list[dict[str, Any]]:
        """Take one frame; return its message, if it is one."""
        assert self.socket is not None
        while len(self._buffer) < 8 or len(self._buffer) < 8 + int.from_bytes(self._buffer[4:8], "big"):
            data = self.socket.recv(1 << 16)
            if not data:
                self._ended = True
                return []
            self._buffer += data
        end = 8 + int.from_bytes(self._buffer[4:8], "big")
        kind, payload, self._buffer = self._buffer[0], self._buffer[8:end], self._buffer[end:]
        if kind != MESSAGE:
            self.out[kind] += payload
            return []
        message: dict[str, Any] = json.loads(payload)
        self.messages.append(message)
        return [message]

    def up(self, whole: RuntimeSpec, options: LaunchOptions | None = None, **request: Any) -> dict[str, Any]:
        """Start it, say go, and return the ``created`` message."""
        self.start(whole, options, **request)
        created = self.until("created")
        self.tell(do="go")
        self.until("started")
        return created

    def end(self) -> dict[str, Any]:
        """Wait for the end; return the ``exited`` message."""
        return self.until("exited")

    @property
    def stdout(self) -> str:
        return self.out[STDOUT].decode()

    @property
    def stderr(self) -> str:
        return self.out[STDERR].decode()

    def connect(self) -> Container:
        """Return another client of the same monitor, by its door."""
        other = Container.__new__(Container)
        other.__dict__.update(self.__dict__, messages=[], out={STDOUT: b"", STDERR: b""}, _buffer=b"", _ended=False)
        other.socket = socket.socket(socket.AF_UNIX)
        other.socket.settimeout(60)
        folder = os.open(self.run, os.O_PATH)
        other.socket.connect(f"/proc/self/fd/{folder}/monitor.sock")
        os.close(folder)
        return other

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()

    def trace(self) -> list[dict[str, Any]]:
        """The steps as the monitor wrote them down."""
        return [json.loads(line) for line in (self.state / "trace.jsonl").read_text().splitlines()]

    def log(self) -> list[dict[str, Any]]:
        """The log's entries."""
        return [json.loads(line) for line in (self.state / "log").read_text().splitlines()]


def undo(op: str, **args: Any) -> Undo:
    return Undo(op, args)


def size(rows: int, columns: int) -> ConsoleSize:
    return ConsoleSize(rows, columns)
