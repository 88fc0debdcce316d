from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from tests.unit.store.test_tree import deep

from minidock.store.copying import copy_tree


def listing(top: str) -> list[tuple[object, ...]]:
    """All that a copy must keep, without inode numbers and link counts of folders."""
    found: list[tuple[object, ...]] = []
    for where, folders, files in os.walk(top):
        for name in [".", *folders, *files] if where == top else [*folders, *files]:
            path = os.path.join(where, name)
            info = os.lstat(path)
            content: object = None
            if stat.S_ISREG(info.st_mode):
                content = Path(path).read_bytes()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            xattrs = {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}
            links = 0 if stat.S_ISDIR(info.st_mode) else info.st_nlink
            numbers = (info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, info.st_rdev, links)
            found.append((os.path.relpath(path, top), *numbers, content, sorted(xattrs.items())))
    return sorted(found, key=str)


def make_tree(top: Path) -> None:
    (top / "sub/empty").mkdir(parents=True)
    (top / "file").write_bytes(b"hello")
    (top / "file").chmod(0o4755)
    os.link(top / "file", top / "sub/hard")
    os.symlink("/etc/passwd", top / "link")
    os.mkfifo(top / "sub/fifo")
    (top / "sub").chmod(0o1750)
    os.setxattr(top / "file", "user.note", b"\x00\xff")
    for path in (top / "file", top / "sub/empty", top / "sub", top):
        os.utime(path, ns=(5, 1_234_567_890_123_456_789))
    os.utime(top / "link", ns=(5, 987_654_321), follow_symlinks=False)


def test_a_copy_is_what_cp_makes(folder: str) -> None:
    Path(folder, "a").mkdir()
    make_tree(Path(folder, "a"))
    copy_tree(f"{folder}/a", f"{folder}/b")
    subprocess.run(["cp", "-a", f"{folder}/a", f"{folder}/c"], check=True)
    assert listing(f"{folder}/b") == listing(f"{folder}/c") == listing(f"{folder}/a")
    assert os.stat(f"{folder}/b/file").st_ino == os.stat(f"{folder}/b/sub/hard").st_ino


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="device nodes and owners need root")
def test_devices_and_owners(folder: str) -> None:
    Path(folder, "a").mkdir()
    os.mknod(f"{folder}/a/whiteout", stat.S_IFCHR, os.makedev(0, 0))
    Path(folder, "a/file").write_text("")
    os.chown(f"{folder}/a/file", 1234, 5678)
    copy_tree(f"{folder}/a", f"{folder}/b")
    assert listing(f"{folder}/b") == listing(f"{folder}/a")


def test_holes_stay_holes(folder: str) -> None:
    Path(folder, "a").mkdir()
    with open(f"{folder}/a/sparse", "wb") as file:
        file.seek(50 << 20)
        file.write(b"middle")
        file.truncate(100 << 20)
    copy_tree(f"{folder}/a", f"{folder}/b")
    info = os.stat(f"{folder}/b/sparse")
    assert info.st_size == 100 << 20
    assert info.st_blocks * 512 < 1 << 20
    with open(f"{folder}/b/sparse", "rb") as file:
        file.seek(50 << 20)
        assert file.read(6) == b"middle"


def test_very_deep_folders(folder: str) -> None:
    Path(folder, "a").mkdir()
    deep(f"{folder}/a", 500)
    copy_tree(f"{folder}/a", f"{folder}/b")
    from minidock.store.tree import measure_tree

    assert measure_tree(f"{folder}/b") == measure_tree(f"{folder}/a")
