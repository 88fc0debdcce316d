"""A store and a client for one pull under test, and what must hold of a store whatever happened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from minidock.images.pull import Puller
from minidock.kernel.choose import chosen_name
from minidock.kernel.dry import DryLayers
from minidock.kernel.ports import Layers
from minidock.oci.platform import Platform
from minidock.oci.reference import Reference, parse_reference
from minidock.registry.client import RegistryClient
from minidock.registry.credentials import Credential
from minidock.registry.hosts import RegistryHosts
from minidock.registry.transport import Limits
from minidock.store.check import ERROR, check
from minidock.store.layout import Layout
from minidock.store.store import Store
from minidock.trace.recorder import Listener, Recorder, recorded
from minidock.trace.step import Step


class Words:
    """Keeps what a pull says: ``(id, status)``."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def status(self, id: str, status: str, current: int = 0, total: int = 0) -> None:
        self.said.append((id, status))

    @property
    def last(self) -> str:
        return self.said[-1][1]


class Steps:
    """Keeps the steps that ended."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def planned(self, steps: Any) -> None: ...

    def began(self, step: Step) -> None: ...

    def ended(self, step: Step) -> None:
        self.steps.append(step)

    def of(self, op: str) -> list[Step]:
        return [step for step in self.steps if step.op == op]


def chosen_layers() -> Layers:
    """Return the port Layers of the chosen kernel alone: a pull needs no other."""
    if chosen_name() == "native":
        from minidock.kernel.native.layers import NativeLayers

        return NativeLayers()
    from minidock._pure.layers import PureLayers

    return PureLayers()


class Lab:
    """One store, one client, one puller. ``waits`` are the pauses that the client asked for; none is real."""

    def __init__(self, root: Path, listeners: Sequence[Listener] = (), dry: bool = False, **client: Any) -> None:
        self.steps = Steps()
        self.waits: list[float] = []
        self.words = Words()
        recorder = Recorder([self.steps, *listeners])
        self.store = Store(Layout(str(root / "root"), str(root / "run")), recorder, probe=lambda _: "overlay", dry=dry)
        self.client = self.new_client(**client)
        layers = DryLayers(chosen_layers()) if dry else chosen_layers()
        self.layers: Layers = recorded(layers, Layers, recorder)  # type: ignore[type-abstract]

    def new_client(
        self,
        hosts: RegistryHosts | None = None,
        credentials: dict[str, Credential] | None = None,
        limits: Limits | None = None,
    ) -> RegistryClient:
        return RegistryClient(
            hosts or RegistryHosts(certificates=()), (credentials or {}).get, limits=limits, sleep=self.waits.append
        )

    def pull(self, name: str | Reference, platform: Platform | None = None) -> str:
        self.words = Words()
        reference = parse_reference(name) if isinstance(name, str) else name
        return Puller(self.store, self.layers, self.client).pull(reference, platform, self.words)

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.store.rows.names.all()]

    def blob_files(self) -> set[str]:
        return set(os.listdir(f"{self.store.layout.root}/blobs/sha256"))

    def parts(self) -> dict[str, int]:
        """Return what is left of unfinished downloads: name and size."""
        return {entry.name: entry.stat().st_size for entry in os.scandir(self.store.layout.ingest)}

    def assert_nothing_committed(self) -> None:
        """No name, no image, no layer, nothing half-made; every blob that is there is what its name says."""
        rows = self.store.rows
        assert (rows.names.all(), rows.images.all(), rows.snapshots.all()) == ([], [], [])
        assert os.listdir(f"{self.store.layout.root}/snapshots") == []
        assert os.listdir(self.store.layout.tmp) == []
        self.assert_sound()

    def assert_sound(self) -> None:
        """Every blob is what its name says, and ``system check`` finds nothing broken."""
        for name in self.blob_files():
            data = Path(f"{self.store.layout.root}/blobs/sha256/{name}").read_bytes()
            assert hashlib.sha256(data).hexdigest() == name
        assert [finding for finding in check(self.store) if finding.severity == ERROR] == []

    def tree(self) -> dict[str, bytes]:
        """Return the files of all committed layers by name, as an image of one layer has them."""
        found: dict[str, bytes] = {}
        for folder, _, names in os.walk(f"{self.store.layout.root}/snapshots"):
            for name in names:
                path = Path(folder) / name
                found[str(path).partition("/fs/")[2]] = path.read_bytes()
        return found


@contextmanager
def lab(root: Path, **client: Any) -> Iterator[Lab]:
    """Open a :class:`Lab` below *root*."""
    made = Lab(root, **client)
    try:
        yield made
    finally:
        made.client.close()
        made.store.close()


def fast(seconds: float = 1.0) -> Limits:
    """Limits for a test with a server that stalls."""
    return msgspec.structs.replace(Limits(), silence=seconds)
