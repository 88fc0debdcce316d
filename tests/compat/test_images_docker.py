"""The same archives, changes and commands for Debian's Docker Engine and for us: the answers must be the same.

Debian's engine is 20.10; where Docker 28 differs from it, the test says so.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.dockerd import Dockerd, dockerd, has_dockerd
from tests.support.imagelab import ImageLab, archive, docker_members
from tests.support.images import tar

from minidock.errors import MinidockError
from minidock.oci.reference import parse_reference

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(not has_dockerd(), reason="needs docker.io: tests/packages-large.txt"),
]

BASE, TOP = tar({"etc/base": b"1" * 5000}), tar({"etc/top": b"2" * 300})
HISTORY = [
    {"created": "2024-01-01T00:00:00Z", "created_by": "ADD base"},
    {"created": "2024-01-02T00:00:00Z", "created_by": "ENV A=1", "empty_layer": True},
    {"created": "2024-01-03T00:00:00Z", "created_by": "COPY top", "comment": "by hand"},
]
CONFIG = {"Env": ["A=1"], "Labels": {"a": "b"}, "Cmd": ["/x"], "ExposedPorts": {"80/tcp": {}}, "User": "7"}


def image(*tags: str, tars: tuple[bytes, ...] = (BASE, TOP), day: int = 3) -> bytes:
    created, history = f"2024-01-{day:02}T00:00:00Z", HISTORY[-len(tars) - 1 :]
    members = docker_members(tars, tags, config=CONFIG, created=created, author="me", history=history)
    return archive(members.items())


@pytest.fixture(scope="module")
def engine() -> Iterator[Dockerd]:
    with dockerd() as engine:
        yield engine


@pytest.fixture
def docker(engine: Dockerd) -> Iterator[Dockerd]:
    """The engine without any image."""
    yield engine
    if ids := engine.ok("images", "-aq").split():
        engine.ok("rmi", "-f", *sorted(set(ids)))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ImageLab]:
    lab = ImageLab(tmp_path)
    yield lab
    lab.store.close()


def both(docker: Dockerd, lab: ImageLab, data: bytes) -> None:
    docker.ok("load", stdin=data)
    lab.load(data)


def theirs(docker: Dockerd, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker.ok("image", "inspect", name))[0]
    return found


def ours(lab: ImageLab, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(msgspec.json.encode(lab.images.inspect(name)))
    return found


def test_inspect(docker: Dockerd, lab: ImageLab) -> None:
    both(docker, lab, image("app:1", "team/app:2"))
    left, right = theirs(docker, "app:1"), ours(lab, "app:1")
    for field in (
        "Id",
        "RepoDigests",
        "Parent",
        "Comment",
        "Created",
        "Author",
        "Architecture",
        "Os",
        "Size",
        "RootFS",
    ):
        assert right[field] == left[field], field
    assert sorted(right["RepoTags"]) == sorted(left["RepoTags"])
    for field, value in right["Config"].items():  # 28 has fewer fields than 20.10, and none of its own
        assert left["Config"][field] == value, field


def test_history(docker: Dockerd, lab: ImageLab) -> None:
    both(docker, lab, image("app:1"))
    lines = docker.ok("history", "--no-trunc", "--human=false", "--format", "{{json .}}", "app:1").splitlines()
    left = [json.loads(line) for line in lines]
    right = lab.images.history("app:1")
    assert [(r.id, r.created_by, str(r.size), r.comment) for r in right] == [
        (row["ID"], row["CreatedBy"], row["Size"], row["Comment"]) for row in left
    ]


def test_an_archive_that_docker_saved(docker: Dockerd, lab: ImageLab) -> None:
    """Two images that share a layer, which the old form of the archive writes as a link."""
    for data in (image("one:1", "one:2"), image("two:1", tars=(BASE,))):
        docker.ok("load", stdin=data)
    saved = docker.run("save", "one:1", "one:2", "two:1").stdout
    assert sorted(lab.load(saved)) == ["one:1", "one:2", "two:1"]
    for name in ("one:1", "one:2", "two:1"):
        assert lab.images.resolve(name).id == theirs(docker, name)["Id"]
    assert lab.files("one:2") == {"etc/base": b"1" * 5000, "etc/top": b"2" * 300}


@pytest.mark.parametrize(
    "changes",
    [
        ['CMD ["ls","-l"]', "ENV A=1 B='two words' C=\"x y\"", "WORKDIR srv", "USER 7:8"],
        ["CMD ls -l | cat", 'ENTRYPOINT ["/x", "y"]', "EXPOSE 80 53/udp 90-92"],
        ["ENTRYPOINT exec top", "LABEL a=b c='d e'", "LABEL f g h", "VOLUME /a /b", 'VOLUME ["/c d"]'],
        ["ENV PATH /bin:/sbin", "WORKDIR /a/../b", "WORKDIR c", "ONBUILD RUN make", "ONBUILD COPY . /"],
        ["HEALTHCHECK --interval=1m30s --timeout=3s --retries=2 CMD curl -f x || exit 1"],
        ["HEALTHCHECK NONE"],
        ['HEALTHCHECK --start-period=5s CMD ["true", "x"]', "cmd []", "entrypoint []"],
    ],
)
def test_import_with_changes(docker: Dockerd, lab: ImageLab, changes: list[str]) -> None:
    flags = [word for change in changes for word in ("--change", change)]
    docker.ok("import", *flags, "--message", "hello", "-", "x:1", stdin=BASE)
    lab.images.import_(io.BytesIO(BASE), parse_reference("x:1"), changes, "hello")
    left, right = theirs(docker, "x:1"), ours(lab, "x:1")
    for field in ("Comment", "RootFS", "Size", "Architecture", "Os", "RepoTags"):
        assert right[field] == left[field], field
    for field in {*right["Config"], *CONFIG, "Healthcheck", "StopSignal"}:
        assert (right["Config"].get(field) or None) == (left["Config"].get(field) or None), field


@pytest.mark.parametrize(
    "change",
    ["RUN x", "COPY a b", "ENV A", "EXPOSE 70000", "EXPOSE x", "STOPSIGNAL SIGNONE", "ONBUILD FROM x", "HEALTHCHECK x"],
)
def test_changes_that_are_refused(docker: Dockerd, lab: ImageLab, change: str) -> None:
    assert docker.run("import", "--change", change, "-", "x:1", stdin=BASE).returncode != 0
    with pytest.raises(MinidockError):
        lab.images.import_(io.BytesIO(BASE), parse_reference("x:1"), [change], "")


FILTERS = [
    {},
    {"dangling": ["true"]},
    {"dangling": ["false"]},
    {"label": ["a=b"]},
    {"label": ["a=c"]},
    {"reference": ["*:1"]},
    {"reference": ["team/*"]},
    {"reference": ["team/*:*", "new"]},
    {"reference": ["[a-o]*"]},
    {"before": ["new:1"]},
    {"since": ["old:1"]},
    {"since": ["old:1"], "before": ["new:1"]},
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_filters(docker: Dockerd, lab: ImageLab, filters: dict[str, list[str]]) -> None:
    both(docker, lab, image("new:1", day=9))
    both(docker, lab, image("old:1", "team/app:2", tars=(BASE,), day=2))
    both(docker, lab, archive(docker_members((TOP,), None, created="2024-01-05T00:00:00Z").items()))
    flags = [word for name, values in filters.items() for value in values for word in ("--filter", f"{name}={value}")]
    lines = docker.ok("images", "--no-trunc", *flags, "--format", "{{.ID}} {{.Repository}}:{{.Tag}}").splitlines()
    rows = lab.images.list(filters, False)
    right = [f"{row.id} {name}" for row in rows for name in row.repo_tags or ("<none>:<none>",)]
    assert sorted(right) == sorted(lines)
    assert [line.split()[0] for line in right] == [line.split()[0] for line in lines]  # the newest first


SCRIPTS = [
    ["rmi app:1"],
    ["rmi app"],
    ["rmi team/app:2", "rmi app:1"],
    ["rmi ID"],
    ["rmi -f ID"],
    ["rmi SHORT"],
    ["tag app:1 app:9", "rmi app:9", "rmi other:1", "rmi app:1", "rmi team/app:2"],
    ["tag SHORT team/app:3", "rmi team/app:2", "rmi -f team/app:3", "rmi nosuch", "rmi nosuch:1"],
    ["tag nosuch x", "tag app:1 UPPER", "rmi UPPER", "rmi team/app@sha256:" + "0" * 64, "rmi 0123456789ab"],
    ["rmi other:1", "rmi -f app:1", "rmi -f team/app:2"],
]


@pytest.mark.parametrize("script", SCRIPTS, ids=", ".join)
def test_tag_and_rmi(docker: Dockerd, lab: ImageLab, script: list[str]) -> None:
    both(docker, lab, image("app:1", "team/app:2"))
    both(docker, lab, image("other:1", tars=(BASE,)))
    key = lab.images.resolve("app:1").id
    for line in script:
        words = line.replace("ID", key).replace("SHORT", key.short).split()
        done = docker.run(*words)
        left = (done.stdout + done.stderr).decode().removesuffix("\n").removeprefix("Error: ").splitlines()
        assert [_known(text) for text in _ours(lab, words)] == [_known(text) for text in left], line


def _ours(lab: ImageLab, words: list[str]) -> list[str]:
    try:
        if words[0] == "tag":
            lab.images.tag(words[1], parse_reference(words[2]))
            return []
        deleted = lab.images.remove(words[-1], "-f" in words, True)
    except MinidockError as error:
        return [error.message]
    return [f"Untagged: {line.untagged}" if line.untagged else f"Deleted: {line.deleted}" for line in deleted]


def _known(text: str) -> str:
    """Leave out what is the client's, and what 20.10 says otherwise than 28."""
    for prefix in ("Error response from daemon: ", 'Error parsing reference: "UPPER" is not a valid repository/tag: '):
        text = text.removeprefix(prefix)
    if text.startswith("No such image: "):  # the old client left out the tag that the engine names
        text = text.removesuffix(":latest")
    return text.replace("repository name (library/UPPER) must", "repository name must")
