"""Stores for tests: on a tmpfs, gone afterwards, with helpers that fill them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import PYTHON_PATH

from minidock.oci.codec import encode
from minidock.oci.digest import Digest
from minidock.oci.image import ImageConfig, RootFS, chain_ids
from minidock.oci.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, Manifest
from minidock.store.layout import Layout
from minidock.store.leases import Lease
from minidock.store.rows import BlobRef, ContainerRow, ImageRow, NameRow
from minidock.store.store import Store
from minidock.store.tree import remove_tree
from minidock.trace.recorder import Listener, Recorder
from minidock.trace.step import Args, Step


class Steps:
    """A listener that keeps the steps."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def planned(self, steps: Sequence[Step]) -> None: ...

    def began(self, step: Step) -> None: ...

    def ended(self, step: Step) -> None:
        self.steps.append(step)

    @property
    def ops(self) -> list[str]:
        return [step.op for step in self.steps]


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A folder on a tmpfs."""
    folder = tempfile.mkdtemp(prefix="minidock-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        yield folder
    finally:
        remove_tree(folder)


def layout_in(folder: str) -> Layout:
    return Layout(f"{folder}/root", f"{folder}/run")


def open_store(layout: Layout, *listeners: Listener, overlay: str = "overlay", dry: bool = False) -> Store:
    return Store(layout, Recorder(listeners), probe=lambda _: overlay, dry=dry)


def digest_of(data: bytes | str) -> Digest:
    return Digest.from_hex(hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest())


def apply_layers(store: Store, names: Sequence[str], lease: Lease | None = None) -> Digest | None:
    """Apply layers, each with one file of its name; return the topmost chainID."""
    if lease is None:
        with store.lease("apply") as own:
            return apply_layers(store, names, own)
    chains = chain_ids(tuple(digest_of(name) for name in names))
    prepared = []
    for position, name in enumerate(names):
        parent = chains[position - 1] if position else None
        layer = store.snapshots.prepare_layer(lease, chains[position], parent)
        if layer is not None:
            Path(layer.path, f"file-{name}").write_text(name)
            layer.size = len(name)
            prepared.append(layer)
    store.snapshots.commit(prepared)
    return chains[-1] if chains else None


def add_image(store: Store, name: str, layers: Sequence[str]) -> ImageRow:
    """Make an image whose layers are their names' bytes, as a pull would: under one lease, the rows last."""
    blobs = [(digest_of(layer), layer.encode()) for layer in layers]
    config = ImageConfig(
        architecture="amd64", os="linux", rootfs=RootFS(diff_ids=tuple(d for d, _ in blobs)), author=name
    )
    config_bytes = encode(config)
    config_digest = digest_of(config_bytes)
    manifest = Manifest(
        config=Descriptor(OCI_CONFIG, config_digest, len(config_bytes)),
        layers=tuple(Descriptor(OCI_LAYER, digest, len(data)) for digest, data in blobs),
    )
    manifest_bytes = encode(manifest)
    manifest_digest = digest_of(manifest_bytes)
    refs = [
        BlobRef(config_digest, manifest_digest, "manifest", OCI_MANIFEST, len(manifest_bytes)),
        BlobRef(config_digest, config_digest, "config", OCI_CONFIG, len(config_bytes)),
        *(BlobRef(config_digest, d, "layer", OCI_LAYER, len(data), n) for n, (d, data) in enumerate(blobs)),
    ]
    with store.lease(f"pull {name}") as lease:
        for data in (manifest_bytes, config_bytes, *(data for _, data in blobs)):
            store.blobs.add(lease, data)
        chain = apply_layers(store, layers, lease)
        row = ImageRow(
            id=config_digest,
            manifest=manifest_digest,
            media_type=OCI_MANIFEST,
            os="linux",
            architecture="amd64",
            added=1,
            size=sum(len(data) for _, data in blobs),
            chain=chain,
        )
        with store.transaction(f"image {name}") as rows:
            rows.images.put(row)
            for ref in refs:
                rows.blobs.put(ref)
            rows.names.put(NameRow(name, config_digest, manifest_digest))
    return row


def add_container(store: Store, name: str, chain: Digest | None) -> ContainerRow:
    """Make a container as ``create`` would: folders and rows, with one commit."""
    key = digest_of(f"container {name}").hex
    with store.naming():
        snapshot = store.snapshots.writable(key, chain)
        store.disk.folder(store.layout.container(key))
        store.disk.write(f"{store.layout.container(key)}/config.json", b"{}")
        row = ContainerRow(id=key, name=name, image="", image_name="", created=1, snapshot=key)
        with store.transaction(f"container {name}") as rows:
            rows.snapshots.add(snapshot)
            rows.containers.add(row)
    return row


def no_undo(op: str, args: Args) -> None:
    raise AssertionError(f"nothing was to be undone: {op} {args}")


def run_python(code: str, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, with the package and the tests importable."""
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, "PYTHONPATH": PYTHON_PATH, **(env or {})},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def in_child(action: Callable[[], object]) -> int:
    """Run *action* in a forked process; return its wait status: 0, or 1 << 8 if it raised, or the killing signal."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]
