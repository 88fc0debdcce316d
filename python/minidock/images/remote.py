"""From a name to a checked image, by asking its registry: nothing is written.

::

    reference ─HEAD─▶ digest ─GET─▶ index ─platform─▶ manifest ─▶ configuration ─▶ Plan
                                      └ at most three deep

What the store has already is not asked for again: a digest says the same everywhere. From the first digest on, only
digests count; each document is compared with the one that led to it before it is read.
"""

from __future__ import annotations

import hashlib

import msgspec

from minidock.errors import DigestMismatch, NotFound, RegistryError
from minidock.images.record import NewImage
from minidock.images.select import DEEPEST, choose
from minidock.images.verify import Plan, plan_image, read_config, read_document
from minidock.oci.digest import Digest
from minidock.oci.manifest import Descriptor, Index, Manifest
from minidock.oci.platform import Platform, host_platform
from minidock.oci.reference import Reference
from minidock.registry.client import RegistryClient
from minidock.registry.protocol import Document
from minidock.store.blobs import Blobs


class RemoteImage(msgspec.Struct, frozen=True):
    """An image as its registry describes it. ``documents`` are the bytes of its indexes, manifest and configuration."""

    image: NewImage
    documents: tuple[bytes, ...]

    @property
    def plan(self) -> Plan:
        """What to fetch and to apply."""
        return self.image.plan


class Remote:
    """Finds images in registries.

    :param blobs: the store's; only read.
    """

    def __init__(self, client: RegistryClient, blobs: Blobs) -> None:
        self._client = client
        self._blobs = blobs

    def find(self, reference: Reference, platform: Platform | None) -> RemoteImage:
        """Return the image that *reference* stands for now, on *platform*, or on this host's.

        :raises NotFound: there is none, or none for the platform.
        :raises RegistryError: the registry's documents are broken, or contradict each other.
        :raises DigestMismatch: bytes are not what their digest says.
        """
        what = f"manifest of {reference.familiar}"
        document = self._document(reference, self._client.resolve(reference))
        target = document.digest
        parsed = read_document(document.data, document.media_type, what, RegistryError)
        indexes: list[Descriptor] = []
        documents = [document.data]
        while isinstance(parsed, Index):
            entry = self._choose(parsed, platform or host_platform(), len(indexes), what)
            indexes.append(Descriptor(parsed.media_type, document.digest, len(document.data)))
            document = self._document(reference, entry.digest)
            parsed = self._read_entry(document, entry)
            documents.append(document.data)
        plan = self._plan(reference, parsed, what, documents)
        if platform is not None and not platform.runs(plan.platform):
            raise NotFound(
                f"image with reference {reference.familiar} was found but does not provide the specified platform"
                f" ({platform})"
            )
        manifest = Descriptor(parsed.media_type, document.digest, len(document.data))
        return RemoteImage(NewImage(plan, manifest, tuple(indexes), target), tuple(documents))

    def _document(self, reference: Reference, digest: Digest | None) -> Document:
        """Return a document from the store, else from the registry; by the reference's tag where no digest is known."""
        if digest is not None and self._blobs.has(digest):
            return Document("", digest, self._blobs.read(digest))
        return self._client.manifest(reference, digest)

    def _choose(self, index: Index, platform: Platform, depth: int, what: str) -> Descriptor:
        if depth == DEEPEST:
            raise RegistryError(f"{what}: an index inside an index, more than {DEEPEST} deep")
        entry = choose(index, platform)
        if entry is None:
            raise NotFound(f"no matching manifest for {platform} in the manifest list entries")
        return entry

    def _read_entry(self, document: Document, entry: Descriptor) -> Manifest | Index:
        what = f"manifest {entry.digest}"
        if len(document.data) != entry.size:
            raise RegistryError(f"{what}: it has {len(document.data)} bytes, the index says {entry.size}")
        parsed = read_document(document.data, document.media_type, what, RegistryError)
        if parsed.media_type != entry.media_type:
            raise RegistryError(f"{what}: it is {parsed.media_type!r}, the index says {entry.media_type!r}")
        return parsed

    def _plan(self, reference: Reference, manifest: Manifest, what: str, documents: list[bytes]) -> Plan:
        blob = manifest.config
        if blob is None:
            raise RegistryError(f"{what}: a manifest must have a configuration")
        name = f"configuration {blob.digest}"
        if self._blobs.has(blob.digest):
            data = self._blobs.read(blob.digest)
        else:
            sink = _Memory()
            self._client.blob(reference, blob, sink)
            data = bytes(sink.data)
            actual = "sha256:" + hashlib.sha256(data).hexdigest()
            if actual != blob.digest:
                raise DigestMismatch(name, blob.digest, actual)
        if len(data) != blob.size:
            raise RegistryError(f"{name}: it has {len(data)} bytes, the manifest says {blob.size}")
        documents.append(data)
        return plan_image(manifest, read_config(data, name, RegistryError), what, RegistryError)


class _Memory:
    """A sink for small blobs; the client never writes more than the descriptor's size, which is at most 4 MiB."""

    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def offset(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self.data += data

    def restart(self) -> None:
        self.data.clear()
