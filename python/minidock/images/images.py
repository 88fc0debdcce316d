"""The images of one engine: :class:`minidock.api.Images` over a store.

Each method is one use case on a page of its own; this class wires them to the store and the kernel's ports.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol

import msgspec

from minidock.api import Deleted, HistoryItem, ImageSummary, Progress
from minidock.errors import InvalidReference
from minidock.images.catalog import Catalog, StoredImage
from minidock.images.removal import User, plan_removal
from minidock.images.resolve import ALIASES, alias
from minidock.images.tagging import forget_image, last_tagged, name_image
from minidock.kernel.ports import Layers
from minidock.oci.digest import Digest
from minidock.oci.image import ImageConfig
from minidock.oci.platform import Platform
from minidock.oci.reference import Reference, parse_reference
from minidock.store.store import Store


class Pull(Protocol):
    """Pulls an image from its registry, and returns its id."""

    def __call__(self, reference: Reference, platform: Platform | None, progress: Progress) -> str: ...


class FoundImage(msgspec.Struct, frozen=True):
    """An image that a container is to be made of."""

    id: Digest
    config: ImageConfig
    chain: Digest | None


class SilentProgress:
    """Progress that nobody watches."""

    def status(self, id: str, status: str, current: int = 0, total: int = 0) -> None:
        """Nothing."""


class StoreImages:
    """Images over *store*.

    :param layers: the port, recorded.
    :param pull: pulls; it is given by the engine, so that nothing of it is loaded before an image is pulled.
    """

    def __init__(self, store: Store, layers: Layers, pull: Pull) -> None:
        self._store = store
        self._layers = layers
        self._pull = pull
        self._catalog = Catalog(store)

    def resolve(self, text: str) -> FoundImage:
        """Return the image that a person calls *text*.

        :raises NotFound: ``No such image: busybox:latest``.
        :raises InvalidReference: *text* is neither a name nor an id.
        """
        row = self._catalog.find(text).row
        return FoundImage(row.id, self._catalog.config(row.id), row.chain)

    def pull(self, reference: Reference, platform: Platform | None, progress: Progress) -> str:
        return self._pull(reference, platform, progress)

    def load(self, archive: BinaryIO, progress: Progress) -> Sequence[str]:
        from minidock.images.load import load_archive

        return load_archive(self._store, self._layers, archive, progress)

    def load_folder(self, folder: str, progress: Progress) -> Sequence[str]:
        """Load all images of the OCI image layout in *folder*, as :meth:`load` does from an archive."""
        from minidock.images.load import load_folder

        return load_folder(self._store, self._layers, folder, progress)

    def import_(self, archive: BinaryIO, reference: Reference | None, changes: Sequence[str], message: str) -> str:
        from minidock.images.import_ import import_tar

        _refuse_digest(reference)
        store, layers = self._store, self._layers
        return import_tar(store, layers, archive, reference, changes, message, SilentProgress())

    def bootstrap(self, kind: str) -> str:
        from minidock.images.bootstrapping import bootstrap_image

        return str(bootstrap_image(self._store, self._layers, kind, SilentProgress()))

    def list(self, filters: Mapping[str, Sequence[str]], all: bool) -> Sequence[ImageSummary]:
        """List images, the newest first. *all* adds nothing: there are no images that only other images need."""
        from minidock.images.listing import Candidate, check_filters, summaries

        check_filters(filters)
        containers = self._store.rows.containers
        candidates = [
            Candidate(image, _labels(self._catalog.config(image.row.id)), len(containers.find(image=image.row.id)))
            for image in self._catalog.all()
        ]
        return summaries(candidates, filters, lambda name: self._catalog.find(name).row.created, time.time_ns())

    def tag(self, source: str, target: Reference) -> None:
        _refuse_digest(target)
        image = self._catalog.find(source).row.id
        with self._store.transaction(f"tag {target.familiar}") as rows:
            name_image(rows, image, target)

    def remove(self, image: str, force: bool, prune: bool) -> Sequence[Deleted]:
        """Untag, and delete when the last name goes.

        :param prune: remove at once what only this image needed; otherwise it is left to the collector.
        :raises NotFound: there is no such image.
        :raises Conflict: a container uses it, or it has names in several repositories.
        """
        from minidock.images.sweeping import sweep_image

        with self._store.transaction(f"remove {image}") as rows:  # decided and done under one lock
            found = self._catalog.find(image)
            chains, blobs = self._chains(found), [blob.digest for blob in rows.blobs.find(image=found.row.id)]
            plan = plan_removal(found, image, self._reference(image, found), self._users(found), force)
            for name in plan.names:
                rows.names.remove(name)
            if plan.delete:
                forget_image(rows, found.row.id)
        deleted = [Deleted(untagged=text) for text in plan.untagged]
        if plan.delete:
            deleted.append(Deleted(deleted=found.row.id))
        if plan.delete and prune:
            deleted += [Deleted(deleted=chain) for chain in sweep_image(self._store, chains, blobs)]
        return deleted

    def inspect(self, image: str) -> dict[str, object]:
        from minidock.images.inspecting import Storage, inspect_image

        found = self._catalog.find(image)
        key, chain = found.row.id, found.row.chain
        snapshots = self._store.snapshots
        folders = snapshots.layers_of(chain) if chain else ()
        storage = Storage(snapshots.driver, folders, last_tagged(self._store.rows, key))
        return inspect_image(found, self._catalog.config(key), self._catalog.extras(key), storage)

    def history(self, image: str) -> Sequence[HistoryItem]:
        from minidock.images.inspecting import image_history

        found = self._catalog.find(image)
        config = self._catalog.config(found.row.id)
        return image_history(found, config, self._catalog.layer_sizes(config))

    def _reference(self, text: str, found: StoredImage) -> Reference | None:
        """Return the name that *text* is, or ``None`` if it is (the beginning of) the image's id."""
        if found.row.id.startswith(text) or found.row.id.hex.startswith(text):
            return None
        reference = parse_reference(text)
        known = {str(name) for name in (*found.tags, *found.digests)}
        if str(reference) in known:
            return reference
        return alias(text) if text in ALIASES else reference.with_digest(reference.digest) if reference.digest else None

    def _users(self, found: StoredImage) -> Sequence[User]:
        running = self._store.state.running
        rows = self._store.rows.containers.find(image=found.row.id)
        return [User(row.id, running.get(row.id) is not None) for row in rows]

    def _chains(self, found: StoredImage) -> Sequence[Digest]:
        """Return the image's layers by the rows of the store: a damaged image must be removable too."""
        snapshots = self._store.rows.snapshots
        top = snapshots.find(chain=found.row.chain) if found.row.chain else []
        chains, row = [], top[0] if top else None
        while row is not None and row.chain is not None:
            chains.append(row.chain)
            row = snapshots.get(row.parent) if row.parent else None
        return chains


def _labels(config: ImageConfig) -> dict[str, str] | None:
    return config.config.labels if config.config else None


def _refuse_digest(reference: Reference | None) -> None:
    if reference is not None and reference.digest is not None:
        raise InvalidReference("refusing to create a tag with a digest reference")
