"""Descriptors, manifests and indexes (image-spec: descriptor.md, manifest.md, image-index.md).

Docker's schema 2 has the same shape under other media types, so one set of values reads both.
"""

from __future__ import annotations

import msgspec

from minidock.oci.digest import Digest
from minidock.oci.platform import Platform

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"

MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})

#: Layer media type → how its blob is compressed: ``none``, ``gzip`` or ``zstd``.
LAYER_COMPRESSION = {
    OCI_LAYER: "none",
    OCI_LAYER_GZIP: "gzip",
    OCI_LAYER_ZSTD: "zstd",
    DOCKER_LAYER: "none",
    DOCKER_LAYER_GZIP: "gzip",
}

#: The largest number of layers that an image may have, as in Docker.
MAX_LAYERS = 125


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A typed, sized pointer to a blob: everything in an image hangs on these.

    ``size`` is in bytes, of the blob as it is stored (compressed, if it is).
    """

    media_type: str
    digest: Digest
    size: int
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    urls: tuple[str, ...] | None = None


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One image for one platform: a configuration and its layers, the lowest first.

    What the specification requires is always written: ``omit_defaults`` leaves out plain defaults, not made ones.
    """

    schema_version: int = msgspec.field(default_factory=lambda: 2)
    media_type: str = msgspec.field(default_factory=lambda: OCI_MANIFEST)
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = msgspec.field(default_factory=lambda: ())
    annotations: dict[str, str] | None = None


class Index(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One image for several platforms: a list of manifests."""

    schema_version: int = msgspec.field(default_factory=lambda: 2)
    media_type: str = msgspec.field(default_factory=lambda: OCI_INDEX)
    manifests: tuple[Descriptor, ...] = msgspec.field(default_factory=lambda: ())
    annotations: dict[str, str] | None = None
