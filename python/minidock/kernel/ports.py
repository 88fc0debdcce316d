"""The kernel ports as Protocols. Methods marked with :func:`~minidock.trace.recorder.op` are steps.

All paths are absolute ``str``; sizes are bytes; all methods block, release the GIL in the native form, and raise
:class:`~minidock.errors.StepFailed` (with the errno) where the kernel refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from minidock.oci.digest import Digest
from minidock.trace.recorder import op


class Applied(msgspec.Struct, frozen=True):
    """What one pass over a layer's blob found.

    ``blob`` is the digest and ``blob_size`` the size of the bytes as read; ``diff_id`` and ``tar_size`` those of the
    uncompressed tar; ``entries`` counts the archive's entries, ``size`` is the sum of the regular files' sizes.
    """

    blob: Digest
    blob_size: int
    diff_id: Digest
    tar_size: int
    entries: int
    size: int


class Layers(Protocol):
    """Archives of file trees: the hot path of every pull."""

    @op("layer.apply")
    def apply(self, source: str, target: str, compression: str, whiteouts: str) -> Applied:
        """Unpack the layer in the file *source* into the folder *target*: an empty one, or a parent's copy.

        :param compression: ``none``, ``gzip``, ``zstd``, or ``auto``: by the first bytes.
        :param whiteouts: what a ``.wh.`` entry becomes: ``overlay`` (character device 0:0 and
            ``trusted.overlay.opaque``), ``userxattr`` (the same with ``user.overlay.opaque``), or ``delete``.
        :raises InvalidArchive: the archive breaks its format, wants to leave *target*, or is larger than any limit;
            what was unpacked so far stays for the caller to remove.

        Not idempotent, not atomic: the caller publishes *target* when the digests are right. Nothing is synced to disk.
        Source: image-spec layer.md; POSIX pax; tar(5).
        """

    def entries(self, source: str, compression: str) -> bytes:
        """Return the archive's entries as JSON lines.

        Each is ``{"name","type","mode","uid","gid","size","mtime","link","offset"}``; ``offset`` is where the entry's
        data begin in the uncompressed tar, in bytes: with it, a member of a plain tar can be read without unpacking.

        Strict: it raises :class:`~minidock.errors.InvalidArchive` for the same archives as :meth:`apply`.
        """

    @op("layer.make")
    def make(self, upper: str, target: str, compression: str, whiteouts: str) -> Applied:
        """Archive the folder *upper* into the new file *target*: equal trees give equal bytes.

        :param compression: ``none``, ``gzip`` or ``zstd``.
        :param whiteouts: how deletions stand in *upper*: ``overlay`` or ``userxattr``; or ``delete``: it has none.
        """

    def digest(self, data: bytes | bytearray | memoryview) -> Digest:
        """Return the SHA-256 digest of a buffer."""

    def digest_file(self, path: str) -> Digest:
        """Return the SHA-256 digest of a file's bytes.

        :raises OSError: it cannot be read.
        """

    def inflate(self, data: bytes, compression: str, limit: int) -> bytes:
        """Return *data* uncompressed, at most *limit* bytes of it.

        :raises InvalidArchive: broken data, or more than *limit* bytes.
        """

    def deflate(self, data: bytes, compression: str) -> bytes:
        """Return *data* compressed: ``gzip`` (level 6, no name, no time) or ``zstd`` (level 3)."""


class Mounts(Protocol):
    """Mounts and pinned namespaces of the host side. Most of a container's mounts are planned steps instead."""

    @op("mount.overlay")
    def overlay(
        self, target: str, lower: Sequence[str], upper: str | None, work: str | None, options: Sequence[str]
    ) -> None:
        """Mount an overlay at *target*: *lower* with the topmost first, *upper* and *work* or read-only.

        Source: kernel filesystems/overlayfs; the new mount API, ``lowerdir+``.
        """

    @op("mount.bind")
    def bind(self, source: str, target: str, options: Sequence[str]) -> None:
        """Bind-mount *source* at *target*; options such as ``rbind``, ``ro``, ``rprivate``."""

    @op("mount.unmount")
    def unmount(self, target: str) -> None:
        """Unmount *target*; idempotent: nothing mounted there is fine."""

    @op("ns.pin")
    def pin_network(self, path: str) -> None:
        """Make a network namespace with its loopback up, and pin it by a bind mount on the new file *path*."""

    @op("ns.unpin")
    def unpin_network(self, path: str) -> None:
        """Unmount and remove *path*; idempotent."""

    def view(self, lower: Sequence[str], options: Sequence[str]) -> int:
        """Return a file descriptor of a read-only overlay of *lower* that is mounted nowhere; the caller closes it.

        One folder alone is bind-mounted in the same detached way. Source: fsmount(2), open_tree(2).
        """

    def read_file(self, root: int, path: str, limit: int) -> bytes | None:
        """Read a regular file inside the tree *root*, never leaving it: symbolic links are resolved within.

        :param root: a file descriptor, as :meth:`view` returns it.
        :return: the bytes, or ``None`` if there is no such regular file.
        :raises InvalidArgument: it has more than *limit* bytes.

        Source: openat2(2), RESOLVE_IN_ROOT. A fifo or device is never opened.
        """

    def open_folder(self, root: int, path: str) -> int | None:
        """Open a folder inside the tree *root*, links resolved within, or return ``None`` if there is none."""

    def probe_overlay(self, folder: str) -> str:
        """Say which overlay works on the file system of *folder*: ``overlay``, ``userxattr`` or ``none``, by trying."""


