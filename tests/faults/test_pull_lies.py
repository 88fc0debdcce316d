"""Attacks 14 to 21: a registry that lies. Each lie is refused before anything is committed; without it the pull works.

The table has one row per lie: the image that is offered, and how the answers are changed. The control, the same
registry without a lie, runs in the same test, on the same store: what a refused pull left must not disturb it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.images import Image, descriptor, image, sha256, tar, with_manifest
from tests.support.liar import Answer, Asked, Liar, Lie, truth
from tests.support.pulls import lab

from minidock.errors import DigestMismatch, MinidockError, RegistryError, Unavailable, Unsupported
from minidock.oci.manifest import (
    DOCKER_MANIFEST,
    MAX_LAYERS,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
)

LOW, HIGH = tar({"low": b"low" * 1000}), tar({"high": b"high"})
GOOD = image([LOW, HIGH])
LAYER = sha256(GOOD.layers[0])


def on(kind: str, change: Callable[[Asked, Answer], None], method: str = "GET") -> Lie:
    """A lie about one kind of request only."""

    def lie(asked: Asked, answer: Answer) -> None:
        if asked.kind == kind and asked.method == method:
            change(asked, answer)

    return lie


def about_layer(change: Callable[[Answer], None]) -> Lie:
    return on("blobs", lambda asked, answer: change(answer) if asked.path.endswith(LAYER) else None)


def about_manifest(change: Callable[[Answer], None]) -> Lie:
    return on("manifests", lambda _, answer: change(answer))


def set_body(body: bytes) -> Callable[[Answer], None]:
    def change(answer: Answer) -> None:
        answer.body = body

    return change


def set_header(name: str, value: str) -> Callable[[Answer], None]:
    def change(answer: Answer) -> None:
        answer.headers = answer.headers | {name: value}

    return change


def set_status(status: int, body: bytes) -> Callable[[Answer], None]:
    def change(answer: Answer) -> None:
        answer.status, answer.body = status, body

    return change


def endless(answer: Answer) -> None:
    """No length, and more bytes than the blob has, until the connection closes."""
    answer.headers = answer.headers | {"Content-Length": ""}
    answer.body += b"x" * 10_000
    answer.cut = len(answer.body)


def flipped(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


def with_layers(layers: list[dict[str, Any]]) -> Image:
    return with_manifest(GOOD, layers=layers)


def layer_entries(**changes: Any) -> list[dict[str, Any]]:
    """GOOD's layers, the first one changed."""
    first, second = (descriptor(data, OCI_LAYER_GZIP) for data in GOOD.layers)
    return [first | changes, second]


def with_config(data: bytes) -> Image:
    made = with_manifest(GOOD, config=descriptor(data, OCI_CONFIG))
    return Image(made.manifest, data, made.layers)


