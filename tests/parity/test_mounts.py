"""The port Mounts: overlays, binds, pinned namespaces, views of layers; the oracle is /proc/self/mountinfo."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.errors import InvalidArgument, StepFailed
from minidock.kernel.ports import Mounts

pytestmark = pytest.mark.root


@pytest.fixture
def layers(root: Path) -> Iterator[list[str]]:
    """Two layers, the topmost first; both have ``file``."""
    found = []
    for name in ("top", "bottom"):
        folder = root / f"{name}:with,odd\\ name"
        (folder / "etc").mkdir(parents=True)
        (folder / "file").write_text(name)
        (folder / name).write_text("")
        found.append(str(folder))
    yield found
    for line in mounts_below(root):
        os.system(f"umount -l '{line}'")


def mounts_below(root: Path) -> list[str]:
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4] for line in file]
    return [point for point in points if point.startswith(f"{root}/")]


def test_an_overlay(mounts: Mounts, layers: list[str], root: Path) -> None:
    for name in ("upper", "work", "at"):
        (root / name).mkdir()
    at = root / "at"
    mounts.overlay(str(at), layers, str(root / "upper"), str(root / "work"), [])
    assert sorted(os.listdir(at)) == ["bottom", "etc", "file", "top"]
    assert (at / "file").read_text() == "top"
    (at / "new").write_text("x")
    (at / "bottom").unlink()
    assert (root / "upper/new").read_text() == "x"
    mounts.unmount(str(at))
    mounts.unmount(str(at))
    assert mounts_below(root) == []
    assert os.path.exists(f"{layers[1]}/bottom")


def test_an_overlay_without_an_upper_is_read_only(mounts: Mounts, layers: list[str], root: Path) -> None:
    (root / "at").mkdir()
    mounts.overlay(str(root / "at"), layers, None, None, [])
    with pytest.raises(OSError, match="Read-only"):
        (root / "at/x").write_text("")
    mounts.unmount(str(root / "at"))


def test_a_failure_names_its_step(mounts: Mounts, root: Path) -> None:
    with pytest.raises(StepFailed) as failure:
        mounts.overlay(str(root), ["/does/not/exist", "/neither"], None, None, [])
    assert failure.value.op == "mount.overlay"
    assert failure.value.errno == 2
    with pytest.raises(StepFailed) as failure:
        mounts.bind("/does/not/exist", str(root), [])
    assert (failure.value.op, failure.value.errno) == ("mount.bind", 2)


def test_a_bind_with_options(mounts: Mounts, layers: list[str], root: Path) -> None:
    (root / "at").mkdir()
    mounts.bind(layers[0], str(root / "at"), ["rbind", "ro", "nosuid", "rprivate"])
    with open("/proc/self/mountinfo") as file:
        line = next(line.split() for line in file if line.split()[4] == str(root / "at"))
    assert {"ro", "nosuid"} <= set(line[5].split(","))
    assert not any(word.startswith("shared:") for word in line)
    mounts.unmount(str(root / "at"))


def test_a_pinned_network_namespace(mounts: Mounts, root: Path) -> None:
    path = str(root / "ns")
    mounts.pin_network(path)
    try:
        seen = subprocess.run(
            ["nsenter", f"--net={path}", "ip", "-br", "link"], check=True, capture_output=True, text=True
        ).stdout
        assert seen.split()[:2] == ["lo", "UNKNOWN"]  # up
        assert os.stat(path).st_ino != os.stat("/proc/self/ns/net").st_ino
        with pytest.raises(StepFailed) as failure:
            mounts.pin_network(path)
        assert failure.value.errno == 17
    finally:
        mounts.unpin_network(path)
    mounts.unpin_network(path)
    assert not os.path.exists(path)


def test_a_view_is_read_only_and_mounted_nowhere(mounts: Mounts, layers: list[str], root: Path) -> None:
    for lower in (layers, layers[:1]):
        view = mounts.view(lower, [])
        try:
            assert mounts.read_file(view, "/file", 100) == b"top"
            with pytest.raises(OSError, match="Read-only"):
                os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=view)
            assert mounts_below(root) == []
        finally:
            os.close(view)


def test_files_of_an_image_are_read_safely(mounts: Mounts, root: Path) -> None:
    image = root / "image"
    image.mkdir()
    (root / "secret").write_text("host")
    (image / "file").write_text("inside")
    (image / "up").symlink_to("../secret")
    (image / "link").symlink_to("/file")
    (image / "loop").symlink_to("loop")
    (image / "folder").mkdir()
    os.mkfifo(image / "fifo")
    os.mknod(image / "zero", 0o666 | 0o020000, os.makedev(1, 5))
    view = mounts.view([str(image)], [])
    try:
        assert mounts.read_file(view, "/link", 100) == b"inside"
        for path in ("/up", "/loop", "/folder", "/fifo", "/zero", "/missing", "/file/below", "/" + "x" * 300):
            assert mounts.read_file(view, path, 100) is None, path
        with pytest.raises(InvalidArgument):
            mounts.read_file(view, "/file", 5)
        assert mounts.read_file(view, "/file", 6) == b"inside"
    finally:
        os.close(view)


def test_the_probe_says_what_works(mounts: Mounts, root: Path) -> None:
    assert mounts.probe_overlay(str(root)) in ("overlay", "userxattr")
    assert list(root.iterdir()) == []
