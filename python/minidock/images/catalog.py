"""The images of a store, as the rest of this feature reads them.

A row says what an image is, its blobs hold the documents: this module brings both together and changes nothing.
Docker keeps a *digest reference* (``busybox@sha256:…``) beside a tag that was pulled; here it is derived from the tag's
row, whose ``target`` is the digest that the registry gave: so the two can never disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from minidock.errors import NotFound
from minidock.images.resolve import not_found, resolve
from minidock.oci.digest import Digest
from minidock.oci.image import ImageConfig, chain_ids
from minidock.oci.reference import Reference, parse_reference
from minidock.store.rows import ImageRow, NameRow
from minidock.store.store import Store


class StoredImage(msgspec.Struct, frozen=True):
    """One image: its row and its names, in the order of their text."""

    row: ImageRow
    names: tuple[NameRow, ...]

    @property
    def tags(self) -> tuple[Reference, ...]:
        """The names with a tag."""
        return tuple(reference for reference in map(_reference, self.names) if reference.tag is not None)

    @property
    def digests(self) -> tuple[Reference, ...]:
        """The names with the digest that a registry gave."""
        found = {reference for reference in map(_reference, self.names) if reference.digest is not None}
        for row in self.names:
            if row.target is not None:
                found.add(_reference(row).with_digest(row.target))
        return tuple(sorted(found, key=str))


class Extras(msgspec.Struct, frozen=True):
    """Fields of a configuration that Docker shows and nothing else uses."""

    docker_version: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")


class Catalog:
    """The images of *store*. It is a :class:`~minidock.images.resolve.Known`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def named(self, name: str) -> Digest | None:
        rows = self._store.rows
        row = rows.names.get(name)
        if row is not None:
            return row.image
        repository, at, digest = name.partition("@")
        if at:
            targets = rows.names.find(target=digest)
            return next((row.image for row in targets if _reference(row).name == repository), None)
        return None

    def starting(self, digits: str) -> Sequence[Digest]:
        return [row.id for row in self._store.rows.images.find_prefix("id", f"sha256:{digits}")]

    def find(self, text: str) -> StoredImage:
        """Return the image that a person calls *text*.

        :raises NotFound: with Docker's message.
        :raises InvalidReference: *text* is neither a name nor an id.
        """
        image = resolve(text, self)
        if image is None:
            raise NotFound(not_found(text))
        return self.get(image)

    def get(self, image: Digest) -> StoredImage:
        """Return the image with this id.

        :raises NotFound: there is none.
        """
        rows = self._store.rows
        row = rows.images.get(image)
        if row is None:
            raise NotFound(f"No such image: {image}")
        return StoredImage(row, tuple(rows.names.find(image=image)))

    def all(self) -> list[StoredImage]:
        """Return all images."""
        rows = self._store.rows
        names: dict[Digest, list[NameRow]] = {}
        for name in rows.names.all():
            names.setdefault(name.image, []).append(name)
        return [StoredImage(row, tuple(names.get(row.id, ()))) for row in rows.images.all()]

    def config(self, image: Digest) -> ImageConfig:
        """Return an image's configuration.

        :raises NotFound: its blob is gone.
        :raises StoreDamaged: its blob is broken.
        """
        return self._store.blobs.read_json(image, ImageConfig, f"configuration {image.short}")

    def extras(self, image: Digest) -> Extras:
        """Return the fields of an image's configuration that are only shown."""
        return self._store.blobs.read_json(image, Extras, f"configuration {image.short}")

    def layer_sizes(self, config: ImageConfig) -> list[int]:
        """Return what each layer adds, in bytes, the lowest first."""
        snapshots = self._store.rows.snapshots
        sizes = []
        for chain in chain_ids(config.rootfs.diff_ids):
            found = snapshots.find(chain=chain)
            sizes.append(found[0].size if found else 0)
        return sizes


def _reference(row: NameRow) -> Reference:
    return parse_reference(row.name, default_tag=False)
