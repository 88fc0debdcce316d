"""Small images for tests: made in memory, written as an OCI layout, which skopeo can push."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from minidock.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST


class Image(msgspec.Struct):
    """An image in memory: its manifest's and its configuration's bytes, and its blobs by digest."""

    manifest: bytes
    config: bytes
    layers: list[bytes]
    media_type: str = OCI_MANIFEST

    @property
    def blobs(self) -> dict[str, bytes]:
        return {sha256(data): data for data in (self.config, *self.layers)}


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files: dict[str, bytes]) -> bytes:
    """Return a tar of regular files, always the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def image(tars: Sequence[bytes], **config: Any) -> Image:
    """Return an image of these layers, each compressed by gzip."""
    layers = [gzip.compress(data, 1, mtime=0) for data in tars]
    plain = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(data) for data in tars]},
    }
    document = json.dumps(plain | config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(document, OCI_CONFIG),
        "layers": [descriptor(data, OCI_LAYER_GZIP) for data in layers],
    }
    return Image(json.dumps(manifest).encode(), document, layers)


def with_manifest(made: Image, **changes: Any) -> Image:
    """The same image with other fields in its manifest."""
    plain = json.loads(made.manifest) | changes
    return Image(json.dumps(plain).encode(), made.config, made.layers, plain.get("mediaType", OCI_MANIFEST))


def descriptor(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)} | more


def write_layout(folder: Path, images: dict[str, Image]) -> None:
    """Write images, by tag, as an OCI layout."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries = []
    for tag, made in images.items():
        for data in (made.manifest, *made.blobs.values()):
            (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
        name = {"org.opencontainers.image.ref.name": tag}
        entries.append(descriptor(made.manifest, OCI_MANIFEST, annotations=name))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    (folder / "index.json").write_text(json.dumps(index))
