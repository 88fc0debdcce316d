"""``load``: good archives of every form, and bad ones, which must change nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.support.imagelab import QUIET, TWINS, ImageLab, archive, config_of, docker_members, symlink
from tests.support.images import descriptor, image, sha256, tar, write_layout

from minidock.errors import DigestMismatch, MinidockError
from minidock.oci.manifest import OCI_INDEX, OCI_MANIFEST

BASE, TOP = tar({"etc/base": b"1"}), tar({"etc/top": b"2"})


@pytest.fixture(params=TWINS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ImageLab]:
    lab = ImageLab(tmp_path, request.param)
    yield lab
    lab.store.close()


def docker(**more: Any) -> dict[str, bytes]:
    return docker_members([BASE, TOP], ["app:1", "team/app:2"], **more)


def layout(folder: Path, **changes: bytes) -> bytes:
    write_layout(folder, {"team/app:1": image([BASE, TOP])})
    return archive({**{str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}}.items())


PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("pack", PACK)
def test_docker_archive(lab: ImageLab, pack: str) -> None:
    assert lab.load(PACK[pack](archive(docker().items()))) == ["app:1", "team/app:2"]
    found = lab.images.resolve("app:1")
    assert found.id == sha256(config_of([BASE, TOP]))
    assert lab.files("team/app:2") == {"etc/base": b"1", "etc/top": b"2"}
    assert lab.images.inspect("app:1")["RepoTags"] == ["app:1", "team/app:2"]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_docker_archive_with_compressed_layers(lab: ImageLab, compress: Callable[[bytes], bytes]) -> None:
    lab.load(archive(docker(blobs=[compress(BASE), TOP]).items()))
    assert lab.files("app:1") == {"etc/base": b"1", "etc/top": b"2"}


def test_docker_archive_without_a_name(lab: ImageLab) -> None:
    names = lab.load(archive(docker_members([BASE], None).items()))
    assert names == [lab.images.list({}, False)[0].id]


def test_several_images_share_layers(lab: ImageLab) -> None:
    one, two = docker_members([BASE], ["one:1"]), docker_members([BASE, TOP], ["two:1"])
    manifest = json.loads(one.pop("manifest.json")) + json.loads(two.pop("manifest.json"))
    assert lab.load(archive({"manifest.json": json.dumps(manifest).encode(), **one, **two}.items())) == [
        "one:1",
        "two:1",
    ]
    assert len(lab.store.rows.snapshots.all()) == 2
    assert len(lab.images.list({}, False)) == 2


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_layer_may_be_a_link_to_another_member(lab: ImageLab, kind: bytes) -> None:
    """Old ``docker save`` wrote a layer that two images share as a link."""
    members = docker()
    data = members.pop("layer1/layer.tar")
    target = "../shared/layer.tar" if kind == tarfile.SYMTYPE else "shared/layer.tar"
    lab.load(archive([*members.items(), ("shared/layer.tar", data), symlink("layer1/layer.tar", target, kind)]))
    assert lab.files("app:1")["etc/top"] == b"2"


def test_names_with_a_dot_in_front(lab: ImageLab) -> None:
    members = [(f"./{name}", data) for name, data in docker().items()]
    assert lab.load(archive(members)) == ["app:1", "team/app:2"]


def test_oci_archive_and_folder(lab: ImageLab, tmp_path: Path) -> None:
    data = layout(tmp_path / "layout")
    assert lab.load(data) == ["team/app:1"]
    assert lab.files("team/app:1") == {"etc/base": b"1", "etc/top": b"2"}
    before = lab.images.inspect("team/app:1")
    assert lab.images.load_folder(str(tmp_path / "layout"), QUIET) == ["team/app:1"]
    assert lab.images.inspect("team/app:1") == before


def test_a_bare_tag_names_nothing(lab: ImageLab, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", {"latest": image([BASE])})
    (shown,) = lab.images.load_folder(str(tmp_path / "layout"), QUIET)
    assert shown == lab.images.list({"dangling": ["true"]}, False)[0].id


def test_an_index_in_the_index(lab: ImageLab, tmp_path: Path) -> None:
    """As BuildKit writes it: one image for two platforms, of which only ours is there, and an attestation."""
    made = image([BASE])
    write_layout(tmp_path / "layout", {"x:1": made})
    ours = descriptor(made.manifest, OCI_MANIFEST, platform={"os": "linux", "architecture": os_architecture()})
    other = descriptor(b"not here", OCI_MANIFEST, platform={"os": "linux", "architecture": "s390x"})
    attestation = descriptor(b"nor here", OCI_MANIFEST, platform={"os": "unknown", "architecture": "unknown"})
    inner = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [attestation, other, ours]}).encode()
    (tmp_path / "layout/blobs/sha256" / sha256(inner)[7:]).write_bytes(inner)
    entry = descriptor(inner, OCI_INDEX, annotations={"io.containerd.image.name": "docker.io/library/x:2"})
    outer = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    (tmp_path / "layout/index.json").write_text(json.dumps(outer))
    assert lab.images.load_folder(str(tmp_path / "layout"), QUIET) == ["x:2"]


def os_architecture() -> str:
    from minidock.oci.platform import host_platform

    return host_platform().architecture


def test_loading_twice_changes_nothing(lab: ImageLab) -> None:
    data = archive(docker().items())
    lab.load(data)
    before = (lab.images.inspect("app:1"), lab.store.rows.blobs.all())
    lab.load(data)
    assert (lab.images.inspect("app:1"), lab.store.rows.blobs.all()) == before


def test_progress_is_told(lab: ImageLab) -> None:
    class Told:
        def __init__(self) -> None:
            self.seen: list[tuple[str, str, int, int]] = []

        def status(self, id: str, status: str, current: int = 0, total: int = 0) -> None:
            self.seen.append((id, status, current, total))

    told = Told()
    lab.images.load(io.BytesIO(archive(docker().items())), told)
    assert told.seen == [(sha256(t)[7:19], "Loading layer", len(t), len(t)) for t in (BASE, TOP)]


# --- attack 22 and its kin: refused, and nothing has changed ---

Members = dict[str, bytes]


def edited(change: Callable[[dict[str, Any]], None], **more: Any) -> list[tuple[str, bytes]]:
    members = docker(**more)
    items = json.loads(members["manifest.json"])
    change(items[0])
    return [*{**members, "manifest.json": json.dumps(items).encode()}.items()]


def with_layer(path: str) -> list[tuple[str, bytes]]:
    return edited(lambda item: item.update(Layers=[item["Layers"][0], path]))


def without(*names: str) -> list[tuple[str, bytes]]:
    return [item for item in docker().items() if item[0] not in names]


def link_to(target: str, kind: bytes = tarfile.SYMTYPE) -> list[Any]:
    return [*without("layer1/layer.tar"), symlink("layer1/layer.tar", target, kind)]


def evil(name: str) -> bytes:
    return archive([(name, b"evil")])


BAD: dict[str, Callable[[], list[Any]]] = {
    "layer path up": lambda: with_layer("../../../etc/passwd"),
    "layer path absolute": lambda: with_layer("/etc/passwd"),
    "layer missing": lambda: with_layer("nosuch"),
    "config path up": lambda: edited(lambda item: item.update(Config="../../etc/passwd")),
    "config missing": lambda: edited(lambda item: item.update(Config="x.json")),
    "config empty name": lambda: edited(lambda item: item.update(Config="")),
    "layer is a folder": lambda: [*with_layer("d"), symlink("d", "", tarfile.DIRTYPE)],
    "layer link absolute": lambda: link_to("/etc/passwd"),
    "layer link up": lambda: link_to("../../etc/passwd"),
    "layer link to itself": lambda: link_to("layer.tar"),
    "layer hard link up": lambda: link_to("../etc/passwd", tarfile.LNKTYPE),
    "layer is a device": lambda: link_to("", tarfile.CHRTYPE),
    "layer is a fifo": lambda: link_to("", tarfile.FIFOTYPE),
    "member up": lambda: [*docker().items(), ("../victim", b"x")],
    "member absolute": lambda: [*docker().items(), ("/victim", b"x"), ("victim", b"y")],
    "two manifests": lambda: [*docker().items(), ("manifest.json", b"[]")],
    "two manifests, one with a dot": lambda: [*docker().items(), ("./manifest.json", b"[]")],
    "other layer": lambda: [*{**docker(), "layer1/layer.tar": evil("x")}.items()],
    "other gzip layer": lambda: [*{**docker(), "layer1/layer.tar": gzip.compress(evil("x"))}.items()],
    "layer is no tar": lambda: [*docker_members([b"x" * 600], ["app:1"]).items()],
    "layer leaves its root": lambda: [*docker_members([evil("../../victim")], ["app:1"]).items()],
    "too few layers": lambda: edited(lambda item: item.update(Layers=item["Layers"][:1])),
    "too many layers": lambda: edited(lambda item: item.update(Layers=item["Layers"] * 100)),
    "layers null": lambda: edited(lambda item: item.update(Layers=None)),
    "bad tag": lambda: edited(lambda item: item.update(RepoTags=["app:1", "UPPER:1"])),
    "tag with a digest": lambda: edited(lambda item: item.update(RepoTags=[f"app@sha256:{'0' * 64}"])),
    "tag is an id": lambda: edited(lambda item: item.update(RepoTags=["0" * 64])),
    "tag without a tag": lambda: edited(lambda item: item.update(RepoTags=["app"])),
    "tag with a path": lambda: edited(lambda item: item.update(RepoTags=["../app:1"])),
    "manifest is no JSON": lambda: [*{**docker(), "manifest.json": b"{"}.items()],
    "manifest of another shape": lambda: [*{**docker(), "manifest.json": b'[{"Config": 1}]'}.items()],
    "manifest is huge": lambda: [*{**docker(), "manifest.json": b"[" + b" " * (5 << 20) + b"]"}.items()],
    "manifest is deep": lambda: [*{**docker(), "manifest.json": b"[" * 100_000}.items()],
    "config is huge": lambda: [*docker(comment="x" * (5 << 20)).items()],
    "config key twice": lambda: [
        (name, data.replace(b'"os"', b'"os": "linux", "os"') if name.endswith("json") else data)
        for name, data in docker().items()
    ],
    "config of windows": lambda: [*docker(os="windows").items()],
    "no manifest": lambda: without("manifest.json"),
    "an old archive": lambda: [("repositories", b"{}"), ("abc/layer.tar", BASE), ("abc/json", b"{}")],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_archives_change_nothing(lab: ImageLab, name: str, tmp_path: Path) -> None:
    """The bad image comes second, after a good one: that one must not come in either."""
    good = docker_members([tar({"good": b"1"})], ["good:1"])
    bad = BAD[name]()
    both = [*bad]
    for number, member in enumerate(both):
        if isinstance(member, tuple) and member[0] == "manifest.json" and member[1].startswith(b"[{"):
            manifest = json.loads(good["manifest.json"]) + json.loads(member[1])
            manifest[0]["Layers"] = ["good/layer.tar"]
            both[number] = ("manifest.json", json.dumps(manifest).encode())
            break
    config = next(item for item in good.items() if item[0].endswith(".json") and item[0] != "manifest.json")
    both += [config, ("good/layer.tar", good["layer0/layer.tar"])]
    for members in (bad, both):
        with pytest.raises(MinidockError) as refused:
            lab.load(archive(members))
        assert "\n" not in refused.value.message
        assert len(refused.value.message) < 1000
        assert lab.is_empty()
    assert sorted(os.listdir(tmp_path)) == ["root", "run"]
    assert os.listdir(tmp_path / "root" / "tmp") == []


def test_one_name_for_two_images(lab: ImageLab) -> None:
    one, two = docker_members([BASE], ["x:1"]), docker_members([BASE, TOP], ["x:1"])
    manifest = json.loads(one.pop("manifest.json")) + json.loads(two.pop("manifest.json"))
    with pytest.raises(MinidockError, match="two images"):
        lab.load(archive({"manifest.json": json.dumps(manifest).encode(), **one, **two}.items()))
    assert lab.is_empty()


def test_every_cut_is_refused(lab: ImageLab) -> None:
    data = archive(docker().items())
    end = len(data.rstrip(b"\0"))
    for size in range(0, end, 512):
        with pytest.raises(MinidockError):
            lab.load(data[:size])
    assert lab.is_empty()


@pytest.mark.parametrize("what", ["manifest", "config", "layer"])
def test_oci_blobs_with_other_bytes(lab: ImageLab, tmp_path: Path, what: str) -> None:
    made = image([BASE])
    write_layout(tmp_path / "layout", {"x:1": made})
    data = {"manifest": made.manifest, "config": made.config, "layer": made.layers[0]}[what]
    path = tmp_path / "layout/blobs/sha256" / sha256(data)[7:]
    path.write_bytes(data[:-1] + b" ")
    with pytest.raises((DigestMismatch, MinidockError)):
        lab.images.load_folder(str(tmp_path / "layout"), QUIET)
    assert lab.is_empty()


@pytest.mark.parametrize("what", ["manifest", "config", "layer", "index.json", "oci-layout"])
def test_oci_files_that_are_links_or_missing(lab: ImageLab, tmp_path: Path, what: str) -> None:
    made = image([BASE])
    write_layout(tmp_path / "layout", {"x:1": made})
    data = {"manifest": made.manifest, "config": made.config, "layer": made.layers[0]}.get(what)
    path = tmp_path / "layout" / (f"blobs/sha256/{sha256(data)[7:]}" if data else what)
    path.rename(tmp_path / "outside")
    for kind in ("symlink", "fifo", "nothing"):
        if kind == "symlink":
            path.symlink_to(tmp_path / "outside")
        elif kind == "fifo":
            os.mkfifo(path)
        with pytest.raises(MinidockError):
            lab.images.load_folder(str(tmp_path / "layout"), QUIET)
        path.unlink(missing_ok=True)
    assert lab.is_empty()
    (tmp_path / "outside").rename(path)
    assert lab.images.load_folder(str(tmp_path / "layout"), QUIET) == ["x:1"]  # the control


def test_an_index_that_is_its_own_entry_or_deep(lab: ImageLab, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", {"x:1": image([BASE])})
    blobs = tmp_path / "layout/blobs/sha256"
    entry = descriptor((blobs / "x").name.encode(), OCI_INDEX)
    for _ in range(20):
        document = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
        (blobs / sha256(document)[7:]).write_bytes(document)
        entry = descriptor(document, OCI_INDEX)
    outer = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    (tmp_path / "layout/index.json").write_text(json.dumps(outer))
    with pytest.raises(MinidockError, match="deep"):
        lab.images.load_folder(str(tmp_path / "layout"), QUIET)