#: name → (the image that is offered, the lie, the error)
LIES: dict[str, tuple[Image, Lie, type[MinidockError]]] = {
    # 14: a blob is not what its descriptor says
    "blob: one bit differs": (GOOD, about_layer(set_body(flipped(GOOD.layers[0]))), DigestMismatch),
    "blob: another blob": (
        GOOD,
        about_layer(set_body(GOOD.layers[1].ljust(len(GOOD.layers[0]), b"\0"))),
        DigestMismatch,
    ),
    "blob: longer": (GOOD, about_layer(set_body(GOOD.layers[0] + b"x")), RegistryError),
    "blob: longer than it says": (GOOD, about_layer(endless), RegistryError),
    "blob: shorter": (GOOD, about_layer(set_body(GOOD.layers[0][:-1])), RegistryError),
    "blob: compressed on the way": (GOOD, about_layer(set_header("Content-Encoding", "gzip")), RegistryError),
    "descriptor: size too small": (with_layers(layer_entries(size=10)), truth, RegistryError),
    "descriptor: size too large": (with_layers(layer_entries(size=10_000_000)), truth, RegistryError),
    "descriptor: negative size": (with_layers(layer_entries(size=-1)), truth, RegistryError),
    "descriptor: one blob, two sizes": (
        with_layers([descriptor(GOOD.layers[0], OCI_LAYER_GZIP), *layer_entries(size=7)[:1]]),
        truth,
        RegistryError,
    ),
    "config: other bytes": (
        GOOD,
        on("blobs", lambda a, r: set_body(flipped(r.body))(r) if a.path.endswith(sha256(GOOD.config)) else None),
        DigestMismatch,
    ),
    # 15: a manifest is not what its digest says
    "manifest: other bytes": (GOOD, about_manifest(set_body(GOOD.manifest + b" ")), DigestMismatch),
    "manifest: lying digest header": (
        GOOD,
        lambda asked, answer: (
            set_header("Docker-Content-Digest", sha256(b"x"))(answer) if asked.kind == "manifests" else None
        ),
        MinidockError,
    ),
    "manifest: digest header on GET alone": (
        GOOD,
        about_manifest(set_header("Docker-Content-Digest", sha256(b"x"))),
        DigestMismatch,
    ),
    "manifest: no digest in the header": (
        GOOD,
        lambda asked, answer: set_header("Docker-Content-Digest", "sha256:../../x")(answer),
        RegistryError,
    ),
    # 16: the layers are not those of the configuration
    "config: another diffID": (
        image([LOW, HIGH], rootfs={"type": "layers", "diff_ids": [sha256(LOW), sha256(LOW)]}),
        truth,
        DigestMismatch,
    ),
    "config: too few diffIDs": (
        image([LOW, HIGH], rootfs={"type": "layers", "diff_ids": [sha256(LOW)]}),
        truth,
        RegistryError,
    ),
    "config: too many diffIDs": (
        image([LOW, HIGH], rootfs={"type": "layers", "diff_ids": [sha256(LOW), sha256(HIGH), sha256(HIGH)]}),
        truth,
        RegistryError,
    ),
    # 17: documents of two kinds
    "manifest: layers and manifests": (with_manifest(GOOD, manifests=[]), truth, RegistryError),
    "manifest: another Content-Type": (GOOD, about_manifest(set_header("Content-Type", OCI_INDEX)), RegistryError),
    "manifest: calls itself an index": (
        with_manifest(GOOD, mediaType=OCI_INDEX),
        about_manifest(set_header("Content-Type", OCI_MANIFEST)),
        RegistryError,
    ),
    "manifest: Docker's type outside": (
        GOOD,
        about_manifest(set_header("Content-Type", DOCKER_MANIFEST)),
        RegistryError,
    ),
    "manifest: schema 1": (
        with_manifest(GOOD, schemaVersion=1, mediaType="application/vnd.docker.distribution.manifest.v1+prettyjws"),
        truth,
        Unsupported,
    ),
    # 18: digests that are none
    **{
        f"digest: {digest[:20]}": (with_layers(layer_entries(digest=digest)), truth, RegistryError)
        for digest in ("sha256:../../x", LAYER[:-1], LAYER.upper(), "md5:" + "0" * 32, "sha256:", LAYER + "/../x")
    },
    # 19: too much
    "manifest: 4 MiB and one byte": (GOOD, about_manifest(set_body(b" " * ((4 << 20) + 1))), RegistryError),
    "manifest: 25,000 layers": (
        with_layers([{"mediaType": OCI_LAYER_GZIP, "digest": LAYER, "size": 1}] * 25_000),
        truth,
        RegistryError,
    ),
    "manifest: one layer too many": (image([LOW] * (MAX_LAYERS + 1)), truth, RegistryError),
    "manifest: a configuration of 64 MiB": (
        with_manifest(GOOD, config=descriptor(GOOD.config, OCI_CONFIG) | {"size": 64 << 20}),
        truth,
        RegistryError,
    ),
    "config: 4 MiB and one byte": (with_config(GOOD.config + b" " * (4 << 20)), truth, RegistryError),
    "manifest: 100,000 deep": (GOOD, about_manifest(set_body(b'{"x":' * 100_000)), MinidockError),
    "config: 100,000 deep": (with_config(b'{"x":' * 100_000), truth, RegistryError),
    "manifest: a key twice": (
        Image(b'{"layers":[],' + GOOD.manifest[1:], GOOD.config, GOOD.layers),
        truth,
        RegistryError,
    ),
    "ten thousand header fields": (
        GOOD,
        about_manifest(lambda answer: answer.headers.update({f"X-{n}": "x" for n in range(10_000)})),
        Unavailable,
    ),
    "a header field of a megabyte": (GOOD, about_manifest(set_header("X-Long", "x" * (1 << 20))), Unavailable),
    "error body of 100 MiB": (GOOD, about_manifest(set_status(400, b"[" * (100 << 20))), RegistryError),
}


@pytest.mark.parametrize("name", list(LIES))
def test_refuses_the_lie_and_then_takes_the_truth(name: str, root: Path) -> None:
    offered, lie, error = LIES[name]
    with Liar({"app:1": offered}, lie) as registry, lab(root) as ours:
        with pytest.raises(error) as refused:
            ours.pull(f"{registry.host}/app:1")
        assert isinstance(refused.value, MinidockError)
        ours.assert_nothing_committed()
        assert ours.parts().keys() <= {f"{sha256(data)[7:]}.part" for data in (*GOOD.layers, GOOD.config)}

        registry.lie = truth
        registry.blobs |= GOOD.blobs
        registry.tags["app:1"] = registry.add_document(GOOD.manifest)
        ours.pull(f"{registry.host}/app:1")
        assert ours.names == [f"{registry.host}/app:1"]
        assert ours.tree() == {"low": b"low" * 1000, "high": b"high"}
        assert ours.parts() == {}
        ours.assert_sound()


