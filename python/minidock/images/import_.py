"""``minidock import``: a tar of files becomes an image of one layer.

The layer is the tar as it is, uncompressed: so its diffID is the digest of its bytes. Only what follows the archive's
end is dropped where it is long: gigabytes of zeros there mean nothing (CVE-2017-14992).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from minidock.api import Progress
from minidock.errors import InvalidArchive
from minidock.images.accepting import Incoming, accept_images
from minidock.images.archive.image import digest_bytes
from minidock.images.archive.source import Entry
from minidock.images.archive.spool import Spool, spool
from minidock.images.changes import apply_changes
from minidock.images.times import format_time
from minidock.images.verify import plan_image
from minidock.kernel.ports import Layers
from minidock.oci.codec import encode
from minidock.oci.digest import Digest
from minidock.oci.image import ExecutionConfig, History, ImageConfig, RootFS
from minidock.oci.manifest import OCI_CONFIG, OCI_LAYER, Descriptor, Manifest
from minidock.oci.platform import Platform, host_platform
from minidock.oci.reference import Reference
from minidock.store.store import Store

_CHUNK = 1 << 20
_BLOCK = 512
#: How much may follow the archive's end: tar pads to its record size.
_PADDING = 1 << 20


class OneLayer(msgspec.Struct, frozen=True):
    """What an image of one layer is made of, beside the layer."""

    config: ExecutionConfig
    history: History
    names: tuple[Reference, ...] = ()
    platform: Platform = msgspec.field(default_factory=host_platform)


def import_tar(
    store: Store,
    layers: Layers,
    archive: BinaryIO,
    reference: Reference | None,
    changes: Sequence[str],
    message: str,
    progress: Progress,
) -> Digest:
    """Import a tar, plain or compressed by gzip, zstd, xz or bzip2; return the image's id.

    :raises InvalidArgument: a change is no instruction that is allowed here.
    :raises InvalidArchive: the tar breaks its format, or wants to leave its folder.
    """
    config = apply_changes(ExecutionConfig(), changes)  # first: a typing error must cost nothing
    created = format_time(time.time_ns())
    history = History(created=created, comment=message or "Imported from -")
    made = OneLayer(config, history, (reference,) if reference else ())
    with spool(archive, "/tmp" if store.dry else store.layout.tmp, own=True) as plain:
        _drop_tail(plain, layers.entries(plain.path, "none"))
        return accept_layer(store, layers, plain, layers.digest_file(plain.path), made, "import", progress)


def accept_layer(
    store: Store, layers: Layers, tar: Spool, diff_id: Digest, made: OneLayer, what: str, progress: Progress
) -> Digest:
    """Bring an image whose one layer is the plain *tar* into the store; return its id."""
    blob = Descriptor(OCI_LAYER, diff_id, tar.size)
    document = ImageConfig(
        architecture=made.platform.architecture,
        os=made.platform.os,
        variant=made.platform.variant,
        rootfs=RootFS(diff_ids=(diff_id,)),
        created=made.history.created,
        config=made.config,
        history=(made.history,),
    )
    config = encode(document)
    image = digest_bytes(config)
    manifest = Manifest(config=Descriptor(OCI_CONFIG, image, len(config)), layers=(blob,))
    plan = plan_image(manifest, document, what, InvalidArchive)
    incoming = Incoming(image, plan, encode(manifest), config, lambda _: tar.chunks(), made.names)
    accept_images(store, layers, [incoming], what, progress)
    return image


def _drop_tail(plain: Spool, entries: bytes) -> None:
    """Cut what follows the two zero blocks that end a tar, if it is more than padding."""
    last = entries.rstrip(b"\n").rpartition(b"\n")[2]
    if not last:
        return
    entry = msgspec.json.decode(last, type=Entry)
    size = entry.size if entry.type == "file" else 0
    end = entry.offset + -(-size // _BLOCK) * _BLOCK + 2 * _BLOCK
    if plain.size > end + _PADDING:
        plain.cut(end)
