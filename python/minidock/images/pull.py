"""``pull``: an image from a registry, whole, or not at all.

::

    find        reference ─▶ digest ─▶ index ─▶ manifest ─▶ configuration: all checked, nothing written    (remote)
    download    three blobs at a time ─▶ ingest/<hex>.part ─▶ verified ─▶ blobs/sha256/<hex>              (download)
    apply       layers in order, as they arrive ─▶ checked against their diffIDs ─▶ committed together    (unpack)
    record      the documents become blobs; one transaction: image, blobs, name        ◀ the commit point (record)

A lease keeps what has come so far; if the pull fails or is killed, what has arrived stays for the next try: whole
blobs, and of the others the ``.part``, which is continued where it ends. Two pulls of one blob, in two threads or
processes, fetch it once: the second waits for the first, as long as that takes, and goes on if the first dies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minidock.errors import DigestMismatch, RegistryError
from minidock.images.download import PARALLEL, Downloads
from minidock.images.record import record_image
from minidock.images.remote import Remote, RemoteImage
from minidock.images.report import Report
from minidock.images.unpack import Unpacker
from minidock.kernel.ports import Layers
from minidock.oci.manifest import Descriptor
from minidock.oci.platform import Platform
from minidock.oci.reference import Reference
from minidock.registry.client import RegistryClient
from minidock.store.blobs import Ingest
from minidock.store.leases import Lease
from minidock.store.store import Store

if TYPE_CHECKING:
    from minidock.api import Progress


class Puller:
    """Pulls images into one store.

    :param layers: the port, recorded; in a dry run the dry form, which ends the run at the first new layer.
    """

    def __init__(self, store: Store, layers: Layers, client: RegistryClient) -> None:
        self._store = store
        self._layers = layers
        self._client = client

    def pull(self, reference: Reference, platform: Platform | None, progress: Progress) -> str:
        """Pull an image and return its id. Atomic: the name is written last. Resumable.

        :raises NotFound: the registry does not have it, for this platform.
        :raises Forbidden: the registry does not give it to us.
        :raises RegistryError: the registry lies, or speaks nonsense; nothing has been committed.
        :raises DigestMismatch: bytes are not what their digest says; nothing has been committed.
        :raises Unavailable: the registry cannot be reached; a later try goes on where this one ended.
        """
        report = Report(progress)
        with self._store.lease(f"pull {reference.familiar}") as lease:
            found = self._find(reference, platform)
            report.pulling(reference)  # not before: what is not there fails without a word
            new = not self._is_here(reference, found)
            if new:
                self._bring(reference, found, lease, report)
            target = found.image.target or found.image.manifest.digest
            report.finished(reference, target, new)
        return str(found.image.id)

    def _find(self, reference: Reference, platform: Platform | None) -> RemoteImage:
        args = {"name": str(reference), "platform": str(platform) if platform else None}
        remote = Remote(self._client, self._store.blobs)
        return self._store.recorder.call("registry.resolve", args, lambda: remote.find(reference, platform))

    def _is_here(self, reference: Reference, found: RemoteImage) -> bool:
        """Say whether the name already stands for this image, and nothing of it is missing."""
        name = self._store.rows.names.get(str(_kept_name(reference)))
        if name is None or (name.image, name.target) != (found.image.id, found.image.target):
            return False
        blobs = (found.image.manifest, found.image.config, *found.image.indexes, *found.plan.manifest.layers)
        return all(self._store.blobs.has(blob.digest) for blob in blobs) and all(
            self._store.snapshots.has_layer(layer.chain_id) for layer in found.plan.layers
        )

    def _bring(self, reference: Reference, found: RemoteImage, lease: Lease, report: Report) -> None:
        layers = found.plan.layers
        for layer in layers:
            lease.keep_blob(layer.blob.digest)  # first the promise, then the look
        blobs = [layer.blob for layer in layers]
        missing = [blob for blob in blobs if not self._has(blob)]
        report.layers(blobs, missing)
        fetch = _Fetch(self._store, self._client, reference, lease, report)
        with Unpacker(self._store.snapshots, self._layers, lease) as unpacker:
            with Downloads(missing, fetch, 1 if self._store.dry else PARALLEL) as downloads:
                absent = {blob.digest for blob in missing}
                if self._store.dry:  # the first layer ends the dry run: name all downloads before it, in order
                    for digest in absent:
                        downloads.wait(digest)
                for layer in layers:
                    if layer.blob.digest in absent:
                        downloads.wait(layer.blob.digest)
                        report.state(layer.blob, "Extracting", layer.blob.size)
                    if unpacker.apply(layer, self._store.layout.blob(layer.blob.digest)) or layer.blob.digest in absent:
                        report.state(layer.blob, "Pull complete")
            unpacker.commit()
        for document in found.documents:
            self._store.blobs.add(lease, document)
        with self._store.transaction(f"image {reference.familiar}") as rows:
            record_image(rows, found.image, [_kept_name(reference)])

    def _has(self, blob: Descriptor) -> bool:
        """Say whether the blob is there; its descriptor must not lie about its size even then."""
        if not self._store.blobs.has(blob.digest):
            return False
        if (size := self._store.blobs.size(blob.digest)) != blob.size:
            raise RegistryError(f"blob {blob.digest}: it has {size} bytes, the manifest says {blob.size}")
        return True


class _Fetch:
    """Brings one blob into the store: as a step, from where an earlier try ended, verified."""

    def __init__(
        self, store: Store, client: RegistryClient, reference: Reference, lease: Lease, report: Report
    ) -> None:
        self._store = store
        self._client = client
        self._reference = reference
        self._lease = lease
        self._report = report

    def __call__(self, blob: Descriptor, check: Callable[[], None]) -> None:
        args = {"name": self._reference.name, "digest": str(blob.digest), "size": blob.size}
        self._store.recorder.call("registry.fetch", args, lambda: None if self._store.dry else self._fetch(blob, check))

    def _fetch(self, blob: Descriptor, check: Callable[[], None]) -> None:
        ingest = self._store.blobs.ingest(self._lease, blob.digest, blob.size)
        if ingest is not None:
            with ingest:
                resumed = ingest.offset > 0
                try:
                    self._fill(blob, ingest, check)
                except DigestMismatch:
                    if not resumed:
                        raise
                    self._fill(blob, ingest, check)  # what an earlier try left was wrong, and is thrown away by now
        self._report.state(blob, "Download complete")

    def _fill(self, blob: Descriptor, ingest: Ingest, check: Callable[[], None]) -> None:
        def arrived() -> None:
            self._report.downloading(blob, ingest.offset)
            check()

        arrived()
        self._client.blob(self._reference, blob, _Sink(ingest, arrived))
        self._report.state(blob, "Verifying Checksum")
        ingest.commit()


class _Sink:
    """An ingest that tells of new bytes."""

    def __init__(self, ingest: Ingest, arrived: Callable[[], None]) -> None:
        self._ingest = ingest
        self._arrived = arrived

    @property
    def offset(self) -> int:
        return self._ingest.offset

    def write(self, data: bytes) -> None:
        self._ingest.write(data)
        self._arrived()

    def restart(self) -> None:
        self._ingest.restart()


def _kept_name(reference: Reference) -> Reference:
    """Return the name that the pull writes: with a digest, the tag says nothing."""
    return reference.with_digest(reference.digest) if reference.digest is not None else reference
