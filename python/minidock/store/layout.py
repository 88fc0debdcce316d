"""The disk, drawn once: every path of the engine is made here.

::

    <root>                            /var/lib/minidock, $XDG_DATA_HOME/minidock, --root, MINIDOCK_ROOT       0710
    ├── minidock.db                   metadata (SQLite, WAL, FULL): names, images, snapshots, containers, leases
    ├── blobs/sha256/<hex>            content by digest: layers as they came, manifests, configurations
    ├── ingest/                       what is not whole yet: <hex>.part stays over runs, to be resumed
    ├── snapshots/<id>/
    │   ├── fs/                       a layer's files (committed), or the writable folder of a container
    │   └── work/                     overlay's scratch folder, beside a writable one
    ├── containers/<id>/
    │   ├── config.json  rootfs/      the OCI bundle
    │   ├── plan.json                 the launch plan of the last start
    │   ├── hostname hosts resolv.conf     mounted into the container
    │   ├── <id>-json.log             its output
    │   ├── exit                      how it ended; written by the monitor, whole
    │   ├── trace.jsonl               its steps
    │   └── started.jsonl             the teardown list of its run: undone, last first, when it ends
    ├── volumes/<name>/_data
    ├── damaged-<time>/               what ``system check --repair`` has put aside; never touched again
    └── tmp/<purpose>.<random>/       scratch: locked by its maker, emptied by gc

    <run>                             /run/minidock/<short id of the root>, $XDG_RUNTIME_DIR/minidock/…         0700
    ├── locks/                        flock(2): gc, metadata, state, one per layer or container being changed
    ├── journal/<operation>.journal   how to undo what is being done now
    ├── state.db                      what runs (SQLite, synchronous OFF)
    ├── netns/<container id>          pinned network namespaces
    └── containers/<id>/monitor.sock  the monitor's door

The short id, four hexadecimal digits of the root's path, also marks our cgroup (``minidock-<id>``), our links
(``md<id>…``) and our nftables table (``minidock-<id>``): engines with different roots on one machine never meet.
"""

from __future__ import annotations

import hashlib
import os

import msgspec

from minidock.oci.digest import Digest


class Layout(msgspec.Struct, frozen=True):
    """The paths of one engine: *root* on the disk, *run* on a tmpfs; both absolute, without links."""

    root: str
    run: str

    @property
    def short_id(self) -> str:
        """Four hexadecimal digits that mark all that belongs to this root."""
        return hashlib.sha256(self.root.encode()).hexdigest()[:4]

    @property
    def database(self) -> str:
        return f"{self.root}/minidock.db"

    @property
    def state_database(self) -> str:
        return f"{self.run}/state.db"

    @property
    def ingest(self) -> str:
        return f"{self.root}/ingest"

    @property
    def tmp(self) -> str:
        return f"{self.root}/tmp"

    @property
    def journals(self) -> str:
        return f"{self.run}/journal"

    def blob(self, digest: Digest) -> str:
        return f"{self.root}/blobs/sha256/{digest.hex}"

    def snapshot(self, key: str) -> str:
        return f"{self.root}/snapshots/{key}"

    def container(self, key: str) -> str:
        return f"{self.root}/containers/{key}"

    def volume(self, name: str) -> str:
        return f"{self.root}/volumes/{name}"

    def container_run(self, key: str) -> str:
        return f"{self.run}/containers/{key}"

    def netns(self, key: str) -> str:
        return f"{self.run}/netns/{key}"

    def lock(self, name: str) -> str:
        return f"{self.run}/locks/{name}"

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder that stands before anything else is done."""
        below_root = ("blobs/sha256", "ingest", "snapshots", "containers", "volumes", "tmp")
        below_run = ("locks", "journal", "netns", "containers")
        return (*(f"{self.root}/{name}" for name in below_root), *(f"{self.run}/{name}" for name in below_run))


def find_layout(root: str | None = None, user: int | None = None) -> Layout:
    """Return the layout for *root*, by default that of ``MINIDOCK_ROOT`` or of *user*, by default this process's.

    In a user namespace that it has joined a process is user 0; its *user* is who it was before.
    """
    user = os.geteuid() if user is None else user
    privileged = user == 0
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    default = "/var/lib/minidock" if privileged else f"{home}/minidock"
    path = os.path.realpath(root or os.environ.get("MINIDOCK_ROOT") or default)
    runtime = "/run" if privileged else os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/minidock-{user}"
    base = os.environ.get("MINIDOCK_RUN") or f"{runtime}/minidock"
    return Layout(path, f"{base}/{Layout(path, '').short_id}")
