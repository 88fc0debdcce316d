"""The images of a store: import, tag, remove, inspect, history, and the embedded ones."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard
from tests.support.imagelab import QUIET, TWINS, ImageLab, archive, docker_members
from tests.support.images import sha256, tar

from minidock.errors import Conflict, InvalidArchive, InvalidArgument, InvalidReference, NotFound
from minidock.images.images import StoreImages
from minidock.kernel.dry import DryLayers, DryRunEnd
from minidock.kernel.native.layers import NativeLayers
from minidock.oci.digest import Digest
from minidock.oci.reference import parse_reference
from minidock.store.rows import ContainerRow, RunningRow
from minidock.store.store import Store
from minidock.trace.recorder import Recorder
from minidock.trace.step import Step

BASE, TOP = tar({"etc/base": b"1"}), tar({"etc/top": b"22"})


@pytest.fixture(params=TWINS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ImageLab]:
    lab = ImageLab(tmp_path, request.param)
    yield lab
    lab.store.close()


def load(lab: ImageLab, *tags: str, tars: tuple[bytes, ...] = (BASE, TOP)) -> Digest:
    lab.load(archive(docker_members(tars, tags).items()))
    return lab.images.resolve(tags[0]).id


def contain(lab: ImageLab, image: Digest, key: str = "c" * 64, running: bool = False) -> None:
    with lab.store.transaction("test") as rows:
        rows.containers.add(ContainerRow(id=key, name=key, image=image, image_name="x", created=0))
    if running:
        with lab.store.state.transaction() as state:
            state.running.put(RunningRow(id=key, status="running"))


# --- import ---


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, zstandard.ZstdCompressor().compress, lzma.compress, bz2.compress]
)
def test_import(lab: ImageLab, compress: Callable[[bytes], bytes]) -> None:
    name = parse_reference("mine:1")
    key = lab.images.import_(io.BytesIO(compress(BASE)), name, ['CMD ["/x"]', "ENV A=1"], "")
    found = lab.images.resolve("mine:1")
    assert found.id == key
    assert found.config.rootfs.diff_ids == (sha256(BASE),)
    assert found.config.config is not None
    assert (found.config.config.cmd, found.config.config.env) == (("/x",), ("A=1",))
    assert lab.files("mine:1") == {"etc/base": b"1"}
    (row,) = lab.images.history("mine:1")
    assert (row.id, row.tags, row.size, row.comment) == (key, ("mine:1",), 1, "Imported from -")


def test_import_with_a_message_and_no_name(lab: ImageLab) -> None:
    key = lab.images.import_(io.BytesIO(BASE), None, [], "by hand")
    assert lab.images.history(key[7:19])[0].comment == "by hand"
    assert lab.images.list({"dangling": ["true"]}, False)[0].id == key


def test_import_drops_gigabytes_behind_the_end(lab: ImageLab) -> None:
    class Endless(io.RawIOBase):
        """A tar and a GiB of zeros, made as they are read."""

        at, end = 0, 1 << 30

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            size = min(len(buffer), self.end - self.at)
            buffer[:size] = BASE[self.at : self.at + size].ljust(size, b"\0")
            self.at += size
            return size

    key = lab.images.import_(io.BufferedReader(Endless()), None, [], "")
    image = lab.images.inspect(key)
    assert image["Size"] == 1
    blobs = lab.store.rows.blobs.find(image=key, kind="layer")
    assert blobs[0].size < 4096


@pytest.mark.parametrize("data", [b"x" * 2000, BASE[:700], archive([("../victim", b"x")]), gzip.compress(BASE)[:-9]])
def test_import_refuses(lab: ImageLab, data: bytes) -> None:
    with pytest.raises(InvalidArchive):
        lab.images.import_(io.BytesIO(data), parse_reference("x"), [], "")
    assert lab.is_empty()


def test_import_checks_the_changes_first(lab: ImageLab) -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise AssertionError("the archive was read")

    with pytest.raises(InvalidArgument):
        lab.images.import_(Unread(), None, ["RUN x"], "")
    with pytest.raises(InvalidReference):
        lab.images.import_(Unread(), parse_reference(f"x@sha256:{'0' * 64}"), [], "")


# --- names ---


def test_tag_and_retag(lab: ImageLab) -> None:
    one, two = load(lab, "one:1"), load(lab, "two:1", tars=(BASE,))
    lab.images.tag("one:1", parse_reference("new"))
    lab.images.tag(two[7:19], parse_reference("new"))
    assert lab.images.resolve("new").id == two
    assert lab.images.inspect(one)["RepoTags"] == ["one:1"]
    assert str(lab.images.inspect(two)["Metadata"]) > "{'LastTagTime': '2"
    with pytest.raises(InvalidReference):
        lab.images.tag("one:1", parse_reference(f"x@{one}"))
    with pytest.raises(NotFound, match="No such image: nosuch:latest"):
        lab.images.tag("nosuch", parse_reference("x"))


def test_remove_frees_what_only_this_image_needs(lab: ImageLab) -> None:
    one, two = load(lab, "one:1"), load(lab, "two:1", tars=(BASE,))
    chains = lab.images.resolve("one:1").chain, lab.images.resolve("two:1").chain
    lines = [deleted.untagged or deleted.deleted for deleted in lab.images.remove("one:1", False, True)]
    assert lines == ["one:1", one, chains[0]]
    assert lab.files("two:1") == {"etc/base": b"1"}
    lines = [deleted.untagged or deleted.deleted for deleted in lab.images.remove("two:1", False, True)]
    assert lines == ["two:1", two, chains[1]]
    root = Path(lab.store.layout.root)
    assert [list((root / name).iterdir()) for name in ("blobs/sha256", "snapshots", "tmp")] == [[], [], []]
    assert lab.is_empty()


def test_remove_by_id_and_force(lab: ImageLab) -> None:
    key = load(lab, "one:1", "other:1")
    with pytest.raises(Conflict, match="image is referenced in multiple repositories"):
        lab.images.remove(key.short, False, True)
    assert len(lab.images.list({}, False)) == 1
    assert {deleted.untagged for deleted in lab.images.remove(key.short, True, True)} == {"one:1", "other:1", ""}
    assert lab.is_empty()


def test_remove_while_containers_use_it(lab: ImageLab) -> None:
    key = load(lab, "one:1")
    contain(lab, key)
    with pytest.raises(Conflict, match="container cccccccccccc is using its referenced image"):
        lab.images.remove("one:1", False, True)
    assert lab.images.resolve("one:1").id == key
    contain(lab, key, "d" * 64, running=True)
    with pytest.raises(Conflict, match="cannot be forced"):
        lab.images.remove(key, True, True)
    assert [deleted.untagged for deleted in lab.images.remove("one:1", True, True)] == ["one:1"]
    assert lab.files(key) == {"etc/base": b"1", "etc/top": b"22"}


def test_a_damaged_image_can_be_removed(lab: ImageLab) -> None:
    key = load(lab, "one:1")
    os.unlink(lab.store.layout.blob(key))
    assert lab.images.remove("one:1", False, True)[1].deleted == key
    assert lab.is_empty()


def test_loading_again_heals(lab: ImageLab) -> None:
    key = load(lab, "one:1")
    os.unlink(lab.store.layout.blob(key))
    assert load(lab, "one:1") == key
    assert lab.files("one:1") == {"etc/base": b"1", "etc/top": b"22"}


# --- looking ---


def test_inspect_has_dockers_fields(lab: ImageLab) -> None:
    key = load(lab, "one:1")
    found = lab.images.inspect("one:1")
    msgspec.json.encode(found)  # plain values only
    first = "Id RepoTags RepoDigests Parent Comment DockerVersion Author Config Architecture Os Size"
    assert " ".join(found) == f"{first} GraphDriver RootFS Metadata"
    assert (found["Id"], found["Size"]) == (key, 3)
    assert found["RootFS"] == {"Type": "layers", "Layers": [sha256(BASE), sha256(TOP)]}
    assert msgspec.json.encode(found["Config"]) == (
        b'{"Cmd":["/bin/true"],"Entrypoint":null,"Env":null,"Labels":null,"OnBuild":null,"User":"","Volumes":null,'
        b'"WorkingDir":""}'
    )


def test_history_lays_sizes_beside_instructions(lab: ImageLab) -> None:
    history = [
        {"created": "2024-01-01T00:00:00Z", "created_by": "ADD base"},
        {"created_by": "ENV A=1", "empty_layer": True},
        {"created_by": "COPY top", "comment": "buildkit"},
    ]
    lab.load(archive(docker_members((BASE, TOP), ["one:1"], history=history).items()))
    rows = lab.images.history("one:1")
    assert [(row.created_by, row.size) for row in rows] == [("COPY top", 2), ("ENV A=1", 0), ("ADD base", 1)]
    assert [row.id for row in rows] == [lab.images.resolve("one:1").id, "<missing>", "<missing>"]
    assert (rows[0].tags, rows[1].tags, rows[2].created) == (("one:1",), None, 1704067200)


def test_a_history_that_lies_is_an_error(lab: ImageLab) -> None:
    lab.load(archive(docker_members((BASE,), ["one:1"], history=[{}, {}]).items()))
    with pytest.raises(InvalidArgument, match="too many non-empty layers in History section"):
        lab.images.history("one:1")


def test_filters_reach_the_store(lab: ImageLab) -> None:
    load(lab, "one:1", tars=(BASE,))
    lab.load(archive(docker_members((TOP,), ["two:1"], config={"Labels": {"a": "b"}}).items()))
    assert [row.repo_tags for row in lab.images.list({"label": ["a=b"]}, False)] == [("two:1",)]
    with pytest.raises(NotFound, match="No such image: nosuch:latest"):
        lab.images.list({"before": ["nosuch"]}, False)
    with pytest.raises(InvalidArgument, match="invalid filter 'x'"):
        lab.images.list({"x": ["y"]}, False)


# --- the embedded images ---


def test_tiny_is_the_same_each_time(tmp_path: Path) -> None:
    keys = []
    for number, twin in enumerate(("native", "native", "pure")):
        lab = ImageLab(tmp_path / str(number), twin)
        assert lab.images.bootstrap("tiny") == "minidock.local/tiny:latest"
        found = lab.images.resolve("tiny")
        keys.append((found.id, lab.store.rows.images.all()[0].manifest))
        assert found.config.config is not None
        assert found.config.config.cmd == ("/bin/tiny", "--list")
        assert os.listdir(lab.store.layout.tmp) == []
        lab.store.close()
    assert len(set(keys)) == 1  # both twins write the same bytes


def test_source_date_epoch(lab: ImageLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1704067200")
    lab.images.bootstrap("tiny")
    assert lab.images.inspect("tiny")["Created"] == "2024-01-01T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InvalidArgument, match="SOURCE_DATE_EPOCH"):
        lab.images.bootstrap("tiny")


def test_a_kind_that_does_not_exist(lab: ImageLab) -> None:
    with pytest.raises(InvalidArgument, match="alpine"):
        lab.images.bootstrap("alpine")


def test_a_real_image_takes_the_short_name(lab: ImageLab) -> None:
    lab.images.bootstrap("tiny")
    real = load(lab, "tiny:latest")
    assert lab.images.resolve("tiny").id == real
    assert lab.images.remove("tiny", False, True)[0].untagged == "tiny:latest"
    assert lab.images.remove("tiny", False, True)[0].untagged == "minidock.local/tiny:latest"
    assert lab.is_empty()


# --- a dry run ---


class Steps:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def planned(self, steps: object) -> None: ...

    def began(self, step: Step) -> None:
        self.seen.append(step.op)

    def ended(self, step: Step) -> None: ...


def test_a_dry_run_writes_nothing(lab: ImageLab, tmp_path: Path) -> None:
    steps = Steps()
    with Store(lab.store.layout, Recorder([steps]), probe=lambda _: "none", dry=True) as store:
        dry = StoreImages(store, DryLayers(NativeLayers()), lab.images.pull)
        before = sorted(tmp_path.rglob("*"))
        data = archive(docker_members((BASE,), ["x:1"]).items())
        with pytest.raises(DryRunEnd):
            dry.bootstrap("tiny")
        with pytest.raises(DryRunEnd):
            dry.load(io.BytesIO(data), QUIET)
        with pytest.raises(DryRunEnd):
            dry.import_(io.BytesIO(BASE), None, [], "")
        assert sorted(tmp_path.rglob("*")) == before
    assert "store.folder" in steps.seen
