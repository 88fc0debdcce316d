"""The way out of the holder's network namespace: slirp4netns or pasta.

An ordinary user cannot plug a cable into the host's network. But a program of the user can speak for the containers:
it reads their packets from ``tap0`` inside, and makes ordinary connections outside (user-mode networking)::

    container ── bridge ── nft: masquerade ── tap0 ═══ slirp4netns ─── connect(2), as the user
               172.17.0.0/16              10.0.2.100      10.0.2.2 is the way out, 10.0.2.3 asks the host's resolver

It is started when the first container needs it, and ends with the holder: slirp4netns watches the pipe of life. What
listens on the host's 127.0.0.1 stays out of the containers' reach. slirp4netns is preferred, since it can publish
ports while it runs (its socket: JSON in, JSON out); pasta serves where it alone is installed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Sequence
from typing import Any

import msgspec

from minidock.errors import Conflict, StepFailed, SystemFault, Unavailable, Unsupported
from minidock.runtime.outward import RESOLVER, HostPort, Outward
from minidock.runtime.rootless.holder import LIFE, Held
from minidock.store.state import is_alive, process_start

GUEST = "10.0.2.100"
TAP = "tap0"


class RealOutward:
    """The port :class:`Outward` for the holder *held*; its files are in the runtime folder *run*."""

    def __init__(self, run: str, held: Held) -> None:
        self._socket = f"{run}/outward.sock"
        self._log = f"{run}/outward.log"
        self._pid = f"{run}/outward.pid"
        self._lock = f"{run}/outward.lock"
        self._held = held

    def program(self) -> str:
        for name in ("slirp4netns", "pasta"):
            if _find(name):
                return name
        raise Unavailable(
            "neither slirp4netns nor pasta is installed: without root containers reach no network",
            "install the package slirp4netns, or use --network none or --network host",
        )

    def running(self) -> bool:
        return self._by_slirp() or self._by_pasta()

    def connect(self, program: str) -> None:
        with open(self._lock, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.running():  # somebody else was first
                return
            for stale in (self._socket, self._pid):
                if os.path.lexists(stale):
                    os.unlink(stale)
            if program == "slirp4netns":
                self._start_slirp()
            else:
                self._start_pasta()

    def publish(self, ports: tuple[HostPort, ...]) -> None:
        if not self._by_slirp():
            raise Unsupported(
                "pasta cannot publish ports while it runs",
                "install the package slirp4netns, then end the holder with `minidock system release`",
            )
        for port in ports:
            if port.protocol == "sctp":
                raise Unsupported("sctp ports cannot be published without root", "publish tcp and udp ports only")
        done: list[HostPort] = []
        for port in ports:
            words = {"proto": port.protocol, "host_addr": port.address, "host_port": port.port}
            answer = self._ask("add_hostfwd", {**words, "guest_addr": GUEST, "guest_port": port.port})
            if "error" in answer:
                self.unpublish(tuple(done))
                raise _cannot_listen(port)
            done.append(port)

    def unpublish(self, ports: tuple[HostPort, ...]) -> None:
        if not ports or not self._by_slirp():
            return
        for entry in self._ask("list_hostfwd", {})["entries"]:
            if HostPort(entry["proto"], entry["host_addr"], entry["host_port"]) in ports:
                self._ask("remove_hostfwd", {"id": entry["id"]})

    def _by_slirp(self) -> bool:
        with socket.socket(socket.AF_UNIX) as door:
            try:
                door.connect(self._socket)
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            door.sendall(b'{"execute": "list_hostfwd"}')  # a client that says nothing would be complained about
            door.shutdown(socket.SHUT_WR)
            return bool(door.recv(1 << 16))

    def _by_pasta(self) -> bool:
        try:
            with open(self._pid) as file:
                pid, _, start = file.read().partition(" ")
        except FileNotFoundError:
            return False
        return pid.isdigit() and start.strip().isdigit() and is_alive(int(pid), int(start))

    def _ask(self, what: str, arguments: dict[str, Any]) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(self._socket)
            door.sendall(msgspec.json.encode({"execute": what, "arguments": arguments}))
            door.shutdown(socket.SHUT_WR)
            answer = b""
            while data := door.recv(1 << 16):
                answer += data
        return msgspec.json.decode(answer, type=dict[str, Any])

    def _start_slirp(self) -> None:
        ready, theirs = os.pipe()
        life = os.open(f"/proc/{self._held.pid}/fd/{LIFE}", os.O_RDONLY | os.O_CLOEXEC)
        for fd in (theirs, life):
            os.set_inheritable(fd, True)
        try:
            words = ["-c", "-m", "65520", "--disable-host-loopback", "-a", self._socket, "-r", str(theirs)]
            words += ["-e", str(life), "--netns-type=path", self._held.namespace("net"), TAP]
            self._spawn([_find("slirp4netns"), *words])
        finally:
            os.close(theirs)
            os.close(life)
        try:
            if os.read(ready, 1) != b"1":
                raise self._failed("slirp4netns")
        finally:
            os.close(ready)

    def _start_pasta(self) -> None:
        words = ["--config-net", "-q", "-P", self._pid, "-I", TAP, "--no-map-gw", "--dns-forward", RESOLVER]
        words += ["-t", "none", "-u", "none", "-T", "none", "-U", "none"]
        words += ["--netns-only", "--netns", self._held.namespace("net")]
        if self._spawn([_find("pasta"), *words], wait=True):
            raise self._failed("pasta")
        with open(self._pid) as file:
            pid = int(file.read())
        with open(self._pid, "w") as file:
            file.write(f"{pid} {process_start(pid)}")

    def _spawn(self, argv: Sequence[str], wait: bool = False) -> int:
        """Start a program that outlives us: a shell in between leaves it to init. *wait*: it goes to the background."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, self._log, flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        line = 'exec "$@"' if wait else '"$@" &'
        words = ["/bin/sh", "-c", line, "sh", *argv]
        pid = os.posix_spawn(words[0], words, os.environ, file_actions=actions, setsid=True)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _failed(self, program: str) -> StepFailed:
        with open(self._log, errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        hint = "`minidock doctor` says whether /dev/net/tun can be opened; or use --network none or --network host"
        return StepFailed("outward.connect", 0, f"{program}: {lines[-1] if lines else 'it ended without a word'}", hint)


class DryOutward:
    """The way out of a dry run."""

    def __init__(self, real: Outward) -> None:
        self.program = real.program
        self.running = real.running

    def connect(self, program: str) -> None: ...

    def publish(self, ports: tuple[HostPort, ...]) -> None: ...

    def unpublish(self, ports: tuple[HostPort, ...]) -> None: ...


def end_pasta(run: str) -> None:
    """End a pasta that was started for a holder: it does not notice by itself that its namespace is gone."""
    try:
        with open(f"{run}/outward.pid") as file:
            pid, _, start = file.read().partition(" ")
    except FileNotFoundError:
        return
    if pid.isdigit() and start.strip().isdigit() and is_alive(int(pid), int(start)):
        os.kill(int(pid), 15)
    os.unlink(f"{run}/outward.pid")


def _find(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") or ""


def _cannot_listen(port: HostPort) -> SystemFault | Conflict:
    place = f"{port.address}:{port.port}"
    if port.port < 1024:
        hint = f"publish a port from 1024 on, or: sudo sysctl -w net.ipv4.ip_unprivileged_port_start={port.port}"
        return SystemFault(f"cannot expose privileged port {port.port}: slirp4netns cannot listen on {place}", hint)
    return Conflict(f"Bind for {place} failed: port is already allocated")
