from __future__ import annotations

import os

import pytest
from tests.support.stores import open_store, run_python

from minidock.errors import StepFailed, Unsupported
from minidock.store.layout import Layout, find_layout
from minidock.store.store import Store


def test_opening_makes_the_folders_and_after_a_reboot_those_of_the_run(layout: Layout) -> None:
    open_store(layout)
    assert all(os.path.isdir(folder) for folder in layout.folders)
    for folder in reversed([f for f in layout.folders if f.startswith(layout.run)]):
        os.rmdir(folder)
    os.rmdir(layout.run)
    open_store(layout)
    assert all(os.path.isdir(folder) for folder in layout.folders)


def test_opening_again_changes_nothing(layout: Layout) -> None:
    open_store(layout)
    before = {folder: os.stat(folder).st_mtime_ns for folder in layout.folders}
    open_store(layout)
    assert before == {folder: os.stat(folder).st_mtime_ns for folder in layout.folders}


def test_scratch_goes_with_its_block(layout: Layout) -> None:
    store = open_store(layout)
    with store.scratch("load") as scratch:
        assert os.path.isdir(scratch.path)
        assert os.path.basename(scratch.path).startswith("load.")
    assert os.listdir(layout.tmp) == []


def test_without_the_kernels_ports_no_driver_is_invented(layout: Layout) -> None:
    with pytest.raises(Unsupported):
        _ = Store(layout).snapshots.driver


def test_a_root_that_cannot_be_made_is_a_clear_error(folder: str) -> None:
    with open(f"{folder}/file", "w"):
        pass
    with pytest.raises(StepFailed, match="file/root"):
        open_store(Layout(f"{folder}/file/root", f"{folder}/run"))


def test_the_layout_is_found_by_option_then_environment(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIDOCK_ROOT", f"{folder}/one")
    monkeypatch.setenv("MINIDOCK_RUN", f"{folder}/run")
    assert find_layout().root == f"{folder}/one"
    assert find_layout(f"{folder}/two").root == f"{folder}/two"
    assert find_layout().run == f"{folder}/run/{find_layout().short_id}"


def test_closing_a_store_closes_its_files(folder: str) -> None:
    def open_files() -> list[str]:
        links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
        return [os.readlink(link) for link in links if os.path.lexists(link)]

    for number in range(3):
        root = Layout(f"{folder}/{number}", f"{folder}/run{number}")
        with open_store(root) as first, open_store(root) as second:
            assert first.rows.images.all() == second.rows.images.all() == []
            assert first.state.leases.all() == second.state.leases.all() == []
            first.close()
            with second.transaction("x"):  # its locks are still there
                assert f"{root.root}/minidock.db" in open_files()
    assert [path for path in open_files() if path.startswith(folder)] == []


def test_sqlite_is_not_imported_before_a_database_is_needed(layout: Layout) -> None:
    code = """
import sys
from minidock.store.layout import Layout
from minidock.store.store import Store
store = Store(Layout(sys.argv[1], sys.argv[2]))
print([name for name in ("sqlite3", "ctypes", "shutil", "subprocess", "urllib3") if name in sys.modules])
"""
    assert run_python(code, layout.root, layout.run).stdout == "[]\n"
