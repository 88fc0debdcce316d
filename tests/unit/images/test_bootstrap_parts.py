"""The parts that make root file systems: ELF, closure, Debian's packages, the tree."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.images import tar

from minidock.errors import InvalidArchive, InvalidArgument, NotFound
from minidock.images.bootstrap.closure import closure
from minidock.images.bootstrap.deb import ar_members, unpack_deb
from minidock.images.bootstrap.elf import read_elf
from minidock.images.bootstrap.tree import make_skeleton, settle, write_file
from minidock.kernel.native.layers import NativeLayers


def test_elf_of_a_dynamic_program() -> None:
    elf = read_elf(sys.executable)
    assert elf.interpreter
    assert "libc.so.6" in elf.needed
    assert not elf.static


def test_elf_refuses_everything_else(tmp_path: Path) -> None:
    good = Path(sys.executable).read_bytes()
    for number, data in enumerate(
        [b"", b"#!/bin/sh\n", b"\x7fELF", good[:63], good[:200], good[:32] + b"\xff" * 8 + good[40:]]
    ):
        path = tmp_path / str(number)
        path.write_bytes(data)
        with pytest.raises(InvalidArgument):
            read_elf(str(path))


def test_closure_is_what_the_loader_says() -> None:
    """``ldd`` runs the loader; we only read. Both must name the same files."""
    program = "/bin/ls"
    ours = {os.path.realpath(library.source) for library in closure([program])}
    lines = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.split()
    assert ours == {os.path.realpath(word) for word in lines if word.startswith("/")}


def test_closure_names_what_is_missing(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/ls").read_bytes().replace(b"libc.so.6\0", b"libz.so.7\0"))
    with pytest.raises(NotFound, match=r"libz\.so\.7"):
        closure([str(program)])


def ar(members: list[tuple[str, bytes]]) -> bytes:
    out = b"!<arch>\n"
    for name, data in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out


def deb(data: bytes, name: str = "data.tar.xz") -> bytes:
    return ar([("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (name, data)])


def test_deb_is_unpacked(tmp_path: Path) -> None:
    package = tmp_path / "p.deb"
    package.write_bytes(deb(lzma.compress(tar({"bin/x": b"program"}))))
    unpack_deb(str(package), str(tmp_path / "files"), NativeLayers())
    assert (tmp_path / "files/bin/x").read_bytes() == b"program"
    assert sorted(os.listdir(tmp_path)) == ["files", "p.deb"]


@pytest.mark.skipif(not shutil.which("ar"), reason="needs binutils")
def test_ar_members_agree_with_ar(tmp_path: Path) -> None:
    path = tmp_path / "x.a"
    path.write_bytes(deb(b"odd"))
    with open(path, "rb") as file:
        names = [member.name for member in ar_members(file.fileno())]
    assert names == subprocess.run(["ar", "t", path], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"!<arch>\n",
        b"PK\x03\x04",
        ar([("debian-binary", b"3.0\n"), ("data.tar.xz", b"")]),
        ar([("data.tar.xz", b"")]),
        deb(b"", "data.tar.lz4"),
        deb(b"not xz"),
        deb(lzma.compress(tar({"x": b"y"}))[:-20]),
        deb(lzma.compress(tar({"x": b"y"})))[:-40],
        ar([("debian-binary", b"2.0\n"), ("data.tar", b""), ("data.tar.xz", b"")]),
        deb(b"")[:-5].replace(b"`\n", b"``", 1),
        b"!<arch>\n" + b" " * 60,
    ],
)
def test_deb_refuses_what_is_broken(data: bytes, tmp_path: Path) -> None:
    package = tmp_path / "p.deb"
    package.write_bytes(data)
    with pytest.raises(InvalidArchive):
        unpack_deb(str(package), str(tmp_path / "files"), NativeLayers())
    assert sorted(os.listdir(tmp_path)) == ["p.deb"]


def test_tree_does_not_depend_on_umask_or_time(tmp_path: Path) -> None:
    def look(root: Path) -> list[tuple[str, int, float]]:
        found = [root, *sorted(root.rglob("*"))]
        return [(str(p.relative_to(root)), p.lstat().st_mode, p.lstat().st_mtime) for p in found]

    trees = []
    for umask in (0o077, 0o002):
        old = os.umask(umask)
        try:
            root = tmp_path / f"{umask:o}"
            make_skeleton(str(root))
            write_file(str(root), "opt/x/y", b"data", 0o644)
            settle(str(root), 7)
        finally:
            os.umask(old)
        trees.append(look(root))
    assert trees[0] == trees[1]
    assert {time for _, _, time in trees[0]} == {7.0}
    assert {name: stat.S_IMODE(mode) for name, mode, _ in trees[0]}["tmp"] == 0o1777
