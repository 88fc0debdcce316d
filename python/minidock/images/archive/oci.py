"""An OCI image layout, as a tar or as a folder (image-spec, image-layout.md).

::

    oci-layout             {"imageLayoutVersion": "1.0.0"}
    index.json             an index: each entry is one image, or an index of one image for several platforms
    blobs/sha256/<hex>     every document and every layer, by its digest

An entry's name stands in an annotation: ``io.containerd.image.name``, a full name, or
``org.opencontainers.image.ref.name``, which is a full name or a bare tag. A bare tag names no image, so such an
entry is loaded without a name.
"""

from __future__ import annotations

import msgspec

from minidock.errors import InvalidArchive, InvalidReference, NotFound, Unsupported
from minidock.images.archive.image import ArchivedImage, blob_name, read_blob
from minidock.images.archive.source import Source
from minidock.images.select import DEEPEST, choose
from minidock.images.verify import plan_image, read_config, read_document
from minidock.oci.codec import LIMIT, decode
from minidock.oci.manifest import INDEXES, MANIFESTS, OCI_INDEX, Descriptor, Index, Manifest
from minidock.oci.platform import Platform
from minidock.oci.reference import Reference, parse_reference

INDEX = "index.json"
LAYOUT = "oci-layout"
_CONTAINERD_NAME = "io.containerd.image.name"
_REF_NAME = "org.opencontainers.image.ref.name"
#: More images than that in one archive is an attack on our patience.
_MOST = 1000


class _Layout(msgspec.Struct, rename="camel"):
    image_layout_version: str


def read_oci_layout(source: Source, host: Platform) -> tuple[ArchivedImage, ...]:
    """Read and check all images of the layout; of an image for several platforms, the one for *host*.

    :raises InvalidArchive: something is missing, or does not fit.
    :raises DigestMismatch: a document is not what its digest says.
    :raises NotFound: an image has no manifest for *host*.
    """
    layout = decode(source.read(LAYOUT, LIMIT), _Layout, LAYOUT, error=InvalidArchive)
    if layout.image_layout_version.partition(".")[0] != "1":
        raise Unsupported(f"OCI image layout version {layout.image_layout_version[:40]!r}: only 1.x is known")
    index = read_document(source.read(INDEX, LIMIT), OCI_INDEX, INDEX, InvalidArchive)
    if not isinstance(index, Index) or len(index.manifests) > _MOST:
        raise InvalidArchive(f"{INDEX}: not an index of at most {_MOST} images")
    return tuple(_read_image(source, entry, host) for entry in index.manifests if not _is_attestation(entry))


def _read_image(source: Source, entry: Descriptor, host: Platform) -> ArchivedImage:
    name = _name(entry)
    what = f"manifest {name or entry.digest}"
    data, manifest, config_blob = _follow(source, entry, host, what)
    config = read_blob(source, config_blob, f"configuration of {what}")
    for layer in manifest.layers:
        if not source.has(blob_name(layer.digest)):
            raise InvalidArchive(f"{what}: layer {layer.digest} is not in the archive")
        if (size := source.size(blob_name(layer.digest))) != layer.size:
            raise InvalidArchive(f"{what}: layer {layer.digest} has {size} bytes, its descriptor says {layer.size}")
    return ArchivedImage(
        id=config_blob.digest,
        names=(name,) if name else (),
        plan=plan_image(
            manifest, read_config(config, f"configuration of {what}", InvalidArchive), what, InvalidArchive
        ),
        manifest=data,
        config=config,
        blobs={layer.digest: blob_name(layer.digest) for layer in manifest.layers},
    )


def _follow(source: Source, entry: Descriptor, host: Platform, what: str) -> tuple[bytes, Manifest, Descriptor]:
    """Return the manifest behind *entry*, as bytes and as a value, and the descriptor of its configuration."""
    for _ in range(DEEPEST + 1):
        if entry.media_type not in INDEXES | MANIFESTS:
            raise Unsupported(f"{what}: unsupported media type {entry.media_type[:100]!r}")
        data = read_blob(source, entry, what)
        document = read_document(data, entry.media_type, what, InvalidArchive)
        if isinstance(document, Manifest):
            if document.config is None:
                raise InvalidArchive(f"{what}: a manifest must have a configuration")
            return data, document, document.config
        below = choose(document, host) or _only(document)
        if below is None:
            raise NotFound(f"{what}: the archive has no image for {host}")
        entry = below
    raise InvalidArchive(f"{what}: indexes nest more than {DEEPEST} deep")


def _only(index: Index) -> Descriptor | None:
    """An image for one foreign platform is loaded all the same, as Docker does: whoever made it so wants it."""
    images = [entry for entry in index.manifests if not _is_attestation(entry)]
    return images[0] if len(images) == 1 else None


def _is_attestation(entry: Descriptor) -> bool:
    """BuildKit puts statements about an image beside it, as manifests for the platform ``unknown/unknown``."""
    return entry.platform is not None and entry.platform.os == "unknown"


def _name(entry: Descriptor) -> Reference | None:
    annotations = entry.annotations or {}
    full = annotations.get(_CONTAINERD_NAME)
    text = full or annotations.get(_REF_NAME, "")
    if not full and not any(mark in text for mark in ":/@"):
        return None
    try:
        reference = parse_reference(text)
    except InvalidReference as bad:
        raise InvalidArchive(f"{INDEX}: {text[:200]!r} is no name for an image") from bad
    if reference.digest is not None:
        raise InvalidArchive(f"{INDEX}: {text[:200]!r} is no name with a tag")
    return reference
