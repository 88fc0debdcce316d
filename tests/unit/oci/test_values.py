"""Digests, chain ids, platforms, and JSON from strangers."""

from __future__ import annotations

import hashlib

import pytest

from minidock.errors import InvalidArgument, InvalidDigest, RegistryError
from minidock.oci.codec import decode, encode
from minidock.oci.digest import Digest
from minidock.oci.image import ImageConfig, RootFS, chain_ids
from minidock.oci.manifest import Descriptor, Manifest
from minidock.oci.platform import Platform, parse_platform

A, B = (Digest("sha256:" + letter * 64) for letter in "ab")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:../../etc",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "md5:" + "a" * 32,
        "sha256:" + "g" * 64,
    ],
)
def test_a_digest_is_a_digest_or_an_error(text: str) -> None:
    with pytest.raises(InvalidDigest):
        Digest(text)


def test_a_digest_is_a_string() -> None:
    assert A == "sha256:" + "a" * 64
    assert (A.hex, A.short) == ("a" * 64, "a" * 12)


def test_chain_ids_follow_the_specification() -> None:
    second = Digest.from_hex(hashlib.sha256(f"{A} {B}".encode()).hexdigest())
    third = Digest.from_hex(hashlib.sha256(f"{second} {A}".encode()).hexdigest())
    assert chain_ids((A, B, A)) == (A, second, third)


def test_json_goes_round() -> None:
    manifest = Manifest(
        config=Descriptor("c", A, 3), layers=(Descriptor("l", B, 4, platform=Platform("amd64", "linux")),)
    )
    assert decode(encode(manifest), Manifest, "manifest") == manifest
    config = ImageConfig("amd64", "linux", RootFS(diff_ids=(A,)))
    assert decode(encode(config), ImageConfig, "config") == config


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[1]",
        b'{"mediaType":1,"digest":"sha256:x","size":1}',
        b'{"mediaType":"x","digest":"md5:1","size":1}',
        b'{"mediaType":"x","digest":"sha256:%s","size":-' % (b"a" * 64),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe",
        b" " * (5 << 20),
    ],
)
def test_json_from_strangers_is_refused_with_the_class_asked_for(data: bytes) -> None:
    with pytest.raises(RegistryError, match=r"^thing: "):
        decode(data, Descriptor, "thing", error=RegistryError)


def test_platforms() -> None:
    assert parse_platform("linux/arm64") == Platform("arm64", "linux", "v8")
    assert parse_platform("linux/arm/v7") == Platform("arm", "linux", "v7")
    assert str(parse_platform("x86_64")) == "linux/amd64"
    assert Platform("amd64", "linux").runs(Platform("amd64", "linux"))
    assert not Platform("amd64", "linux").runs(Platform("arm64", "linux"))
    for bad in ("", "a/b/c/d", "linux/", "li nux"):
        with pytest.raises(InvalidArgument):
            parse_platform(bad)
