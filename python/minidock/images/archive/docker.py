"""Docker's archive: what ``docker save`` writes, and skopeo's ``docker-archive:``.

::

    manifest.json        [{"Config": "<hex>.json", "RepoTags": ["busybox:latest"], "Layers": ["<hex>/layer.tar"]}]
    <hex>.json           the image's configuration; its digest is the image's id
    <hex>/layer.tar      a layer (newer: blobs/sha256/<hex>), mostly plain, sometimes compressed
    repositories         names for engines before 1.10: not read

There is no OCI manifest in it, so one is made: a plain layer's digest is its diffID, a compressed one's is computed.
Source: moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import msgspec

from minidock.errors import InvalidArchive, InvalidReference, Unsupported
from minidock.images.archive.image import ArchivedImage, digest_bytes, digest_member
from minidock.images.archive.inflate import sniff
from minidock.images.archive.source import Source
from minidock.images.verify import plan_image, read_config
from minidock.oci.codec import LIMIT, decode, encode
from minidock.oci.digest import Digest
from minidock.oci.manifest import (
    MAX_LAYERS,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Descriptor,
    Manifest,
)
from minidock.oci.reference import Reference, parse_reference

MANIFEST = "manifest.json"
_MEDIA_TYPES = {"none": OCI_LAYER, "gzip": OCI_LAYER_GZIP, "zstd": OCI_LAYER_ZSTD}


class _Item(msgspec.Struct, rename="pascal"):
    """One image of ``manifest.json``."""

    config: str
    layers: tuple[str, ...] | None = None
    repo_tags: tuple[str, ...] | None = None


def read_docker_archive(source: Source) -> tuple[ArchivedImage, ...]:
    """Read and check all images of the archive.

    :raises InvalidArchive: something is missing, does not fit, or leads out of the archive.
    :raises Unsupported: an archive from before Docker 1.10.
    """
    if not source.has(MANIFEST):
        raise Unsupported(
            "the archive has neither manifest.json nor index.json: it is no image, or one from before Docker 1.10",
            "use `minidock import` for a tar of files",
        )
    items = decode(source.read(MANIFEST, LIMIT), tuple[_Item, ...], MANIFEST, error=InvalidArchive)
    return tuple(_read_image(source, item) for item in items)


def _read_image(source: Source, item: _Item) -> ArchivedImage:
    layers = item.layers or ()
    if len(layers) > MAX_LAYERS:
        raise InvalidArchive(f"{MANIFEST}: {len(layers)} layers, at most {MAX_LAYERS} are allowed")
    what = f"configuration {item.config[:200]!r}"
    data = source.read(item.config, LIMIT)
    config = read_config(data, what, InvalidArchive)
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) != len(layers):
        raise InvalidArchive(f"invalid manifest, layers length mismatch: expected {len(diff_ids)}, got {len(layers)}")
    pairs = zip(layers, diff_ids, strict=True)
    blobs = [(name, _describe(source, name, diff_id)) for name, diff_id in pairs]
    config_blob = Descriptor(OCI_CONFIG, digest_bytes(data), len(data))
    manifest = Manifest(config=config_blob, layers=tuple(descriptor for _, descriptor in blobs))
    return ArchivedImage(
        id=config_blob.digest,
        names=tuple(_tag(text) for text in item.repo_tags or ()),
        plan=plan_image(manifest, config, what, InvalidArchive),
        manifest=encode(manifest),
        config=data,
        blobs={descriptor.digest: name for name, descriptor in blobs},
    )


def _describe(source: Source, name: str, diff_id: Digest) -> Descriptor:
    head = next(source.chunks(name), b"")
    compression = sniff(head)
    if compression not in _MEDIA_TYPES:
        raise Unsupported(f"layer {name[:200]!r} is compressed by {compression}: layers are plain, gzip or zstd")
    digest = diff_id if compression == "none" else digest_member(source, name)
    return Descriptor(_MEDIA_TYPES[compression], digest, source.size(name))


def _tag(text: str) -> Reference:
    """A tag of the archive: a full name and a tag, nothing else; it must not look like an id or a digest."""
    try:
        reference = parse_reference(text, default_tag=False)
    except InvalidReference as bad:
        raise InvalidArchive(f"{MANIFEST}: {text[:200]!r} is no name for an image") from bad
    if reference.tag is None or reference.digest is not None:
        raise InvalidArchive(f"{MANIFEST}: {text[:200]!r} is no name with a tag")
    return reference
