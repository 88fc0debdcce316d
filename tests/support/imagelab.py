"""A store in a folder with images in it, no engine and no root needed; and archives to load, good and bad."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.support.images import sha256

from minidock._pure.layers import PureLayers
from minidock.images.images import SilentProgress, StoreImages
from minidock.kernel.native.layers import NativeLayers
from minidock.kernel.ports import Layers
from minidock.oci.platform import Platform
from minidock.oci.reference import Reference
from minidock.store.layout import Layout
from minidock.store.store import Store

QUIET = SilentProgress()

#: Both twins of the port that all doors use.
TWINS: dict[str, Callable[[], Layers]] = {"native": NativeLayers, "pure": PureLayers}


def no_pull(reference: Reference, platform: Platform | None, progress: object) -> str:
    raise AssertionError(f"nothing is to be pulled, {reference} was asked for")


class ImageLab:
    """Images over a store of their own, without overlay: each layer is a copy of its parent's files."""

    def __init__(self, folder: Path, twin: str = "native") -> None:
        self.store = Store(Layout(str(folder / "root"), str(folder / "run")), probe=lambda _: "none")
        self.images = StoreImages(self.store, TWINS[twin](), no_pull)

    def load(self, data: bytes) -> Sequence[str]:
        return self.images.load(io.BytesIO(data), QUIET)

    def files(self, image: str) -> dict[str, bytes]:
        """The regular files of an image's topmost layer, by path."""
        chain = self.images.resolve(image).chain
        assert chain is not None
        root = self.store.snapshots.layers_of(chain)[0]
        found = {}
        for folder, _, names in os.walk(root):
            for name in names:
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink():
                    found[str(path.relative_to(root))] = path.read_bytes()
        return found

    def is_empty(self) -> bool:
        """Nothing has a name, nothing is recorded."""
        rows = self.store.rows
        return not (rows.images.all() or rows.names.all() or rows.blobs.all())


Member = tuple[str, bytes] | tarfile.TarInfo


def archive(members: Iterable[Member]) -> bytes:
    """Return a tar of these members, in this order, whatever they are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def symlink(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def config_of(tars: Sequence[bytes], **more: Any) -> bytes:
    plain = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(data) for data in tars]},
    }
    return json.dumps(plain | more).encode()


def docker_members(
    tars: Sequence[bytes], tags: Sequence[str] | None, blobs: Sequence[bytes] | None = None, **config: Any
) -> dict[str, bytes]:
    """Return the members of a docker archive of one image; change them to make it a bad one.

    :param blobs: the layers as they stand in the archive, if not as plain tars.
    """
    document = config_of(tars, **config)
    name = f"{sha256(document)[7:]}.json"
    layers = {f"layer{number}/layer.tar": data for number, data in enumerate(blobs or tars)}
    manifest = [{"Config": name, "RepoTags": tags and list(tags), "Layers": list(layers)}]
    return {"manifest.json": json.dumps(manifest).encode(), name: document, **layers}