class Cgroups(Protocol):
    """Control groups, by the absolute folders of their hierarchies (one on v2, one per controller on v1)."""

    @op("cgroup.create")
    def create(self, dirs: Sequence[str]) -> None:
        """Make the folders, parents too; on v2 the controllers are enabled from the top down. Idempotent."""

    @op("cgroup.limit")
    def limit(self, file: str, value: str) -> None:
        """Write *value* into *file*."""

    def read(self, file: str) -> str | None:
        """Return the file's text, or ``None`` if the kernel does not have it."""

    @op("cgroup.freeze")
    def freeze(self, dirs: Sequence[str]) -> None:
        """Freeze, and wait until all is frozen."""

    @op("cgroup.thaw")
    def thaw(self, dirs: Sequence[str]) -> None:
        """Let it go on."""

    @op("cgroup.kill")
    def kill(self, dirs: Sequence[str]) -> None:
        """Kill all processes; a frozen group is thawed. Idempotent."""

    @op("cgroup.delete")
    def delete(self, dirs: Sequence[str]) -> None:
        """Kill what still runs, and remove the folders, children first. Idempotent."""

    def processes(self, dirs: Sequence[str]) -> list[int]:
        """Return the process ids in the group and below it."""


class Link(msgspec.Struct, frozen=True):
    """One network link, as the kernel lists it. ``master`` is the index of its bridge, 0 for none."""

    index: int
    name: str
    kind: str
    mac: str
    mtu: int
    up: bool
    master: int
    addresses: tuple[str, ...]


class Links(Protocol):
    """Network links by netlink(7), rtnetlink(7). *netns* is the path of a pinned namespace, or ``None``: our own."""

    @op("link.bridge")
    def bridge(self, name: str, mtu: int, mac: str | None) -> None:
        """Make a bridge and switch it on. Raises EEXIST if the name is taken."""

    @op("link.veth")
    def veth(self, name: str, bridge: str, peer: str, netns: str, mtu: int, mac: str | None) -> None:
        """Make a pair: *name* here, up and in *bridge*; *peer* with *mac* inside *netns*."""

    @op("link.address")
    def address(self, name: str, address: str, netns: str | None) -> None:
        """Give the link an address such as ``172.17.0.1/16`` or ``fd00::1/64``. Raises EEXIST if it has it."""

    @op("link.up")
    def up(self, name: str, netns: str | None) -> None:
        """Switch the link on. Idempotent."""

    @op("link.route")
    def route(self, destination: str, gateway: str, netns: str | None) -> None:
        """Route *destination* (``default`` or a subnet) by *gateway*."""

    @op("link.delete")
    def delete(self, name: str) -> None:
        """Remove the link. Idempotent."""

    def ready(self, name: str, netns: str | None) -> bool:
        """Wait until the link carries packets, for a second at most; return whether it does.

        After its other end is switched on the kernel drops what a link sends, until it has taken notice in the
        background; a first packet that is lost costs its sender a second. Source: RFC 2863, ifOperStatus; netdevice(7),
        IFF_RUNNING.
        """

    def links(self, netns: str | None) -> tuple[Link, ...]:
        """List the links with their addresses."""

    def routes(self, netns: str | None) -> tuple[str, ...]:
        """List the destinations of the main table's IPv4 and IPv6 routes, ``default`` among them."""


class Launch(Protocol):
    """Containers' processes: the planner, and the monitor that carries a plan out."""

    def plan(self, spec: bytes, options: bytes) -> bytes:
        """Turn a ``config.json`` into the list of steps that starts it, as JSON. Pure.

        :param spec: a :class:`~minidock.oci.runtime.RuntimeSpec`.
        :param options: a :class:`~minidock.kernel.launch.LaunchOptions`.
        :return: a JSON list of :class:`~minidock.trace.step.PlannedStep`.
        :raises Unsupported: the spec asks for something that would be ignored.
        :raises InvalidArgument: the spec makes no sense.
        """

    @op("monitor.start")
    def monitor(self, id: str, bundle: str) -> int:
        """Start a monitor process for container *id*; return our end of its control socket, a file descriptor.

        The monitor waits for its request (:mod:`minidock.kernel.protocol`). It is no child of ours when this returns:
        it outlives the engine, unless the socket closes before it was told to go.
        """

    def init_program(self) -> str:
        """Return the path of a static program that can be process 1 of any container (``--init``).

        :raises Unavailable: it is not there.
        """

    def command(self, *words: str) -> list[str]:
        """Return the argument vector that runs this launcher as a program, ``runtime run BUNDLE`` for example."""


class Kernel(msgspec.Struct, frozen=True):
    """All ports together."""

    name: str
    launch: Launch
    mounts: Mounts
    layers: Layers
    links: Links
    cgroups: Cgroups


#: For code that goes over all of them: the field's name in :class:`Kernel` and its Protocol.
PORTS: Mapping[str, type] = {
    "launch": Launch,
    "mounts": Mounts,
    "layers": Layers,
    "links": Links,
    "cgroups": Cgroups,
}
