"""Two small ports to the host: its firewall, by the program ``nft``, and its kernel settings, by ``/proc/sys``.

``nft`` reads a whole transaction from its input: all of it happens, or nothing (nft(8), ``-f``). A start of the program
takes some milliseconds, so we ask the kernel itself whether anything has changed since we last looked: it counts the
transactions of a network namespace (*generation*), and it numbers the namespaces since boot (*cookie*, socket(7)).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Protocol

from minidock.errors import StepFailed, Unavailable
from minidock.trace.recorder import op

_SO_NETNS_COOKIE = 71
_NETLINK_NETFILTER = 12
_NFT_MSG_GETGEN = 10 << 8 | 16
_NFTA_GEN_ID = 1


class Firewall(Protocol):
    """nftables in the network namespace of the calling thread."""

    @op("nft.apply")
    def apply(self, table: str, rules: str, undo: str | None = None) -> None:
        """Carry out the transaction *rules*, which concerns our *table* only; *undo* is the one that takes it back.

        Atomic. Raises :class:`StepFailed` with nft's own words, :class:`Unavailable` if there is no nft.
        """

    @op("conntrack.forget")
    def forget(self, ports: tuple[int, ...], address: str) -> None:
        """Forget the UDP connections to the host's *ports* that lead elsewhere than to the container's *address*."""

    def listing(self, family: str, table: str) -> str | None:
        """Return a table's text without counters and without what its sets and maps hold; ``None`` if there is none."""

    def chains(self) -> bytes:
        """Return all chains of all tables as JSON (libnftables-json(5))."""

    def legacy(self) -> str:
        """Return the filter rules of the older iptables, as ``iptables-legacy -S`` prints them; nothing without."""

    def generation(self) -> tuple[int, int] | None:
        """Return (namespace, generation): equal ones mean that no rule has changed; ``None`` if it cannot be told."""


class Sysctls(Protocol):
    """Kernel settings of the network namespace of the calling thread, by names such as ``net.ipv4.ip_forward``."""

    @op("sysctl.host")
    def write(self, name: str, value: str) -> None:
        """Set it for the whole host. Raises :class:`StepFailed`, with ENOENT if the kernel does not have it."""

    @op("sysctl.link")
    def write_link(self, name: str, value: str) -> None:
        """Set it for one link of ours, such as ``net.ipv4.conf.md1f2ebr0.route_localnet``."""

    def read(self, name: str) -> str | None:
        """Return the value, ``None`` if the kernel does not have it."""


class NftProgram:
    """The port :class:`Firewall` by the program ``nft``."""

    def apply(self, table: str, rules: str, undo: str | None = None) -> None:
        status, _, complaint = _run(("nft", "-f", "-"), rules.encode())
        if status:
            words = complaint.decode(errors="replace").strip().partition("\n")[0]
            raise StepFailed("nft.apply", 0, f"nft refused the rules of table {table}: {words or f'status {status}'}")

    def forget(self, ports: tuple[int, ...], address: str) -> None:
        from minidock.networks.conntrack import forget_udp

        forget_udp(ports, address)

    def listing(self, family: str, table: str) -> str | None:
        status, text, _ = _run(("nft", "-s", "-t", "list", "table", family, table))
        return text.decode(errors="replace") if status == 0 else None

    def chains(self) -> bytes:
        status, text, complaint = _run(("nft", "-j", "list", "chains"))
        if status:
            words = complaint.decode(errors="replace").strip().partition("\n")[0]
            raise StepFailed("nft.apply", 0, f"nft cannot list the chains: {words}", "networks need root's rights")
        return text

    def legacy(self) -> str:
        try:
            with open("/proc/thread-self/net/ip_tables_names") as file:
                if "filter\n" not in file.read():
                    return ""
        except FileNotFoundError:  # the kernel has none, and nft shows all there is
            return ""
        return _run(("iptables-legacy", "-S"))[1].decode(errors="replace")

    def generation(self) -> tuple[int, int] | None:
        # nlmsghdr (20 bytes in all, a request, number 1) and nfgenmsg (any family, version 0)
        request = struct.pack("=IHHIIBBH", 20, _NFT_MSG_GETGEN, 1, 1, 0, 0, 0, 0)
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as kernel:
                cookie = struct.unpack("=Q", kernel.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8))[0]
                kernel.send(request)
                answer = kernel.recv(4096)
        except OSError:  # an older kernel, or one without nftables: then we look each time
            return None
        length, kind = struct.unpack_from("=HH", answer, 20) if len(answer) >= 28 else (0, 0)
        return (cookie, struct.unpack_from(">I", answer, 24)[0]) if (length, kind) == (8, _NFTA_GEN_ID) else None


class ProcSysctls:
    """The port :class:`Sysctls` by ``/proc/sys``."""

    def write(self, name: str, value: str) -> None:
        _write("sysctl.host", name, value)

    def write_link(self, name: str, value: str) -> None:
        _write("sysctl.link", name, value)

    def read(self, name: str) -> str | None:
        try:
            with open(_path(name)) as file:
                return file.read().strip()
        except FileNotFoundError:
            return None


def _write(step: str, name: str, value: str) -> None:
    try:
        with open(_path(name), "w") as file:
            file.write(value)
    except OSError as error:
        hint = f"let the host's administrator run `sysctl -w {name}={value}`"
        raise StepFailed(step, error.errno or errno.EIO, f"set {name} to {value}", hint) from error


def _path(name: str) -> str:
    return "/proc/sys/" + name.replace(".", "/")


def _run(argv: tuple[str, ...], given: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run a program; return its status, output and complaints.

    Three files in memory stand for pipes: nothing can fill up and wait, so no thread and no poll is needed.

    :raises Unavailable: there is no such program.
    """
    files = [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("input", "output", "errors")]
    try:
        os.write(files[0], given)
        os.lseek(files[0], 0, os.SEEK_SET)
        moves = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)]
        environment = {**os.environ, "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin", "LC_ALL": "C"}
        try:
            pid = os.posix_spawnp(_found(argv[0], environment["PATH"]), argv, environment, file_actions=moves)
        except FileNotFoundError:
            package = {"nft": "nftables"}.get(argv[0], "iptables")
            raise Unavailable(
                f"the program {argv[0]} is missing: networks need it",
                f"install the package {package}, or use --network host or --network none",
            ) from None
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status, _all_of(files[1]), _all_of(files[2])
    finally:
        for fd in files:
            os.close(fd)


def _found(program: str, path: str) -> str:
    """Return where *program* is: posix_spawnp(3) searches our own PATH, which often lacks /usr/sbin."""
    for folder in path.split(":"):
        candidate = f"{folder}/{program}"
        if folder and os.access(candidate, os.X_OK):
            return candidate
    return program


def _all_of(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)
