"""From a checked image to a stored one: the way that ``load``, ``import`` and ``bootstrap`` share.

::

    lease ─┬─ each layer:  bytes ──▶ blob (digest checked)
           ├─ each layer:  blob ──▶ snapshot (diffID checked), the lowest first, each once
           ├─ configuration and manifest ──▶ blobs
           └─ one transaction: images and names                ◀── the commit point

If anything fails before the last line, no name has changed and no image has come; what was fetched is left to the
collector, which the lease holds back for a day, so that a second try finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from minidock.api import Progress
from minidock.images.record import NewImage, record_image
from minidock.images.unpack import Unpacker
from minidock.images.verify import LayerPlan, Plan
from minidock.kernel.ports import Layers
from minidock.oci.digest import Digest
from minidock.oci.manifest import Descriptor
from minidock.oci.reference import Reference
from minidock.store.leases import Lease
from minidock.store.store import Store


class Incoming(msgspec.Struct, frozen=True):
    """A checked image that is still outside. ``chunks`` yields the bytes of a layer's blob."""

    id: Digest
    plan: Plan
    manifest: bytes
    config: bytes
    chunks: Callable[[LayerPlan], Iterator[bytes]]
    names: tuple[Reference, ...] = ()


def accept_images(store: Store, layers: Layers, images: Sequence[Incoming], what: str, progress: Progress) -> None:
    """Bring *images* into the store, all or none.

    :param what: what is done, for the lease and the commit: ``load``.
    :raises DigestMismatch: bytes are not what their digest says.
    :raises InvalidArchive: a layer breaks the format, or wants to leave its folder.
    """
    with store.lease(what) as lease:
        new = [_accept(store, layers, lease, image, progress) for image in images]
        with store.transaction(what) as rows:
            for image, stored in zip(images, new, strict=True):
                record_image(rows, stored, image.names)


def _accept(store: Store, layers: Layers, lease: Lease, image: Incoming, progress: Progress) -> NewImage:
    for layer in image.plan.layers:
        _ingest(store, lease, image, layer, progress)
    with Unpacker(store.snapshots, layers, lease) as unpacker:
        for layer in image.plan.layers:
            unpacker.apply(layer, store.layout.blob(layer.blob.digest))
        unpacker.commit()
    store.blobs.add(lease, image.config)
    manifest = store.blobs.add(lease, image.manifest)
    return NewImage(image.plan, Descriptor(image.plan.manifest.media_type, manifest, len(image.manifest)))


def _ingest(store: Store, lease: Lease, image: Incoming, layer: LayerPlan, progress: Progress) -> None:
    lease.keep_blob(layer.blob.digest)
    if store.dry:
        return  # the dry run ends when the layer is to be applied
    ingest = store.blobs.ingest(lease, layer.blob.digest, layer.blob.size)
    if ingest is None:
        return
    with ingest:
        ingest.restart()  # an archive is read from its beginning, whatever an earlier try has left
        for chunk in image.chunks(layer):
            ingest.write(chunk)
            progress.status(layer.diff_id.short, "Loading layer", ingest.offset, layer.blob.size)
        ingest.commit()
