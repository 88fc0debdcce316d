"""The last step of every door: an image gets its rows, and with them its names. Before it there is no image.

One transaction writes what the image is (``images``), which blobs it needs (``image_blobs``), and what it is called
(``names``). All of these blobs and layers are in the store by then, kept by the caller's lease.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from minidock.errors import StoreDamaged
from minidock.images.times import created_ns
from minidock.images.verify import Plan
from minidock.oci.digest import Digest
from minidock.oci.manifest import Descriptor
from minidock.oci.reference import Reference
from minidock.store.metadata import Tables
from minidock.store.rows import BlobRef, ImageRow, NameRow
from minidock.store.snapshots import layer_key


class NewImage(msgspec.Struct, frozen=True):
    """An image that is whole in the store.

    :param plan: its checked documents.
    :param manifest: the manifest's own blob.
    :param indexes: the index that led to it, if one did, and the indexes inside that.
    :param target: the digest that the registry gave for the name, ``None`` if it came another way.
    """

    plan: Plan
    manifest: Descriptor
    indexes: tuple[Descriptor, ...] = ()
    target: Digest | None = None

    @property
    def id(self) -> Digest:
        """The image's id: the digest of its configuration."""
        return self.config.digest

    @property
    def config(self) -> Descriptor:
        """The configuration's blob."""
        if self.plan.manifest.config is None:
            raise StoreDamaged(f"manifest {self.manifest.digest} has no configuration")
        return self.plan.manifest.config


def record_image(rows: Tables, image: NewImage, names: Sequence[Reference]) -> Digest:
    """Write the rows of an image inside an open transaction, and return its id. Idempotent; names move to it."""
    config, layers = image.plan.config, image.plan.layers
    chain = layers[-1].chain_id if layers else None
    rows.images.put(
        ImageRow(
            id=image.id,
            manifest=image.manifest.digest,
            media_type=image.manifest.media_type,
            os=config.os,
            architecture=config.architecture,
            variant=config.variant,
            created=created_ns(config.created),
            added=time.time_ns(),
            size=sum(row.size for layer in layers if (row := rows.snapshots.get(layer_key(layer.chain_id)))),
            chain=chain,
        )
    )
    parts = [("index", number, blob) for number, blob in enumerate(image.indexes)]
    parts += [("manifest", 0, image.manifest), ("config", 0, image.config)]
    parts += [("layer", number, layer.blob) for number, layer in enumerate(layers)]
    for kind, position, blob in parts:
        rows.blobs.put(BlobRef(image.id, blob.digest, kind, blob.media_type, blob.size, position))
    for name in names:
        rows.names.put(NameRow(str(name), image.id, image.target))
    return image.id
