"""From an index to one manifest."""

from __future__ import annotations

import pytest
from tests.support.images import sha256

from minidock.images.select import choose
from minidock.oci.digest import Digest
from minidock.oci.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor, Index
from minidock.oci.platform import Platform


def entry(text: str, media_type: str = OCI_MANIFEST) -> Descriptor:
    """Return an entry for ``os/architecture[/variant]``, or without a platform for an empty text."""
    os, architecture, variant = [*text.split("/"), "", ""][:3]
    platform = Platform(architecture, os, variant) if text else None
    return Descriptor(media_type, Digest(sha256((text + media_type).encode())), 1, platform=platform)


def index(*texts: str) -> Index:
    return Index(manifests=tuple(entry(text) for text in texts))


AMD, ARM7 = Platform("amd64", "linux"), Platform("arm", "linux", "v7")


@pytest.mark.parametrize(
    ("offered", "host", "chosen"),
    [
        (("linux/arm64/v8", "linux/amd64", "windows/amd64"), AMD, "linux/amd64"),
        (("linux/arm/v6", "linux/arm/v7"), ARM7, "linux/arm/v7"),
        (("linux/arm", "linux/arm/v7"), ARM7, "linux/arm/v7"),
        (("linux/arm",), ARM7, "linux/arm"),
        (("linux/amd64", "linux/amd64"), AMD, "linux/amd64"),
        (("unknown/unknown", "linux/amd64"), AMD, "linux/amd64"),
        (("linux/arm64",), AMD, None),
        (("unknown/unknown",), AMD, None),
        ((), AMD, None),
        (("",), AMD, ""),
        (("", ""), AMD, None),
    ],
)
def test_chooses(offered: tuple[str, ...], host: Platform, chosen: str | None) -> None:
    assert choose(index(*offered), host) == (None if chosen is None else entry(chosen))


def test_looks_into_an_inner_index_only_if_nothing_fits() -> None:
    inner = entry("", OCI_INDEX)
    assert choose(Index(manifests=(inner, entry("linux/amd64"))), AMD) == entry("linux/amd64")
    assert choose(Index(manifests=(inner, entry("linux/arm64"))), AMD) == inner
    assert choose(Index(manifests=(entry("linux/s390x", OCI_INDEX),)), AMD) is None


def test_takes_both_kinds_of_manifest_and_nothing_else() -> None:
    docker = entry("linux/amd64", DOCKER_MANIFEST)
    assert choose(Index(manifests=(entry("linux/amd64", "application/x"), docker)), AMD) == docker
