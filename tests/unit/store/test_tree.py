from __future__ import annotations

import os
from pathlib import Path

import pytest

from minidock.store.tree import Cursor, TreeSize, measure_tree, mounts_below, remove_tree


def deep(folder: str, depth: int) -> None:
    """Make *depth* folders inside one another, deeper than any path may be long."""
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 20, dir_fd=fd)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def test_nothing_there_is_fine(folder: str) -> None:
    remove_tree(f"{folder}/missing")
    assert measure_tree(f"{folder}/missing") == TreeSize(0, 0)


def test_links_are_removed_not_followed(folder: str) -> None:
    Path(folder, "victim").mkdir()
    Path(folder, "victim/file").write_text("safe")
    tree = Path(folder, "tree")
    tree.mkdir()
    os.symlink("../victim", tree / "folder-link")
    os.symlink("../victim/file", tree / "file-link")
    os.link(f"{folder}/victim/file", tree / "hard")
    remove_tree(str(tree))
    assert not tree.exists()
    assert Path(folder, "victim/file").read_text() == "safe"
    os.symlink("victim", f"{folder}/top-link")
    remove_tree(f"{folder}/top-link")
    assert os.listdir(folder) == ["victim"]


def test_folders_deeper_than_any_path(folder: str) -> None:
    Path(folder, "tree").mkdir()
    deep(f"{folder}/tree", 2000)
    assert measure_tree(f"{folder}/tree").inodes == 2002
    remove_tree(f"{folder}/tree")
    assert os.listdir(folder) == []


def test_folders_that_nobody_may_enter(folder: str) -> None:
    tree = Path(folder, "tree")
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/file").write_text("")
    (tree / "a/b").chmod(0)
    (tree / "a").chmod(0)
    remove_tree(str(tree))
    assert not tree.exists()


def test_a_link_put_in_place_of_a_folder_is_not_entered(folder: str) -> None:
    Path(folder, "real").mkdir()
    os.symlink("real", f"{folder}/link")
    cursor = Cursor(folder)
    try:
        with pytest.raises(NotADirectoryError):
            cursor.down("link")
    finally:
        cursor.close()


def test_a_tree_that_moves_while_it_is_walked_is_noticed(folder: str) -> None:
    Path(folder, "a/b").mkdir(parents=True)
    Path(folder, "elsewhere").mkdir()
    cursor = Cursor(f"{folder}/a")
    try:
        cursor.down("b")
        os.rename(f"{folder}/a/b", f"{folder}/elsewhere/b")
        with pytest.raises(OSError, match="moved"):
            cursor.up()
    finally:
        cursor.close()


def test_two_may_remove_the_same_tree(folder: str) -> None:
    import threading

    for round in range(10):
        tree = Path(folder, f"tree{round}")
        for number in range(50):
            (tree / str(number % 7) / str(number)).mkdir(parents=True)
            (tree / str(number % 7) / str(number) / "file").touch()
        failed: list[OSError] = []

        def work(tree: Path = tree, failed: list[OSError] = failed) -> None:
            try:
                remove_tree(str(tree))
            except OSError as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (failed, tree.exists()) == ([], False)


def test_sizes_count_a_hard_link_once(folder: str) -> None:
    tree = Path(folder, "tree")
    (tree / "sub").mkdir(parents=True)
    (tree / "a").write_bytes(b"x" * 1000)
    os.link(tree / "a", tree / "sub/b")
    os.symlink("a", tree / "link")
    assert measure_tree(str(tree)) == TreeSize(1000, 4)


def test_the_mount_table_is_read_with_its_escapes() -> None:
    assert "/proc" in mounts_below("/proc")
    assert mounts_below("/nowhere") == []
