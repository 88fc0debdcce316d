"""``minidock load``: images out of an archive, docker or OCI, a tar or a folder.

All documents of all images are checked before the first byte goes to the store, and all images get their names in one
transaction: an archive with one bad image changes nothing (:mod:`minidock.images.archive`,
:mod:`minidock.images.accepting`).

As with Docker, an archive says which names its images get; what it cannot do is to give one name to two images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from minidock.api import Progress
from minidock.errors import InvalidArchive
from minidock.images.accepting import Incoming, accept_images
from minidock.images.archive.docker import MANIFEST, read_docker_archive
from minidock.images.archive.image import ArchivedImage
from minidock.images.archive.oci import INDEX, LAYOUT, read_oci_layout
from minidock.images.archive.source import FolderSource, Source, tar_source
from minidock.images.archive.spool import spool
from minidock.kernel.ports import Layers
from minidock.oci.digest import Digest
from minidock.oci.platform import host_platform
from minidock.oci.reference import Reference
from minidock.store.store import Store


def load_archive(store: Store, layers: Layers, archive: BinaryIO, progress: Progress) -> list[str]:
    """Load all images of a tar, plain or compressed; return their names, or the ids of those without.

    :raises InvalidArchive: the archive breaks its format, or lies.
    :raises Unsupported: it is something else, or too old.
    """
    with spool(archive, _scratch_folder(store)) as plain:
        return _load(store, layers, tar_source(plain.fd, plain.path, layers), progress)


def load_folder(store: Store, layers: Layers, folder: str, progress: Progress) -> list[str]:
    """Load all images of the OCI image layout in *folder*; see :func:`load_archive`."""
    return _load(store, layers, FolderSource(folder), progress)


def read_images(source: Source) -> tuple[ArchivedImage, ...]:
    """Read and check all images of an archive in either form.

    A newer ``docker save`` writes both at once; ``manifest.json`` is preferred, since it has the names.
    """
    if not source.has(MANIFEST) and source.has(INDEX) and source.has(LAYOUT):
        images = read_oci_layout(source, host_platform())
    else:
        images = read_docker_archive(source)
    owners: dict[Reference, Digest] = {}
    for image in images:
        for name in image.names:
            if owners.setdefault(name, image.id) != image.id:
                raise InvalidArchive(f"the archive gives the name {name.familiar[:200]} to two images")
    return images


def _load(store: Store, layers: Layers, source: Source, progress: Progress) -> list[str]:
    images = read_images(source)
    accept_images(store, layers, [_incoming(source, image) for image in images], "load", progress)
    return [text for image in images for text in _shown(image)]


def _incoming(source: Source, image: ArchivedImage) -> Incoming:
    return Incoming(
        id=image.id,
        plan=image.plan,
        manifest=image.manifest,
        config=image.config,
        chunks=lambda layer: source.chunks(image.blobs[layer.blob.digest]),
        names=image.names,
    )


def _shown(image: ArchivedImage) -> Sequence[str]:
    return [name.familiar for name in image.names] or [image.id]


def _scratch_folder(store: Store) -> str:
    """Where a spooled archive lives; a dry run touches no folder of the store."""
    return "/tmp" if store.dry else store.layout.tmp
