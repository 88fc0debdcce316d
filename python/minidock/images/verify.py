"""What an image must be before any of it is used: manifests, indexes and configurations from strangers.

A registry or an archive can hold anything. ``pull`` and ``load`` both bring their documents here first, and go on with
the values that come back; what is refused here was never written under a name. The checks, in the order in which
the bytes meet them::

    bytes ──▶ size ≤ 4 MiB ──▶ JSON, not too deep, no key twice ──▶ media type: header = descriptor = document
          ──▶ an index has no layers, a manifest has no manifests (CVE-2021-41190)
          ──▶ digests well formed, sizes sane, at most 125 layers, layers of a known type
    manifest + configuration ──▶ as many layers as diffIDs ──▶ a :class:`Plan`: what to fetch and to apply

Words: the *digest* of a layer names its blob as it travels, mostly compressed; its *diffID* names the uncompressed
tar; the *chainID* names "this layer on top of exactly those below". Source: image-spec manifest.md, image-index.md,
config.md.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from minidock.errors import MinidockError, Unsupported
from minidock.oci.codec import LIMIT, decode
from minidock.oci.digest import Digest
from minidock.oci.image import ImageConfig, chain_ids
from minidock.oci.manifest import (
    CONFIGS,
    INDEXES,
    LAYER_COMPRESSION,
    MANIFESTS,
    MAX_LAYERS,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
)
from minidock.oci.platform import Platform

#: Headers that say nothing about the document: it must then say itself what it is.
_SAY_NOTHING = frozenset({"", "application/json", "application/octet-stream", "text/plain", "binary/octet-stream"})
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
#: A blob's size is a signed 64-bit number wherever it goes.
_LARGEST = (1 << 63) - 1


class LayerPlan(msgspec.Struct, frozen=True):
    """One layer of an image: its blob, what its tar must be, and the name it gets once it is applied.

    ``parent`` is the chainID below, ``None`` for the lowest.
    """

    blob: Descriptor
    diff_id: Digest
    chain_id: Digest
    parent: Digest | None


class Plan(msgspec.Struct, frozen=True):
    """A checked image: everything in it fits together, as far as its documents can tell."""

    manifest: Manifest
    config: ImageConfig
    layers: tuple[LayerPlan, ...]

    @property
    def platform(self) -> Platform:
        """What the image runs on."""
        return Platform(self.config.architecture, self.config.os, self.config.variant)


class _Shape(msgspec.Struct, rename="camel"):
    """The parts of a document that tell its kind, whatever else it holds."""

    schema_version: int = 0
    media_type: str = ""
    config: Any = None
    layers: Any = None
    manifests: Any = None
    fs_layers: Any = None


def read_document(data: bytes, media_type: str, what: str, error: type[MinidockError]) -> Manifest | Index:
    """Parse a manifest or an index.

    :param media_type: what the header or the descriptor calls it; an empty one or ``application/json`` says nothing.
    :param what: the document's name in messages: ``manifest of busybox:latest``.
    :param error: the class to raise for what is broken or lies.
    :raises Unsupported: a document of another kind, such as Docker's schema 1.
    """
    shape = decode(data, _Shape, what, error=error)
    _no_key_twice(data, what, error)
    said = media_type.partition(";")[0].strip().lower()
    if shape.schema_version == 1 or said.startswith(_SCHEMA_1):
        raise Unsupported(
            f"{what}: Docker's image format v1 and manifest schema 1 are not supported",
            "push the image again with a current tool: it then gets a schema 2 or OCI manifest",
        )
    kind = _kind(shape, said, what, error)
    if kind in INDEXES:
        if shape.layers is not None or shape.config is not None or shape.fs_layers is not None:
            raise error(f"{what}: it is called an index ({kind}), but has layers or a configuration too")
        index = decode(data, Index, what, error=error)
        for entry in index.manifests:
            _check_size(entry, what, error)
        return msgspec.structs.replace(index, media_type=kind)
    if shape.manifests is not None or shape.fs_layers is not None:
        raise error(f"{what}: it is called a manifest ({kind}), but has manifests or fsLayers too")
    return _checked_manifest(
        msgspec.structs.replace(decode(data, Manifest, what, error=error), media_type=kind), what, error
    )


def read_config(data: bytes, what: str, error: type[MinidockError]) -> ImageConfig:
    """Parse an image configuration; see :func:`read_document` for the parameters."""
    config = decode(data, ImageConfig, what, error=error)
    _no_key_twice(data, what, error)
    if config.rootfs.type != "layers":
        raise error(f"{what}: unknown rootfs type {config.rootfs.type[:80]!r}, only 'layers' exists")
    return config


def plan_image(manifest: Manifest, config: ImageConfig, what: str, error: type[MinidockError]) -> Plan:
    """Lay a manifest and its configuration beside each other.

    :raises Unsupported: an image for another operating system.
    :raises MinidockError: of class *error*: there are not as many layers as diffIDs, or too many.
    """
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) != len(manifest.layers):
        counts = f"the configuration has {len(diff_ids)}, the manifest {len(manifest.layers)}"
        raise error(f"{what}: layers length mismatch: {counts}")
    if len(diff_ids) > MAX_LAYERS:
        raise error(f"{what}: max depth exceeded: {len(diff_ids)} layers, at most {MAX_LAYERS} are allowed")
    if config.os != "linux":
        raise Unsupported(f'image operating system "{config.os[:40]}" cannot be used on this platform')
    chain = chain_ids(diff_ids)
    parents = (None, *chain[:-1])
    layers = tuple(
        LayerPlan(blob, diff_id, chain_id, parent)
        for blob, diff_id, chain_id, parent in zip(manifest.layers, diff_ids, chain, parents, strict=False)
    )
    return Plan(manifest, config, layers)


def _kind(shape: _Shape, said: str, what: str, error: type[MinidockError]) -> str:
    """Find the one media type that header and document agree on."""
    if said in _SAY_NOTHING:
        said = ""
    if said and shape.media_type and said != shape.media_type:
        raise error(f"{what}: it came as {said[:100]!r}, but calls itself {shape.media_type[:100]!r}")
    kind = said or shape.media_type
    if not kind and shape.schema_version == 2:  # OCI documents need not name their own type: then the shape must
        kind = OCI_INDEX if shape.manifests is not None else OCI_MANIFEST if shape.config is not None else ""
    if kind not in INDEXES and kind not in MANIFESTS:
        raise Unsupported(
            f"{what}: unsupported media type {kind[:100]!r}", "minidock reads OCI and Docker schema 2 images"
        )
    if shape.schema_version != 2:
        raise error(f"{what}: schemaVersion is {shape.schema_version}, it must be 2")
    return kind


def _checked_manifest(manifest: Manifest, what: str, error: type[MinidockError]) -> Manifest:
    if manifest.config is None:
        raise error(f"{what}: a manifest must have a configuration")
    if manifest.config.media_type not in CONFIGS:
        raise Unsupported(
            f"{what}: it is no container image: its configuration is {manifest.config.media_type[:100]!r}",
            "OCI artifacts (charts, signatures, …) cannot be run",
        )
    _check_size(manifest.config, what, error)
    if manifest.config.size > LIMIT:
        raise error(f"{what}: a configuration of {manifest.config.size} bytes, more than the limit of {LIMIT}")
    if len(manifest.layers) > MAX_LAYERS:
        raise error(f"{what}: max depth exceeded: {len(manifest.layers)} layers, at most {MAX_LAYERS} are allowed")
    sizes: dict[Digest, int] = {}
    for layer in manifest.layers:
        _check_size(layer, what, error)
        if sizes.setdefault(layer.digest, layer.size) != layer.size:
            raise error(f"{what}: {layer.digest} stands twice, with different sizes")
        if layer.media_type not in LAYER_COMPRESSION:
            raise Unsupported(f"{what}: unsupported layer type {layer.media_type[:100]!r}")
    return manifest


def _check_size(descriptor: Descriptor, what: str, error: type[MinidockError]) -> None:
    if not 0 <= descriptor.size <= _LARGEST:
        raise error(f"{what}: {descriptor.digest} cannot have a size of {descriptor.size} bytes")


def _no_key_twice(data: bytes, what: str, error: type[MinidockError]) -> None:
    """Refuse a key that stands twice in one object: parsers differ on which one counts, and signers rely on one."""

    def pairs(items: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in items}) != len(items):
            raise error(f"{what}: a key stands twice in one JSON object")

    try:
        json.loads(data, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as bad:
        raise error(f"{what}: {bad}") from bad