def index_of(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}).encode()


def nested(registry: Liar, depth: int) -> str:
    """Offer GOOD inside *depth* indexes; return the digest of the outermost."""
    data, media_type = GOOD.manifest, OCI_MANIFEST
    for _ in range(depth):
        data, media_type = index_of(descriptor(data, media_type)), OCI_INDEX
        registry.add_document(data, media_type)
    return sha256(data)


@pytest.mark.parametrize(("depth", "allowed"), [(1, True), (3, True), (4, False), (100, False)])
def test_indexes_nest_three_deep_at_most(depth: int, allowed: bool, root: Path) -> None:  # 19
    with Liar({"app:0": GOOD}) as registry, lab(root) as ours:
        registry.tags["app:1"] = nested(registry, depth)
        if allowed:
            ours.pull(f"{registry.host}/app:1")
            assert len(ours.store.rows.blobs.find(kind="index")) == depth
            return
        with pytest.raises(RegistryError, match="more than 3 deep"):
            ours.pull(f"{registry.host}/app:1")
        ours.assert_nothing_committed()
        assert len(registry.asked("manifests")) <= 5


@pytest.mark.parametrize(
    "change",
    [{"size": 5}, {"mediaType": DOCKER_MANIFEST}, {"digest": sha256(b"nothing")}],
    ids=["size", "type", "digest"],
)
def test_an_entry_of_an_index_must_be_what_the_index_says(change: dict[str, Any], root: Path) -> None:
    with Liar({"app:0": GOOD}) as registry, lab(root) as ours:
        entry = descriptor(GOOD.manifest, OCI_MANIFEST)
        registry.tags["app:1"] = registry.add_document(index_of(entry | change), OCI_INDEX)
        with pytest.raises(MinidockError):
            ours.pull(f"{registry.host}/app:1")
        ours.assert_nothing_committed()
        registry.tags["app:1"] = registry.add_document(index_of(entry), OCI_INDEX)
        ours.pull(f"{registry.host}/app:1")


def test_words_for_the_engine_in_an_image_are_only_words(root: Path) -> None:  # 21
    marker = root / "marker"
    words = {
        "Labels": {
            "minidock.log-uri": f"binary:///bin/touch?{marker}",
            "io.containerd.runtime.log": f"binary:///bin/touch?{marker}",
            "com.docker.compose.project": "$(touch /x)",
        },
        "Env": [f"MINIDOCK_ROOT={root}", f"LD_PRELOAD={marker}", "DOCKER_HOST=unix:///x"],
        "Volumes": {"/../../etc": {}},
    }
    offered = image([LOW], config=words)
    with Liar({"app:1": offered}) as registry, lab(root / "lab") as ours:
        pulled = ours.pull(f"{registry.host}/app:1")
        assert json.loads(ours.store.blobs.read(ours.store.rows.images.all()[0].id))["config"] == words
        assert pulled == sha256(offered.config)
    assert not marker.exists()


def test_urls_of_a_layer_are_not_followed(root: Path) -> None:  # 20
    with Liar({}) as elsewhere, Liar({"app:1": GOOD}) as registry, lab(root) as ours:
        urls = [f"http://{elsewhere.host}/v2/x/blobs/{LAYER}", "file:///etc/passwd", "http://169.254.169.254/latest"]
        offered = with_layers(layer_entries(urls=urls))
        registry.tags["app:1"] = registry.add_document(offered.manifest)
        ours.pull(f"{registry.host}/app:1")
        assert elsewhere.log == []


def test_a_layer_that_wants_out_is_refused(root: Path) -> None:
    outside = root / "victim"
    bad = image([LOW, tar({"../../../../victim": b"gotcha", f"/../..{outside}": b"gotcha"})])
    with Liar({"app:1": bad}) as registry, lab(root / "lab") as ours:
        try:
            ours.pull(f"{registry.host}/app:1")
        except MinidockError:
            ours.assert_nothing_committed()
        assert not outside.exists()


def test_a_gzip_that_is_none_is_refused(root: Path) -> None:
    junk = b"this is no archive" * 100
    for data in (junk, gzip.compress(junk)):
        plain = json.loads(GOOD.manifest) | {"layers": [descriptor(data, OCI_LAYER_GZIP)]}
        config = json.dumps(
            {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [sha256(junk)]}}
        )
        plain["config"] = descriptor(config.encode(), OCI_CONFIG)
        offered = Image(json.dumps(plain).encode(), config.encode(), [data])
        with Liar({"app:1": offered}) as registry, lab(root) as ours:
            with pytest.raises(MinidockError):
                ours.pull(f"{registry.host}/app:1")
            ours.assert_nothing_committed()
