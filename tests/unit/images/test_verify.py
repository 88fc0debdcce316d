"""Attacks 16 to 19 on an image's documents: each is refused, and the same document without the lie is not."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from minidock.errors import MinidockError, RegistryError, Unsupported
from minidock.images.verify import plan_image, read_config, read_document
from minidock.oci.manifest import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    MAX_LAYERS,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Index,
    Manifest,
)


def sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def manifest(count: int = 2, **changes: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": sha("config"), "size": 100},
        "layers": [{"mediaType": OCI_LAYER_GZIP, "digest": sha(f"layer {n}"), "size": n} for n in range(count)],
    } | changes


def index(**changes: Any) -> dict[str, Any]:
    entry = {"mediaType": OCI_MANIFEST, "digest": sha("m"), "size": 9, "platform": {"os": "linux", "architecture": "x"}}
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]} | changes


def config(layers: int = 2, **changes: Any) -> dict[str, Any]:
    diff_ids = [sha(f"tar {n}") for n in range(layers)]
    return {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}} | changes


def document(plain: dict[str, Any] | bytes, media_type: str = OCI_MANIFEST) -> Manifest | Index:
    data = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    return read_document(data, media_type, "the image", RegistryError)


def configuration(plain: dict[str, Any] | bytes) -> Any:
    data = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    return read_config(data, "the configuration", RegistryError)


class TestDocument:
    def test_reads_what_registries_send(self) -> None:
        assert isinstance(document(manifest()), Manifest)
        assert isinstance(document(manifest(), OCI_MANIFEST + "; charset=utf-8"), Manifest)
        assert isinstance(document(index(), OCI_INDEX), Index)
        docker = manifest(mediaType=DOCKER_MANIFEST)
        docker["config"]["mediaType"] = DOCKER_CONFIG
        docker["layers"][0]["mediaType"] = DOCKER_LAYER_GZIP
        assert document(docker, DOCKER_MANIFEST).media_type == DOCKER_MANIFEST
        assert document(index(mediaType=DOCKER_INDEX), DOCKER_INDEX).media_type == DOCKER_INDEX

    @pytest.mark.parametrize("says", ["", "application/json", "text/plain; charset=utf-8"])
    def test_a_header_that_says_nothing_leaves_it_to_the_document(self, says: str) -> None:
        assert isinstance(document(manifest(), says), Manifest)
        unnamed = manifest()
        del unnamed["mediaType"]
        assert document(unnamed, says).media_type == OCI_MANIFEST

    @pytest.mark.parametrize(
        ("plain", "media_type"),
        [
            (manifest(manifests=[]), OCI_MANIFEST),  # 17: both kinds at once
            (index(layers=[]), OCI_INDEX),
            (index(config=manifest()["config"]), OCI_INDEX),
            (manifest(fsLayers=[]), OCI_MANIFEST),
            (manifest(), OCI_INDEX),  # 17: the header says another kind than the document
            (index(), OCI_MANIFEST),
            (manifest(), DOCKER_MANIFEST),
            (manifest(schemaVersion=3), OCI_MANIFEST),
            (manifest(MAX_LAYERS + 1), OCI_MANIFEST),  # 19
            (manifest(10_000), OCI_MANIFEST),
            (manifest(config=None), OCI_MANIFEST),
            (manifest(config=manifest()["config"] | {"size": (4 << 20) + 1}), OCI_MANIFEST),
            (manifest(config=manifest()["config"] | {"size": -1}), OCI_MANIFEST),
            (b'{"schemaVersion":2,' + json.dumps(manifest()).encode()[1:], OCI_MANIFEST),  # a key twice
            (b"[" * 100_000, OCI_MANIFEST),
            (b'{"schemaVersion":2,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", OCI_MANIFEST),
            (b'{"schemaVersion":2,"mediaType":"' + b"x" * (4 << 20) + b'"}', OCI_MANIFEST),
            (b"", OCI_MANIFEST),
            (b"\xff\xfe", OCI_MANIFEST),
        ],
    )
    def test_refuses_lies_and_excess(self, plain: dict[str, Any] | bytes, media_type: str) -> None:
        with pytest.raises(RegistryError):
            document(plain, media_type)

    @pytest.mark.parametrize(
        "digest",
        [
            "sha256:../../x",
            "sha256:" + "a" * 63,
            "sha256:" + "A" * 64,
            "md5:" + "a" * 32,
            "",
            "sha256:" + "a" * 63 + "/",
        ],
    )
    def test_refuses_digests_that_are_none(self, digest: str) -> None:  # 18
        layers = [{"mediaType": OCI_LAYER_GZIP, "digest": digest, "size": 1}]
        with pytest.raises(RegistryError):
            document(manifest(layers=layers))

    @pytest.mark.parametrize(
        ("plain", "media_type"),
        [
            ({"schemaVersion": 1, "fsLayers": []}, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
            (manifest(mediaType="application/x"), "application/x"),
            (manifest(layers=[{"mediaType": "application/x", "digest": sha("x"), "size": 1}]), OCI_MANIFEST),
            (manifest(config={"mediaType": "application/x", "digest": sha("x"), "size": 1}), OCI_MANIFEST),
        ],
    )
    def test_names_what_it_does_not_support(self, plain: dict[str, Any], media_type: str) -> None:
        with pytest.raises(Unsupported):
            document(plain, media_type)


class TestConfiguration:
    def test_reads_and_keeps_what_it_does_not_act_on(self) -> None:  # 21
        plain = config(config={"Labels": {"minidock.log-uri": "binary:///bin/sh"}, "Env": ["MINIDOCK_ROOT=/"]})
        assert configuration(plain).config.labels == {"minidock.log-uri": "binary:///bin/sh"}

    @pytest.mark.parametrize(
        "plain",
        [
            config(rootfs={"type": "magic", "diff_ids": []}),
            config(rootfs={"type": "layers", "diff_ids": ["sha256:x"]}),
            b'{"x":' + b"{" * 100_000,
            b'{"os":"linux","os":"linux",' + json.dumps(config()).encode()[1:],
        ],
    )
    def test_refuses(self, plain: dict[str, Any] | bytes) -> None:
        with pytest.raises(RegistryError):
            configuration(plain)


class TestPlan:
    def plan(self, layers: int, **changes: Any) -> Any:
        read = document(manifest(2))
        assert isinstance(read, Manifest)
        return plan_image(read, configuration(config(layers, **changes)), "the image", RegistryError)

    def test_names_each_layer(self) -> None:
        low, high = self.plan(2).layers
        assert (low.chain_id, low.parent) == (low.diff_id, None)
        chain = hashlib.sha256(f"{low.diff_id} {high.diff_id}".encode()).hexdigest()
        assert (high.chain_id, high.parent) == ("sha256:" + chain, low.chain_id)
        assert high.blob.digest == sha("layer 1")

    @pytest.mark.parametrize("layers", [0, 1, 3])
    def test_refuses_counts_that_differ(self, layers: int) -> None:  # 16
        with pytest.raises(RegistryError, match="layers length mismatch"):
            self.plan(layers)

    def test_refuses_another_operating_system(self) -> None:
        with pytest.raises(MinidockError, match='operating system "windows" cannot be used'):
            self.plan(2, os="windows")
