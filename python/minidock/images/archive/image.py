"""One image as an archive holds it: checked documents, and where its blobs are. Nothing of it is in the store yet."""

from __future__ import annotations

import hashlib

import msgspec

from minidock.errors import DigestMismatch
from minidock.images.archive.source import Source
from minidock.images.verify import Plan
from minidock.oci.codec import LIMIT
from minidock.oci.digest import Digest
from minidock.oci.manifest import Descriptor
from minidock.oci.reference import Reference


class ArchivedImage(msgspec.Struct, frozen=True):
    """A checked image.

    ``id`` is the digest of its configuration; ``blobs`` says which member holds a layer's blob.
    """

    id: Digest
    names: tuple[Reference, ...]
    plan: Plan
    manifest: bytes
    config: bytes
    blobs: dict[Digest, str]


def digest_bytes(data: bytes) -> Digest:
    """Return the digest of a document."""
    return Digest.from_hex(hashlib.sha256(data).hexdigest())


def digest_member(source: Source, name: str) -> Digest:
    """Return the digest of a member's bytes."""
    sha256 = hashlib.sha256()
    for chunk in source.chunks(name):
        sha256.update(chunk)
    return Digest.from_hex(sha256.hexdigest())


def read_blob(source: Source, descriptor: Descriptor, what: str) -> bytes:
    """Return a document of an OCI layout, checked against its descriptor.

    :raises DigestMismatch: it has other bytes.
    :raises InvalidArchive: it is missing, or larger than any document may be.
    """
    data = source.read(blob_name(descriptor.digest), LIMIT)
    actual = digest_bytes(data)
    if actual != descriptor.digest or len(data) != descriptor.size:
        raise DigestMismatch(what, f"{descriptor.digest} ({descriptor.size} bytes)", f"{actual} ({len(data)} bytes)")
    return data


def blob_name(digest: Digest) -> str:
    """Return where an OCI layout keeps a blob (image-layout.md)."""
    return f"blobs/sha256/{digest.hex}"
