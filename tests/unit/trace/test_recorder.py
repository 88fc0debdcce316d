"""The recorder and the journal."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pytest

from minidock.trace.journal import Journal, undo_lines
from minidock.trace.recorder import Recorder, op, recorded
from minidock.trace.step import Step


class Seen:
    def __init__(self) -> None:
        self.events: list[tuple[str, Step]] = []

    def planned(self, steps: Sequence[Step]) -> None:
        self.events += [("planned", step) for step in steps]

    def began(self, step: Step) -> None:
        self.events.append(("began", step))

    def ended(self, step: Step) -> None:
        self.events.append(("ended", step))


class Port(Protocol):
    @op("cgroup.create")
    def create(self, dirs: Sequence[str]) -> int: ...

    def read(self, file: str) -> str: ...


class Real:
    def create(self, dirs: Sequence[str]) -> int:
        if not dirs:
            raise FileNotFoundError(2, "nothing")
        return len(dirs)

    def read(self, file: str) -> str:
        return file


def test_a_call_becomes_a_step_with_its_arguments_by_name() -> None:
    seen = Seen()
    port = recorded(Real(), Port, Recorder([seen]))  # type: ignore[type-abstract]
    assert port.create(["/a"]) == 1
    assert port.create(dirs=("/a", "/b")) == 2
    assert port.read("x") == "x"
    assert [kind for kind, _ in seen.events] == ["began", "ended"] * 2
    assert seen.events[0][1].args == {"dirs": ["/a"]}
    assert seen.events[2][1].args == {"dirs": ["/a", "/b"]}
    assert seen.events[1][1].took > 0


def test_a_failure_is_seen_and_goes_on_up() -> None:
    seen = Seen()
    with pytest.raises(FileNotFoundError):
        recorded(Real(), Port, Recorder([seen])).create([])  # type: ignore[type-abstract]
    kind, step = seen.events[-1]
    assert (kind, step.errno) == ("ended", 2)
    assert step.error


def test_a_journal_is_undone_backwards(tmp_path: Path) -> None:
    path = str(tmp_path / "x.journal")
    journal = Journal(path)
    recorder = Recorder([journal])
    recorder.call("cgroup.create", {"dirs": ["/a"]}, lambda: None)
    recorder.call("cgroup.limit", {"file": "/a/x", "value": "1"}, lambda: None)
    recorder.planned([Step("ns.pin", {"path": "/n"})])
    assert [undo.op for undo in undo_lines(path)] == ["ns.unpin", "cgroup.delete"]
    with open(path, "rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    teardown = str(tmp_path / "teardown.jsonl")
    journal.save(teardown)
    journal.close()
    assert not os.path.exists(path)
    assert [undo.op for undo in undo_lines(teardown)] == ["ns.unpin", "cgroup.delete"]


def test_a_torn_last_line_was_not_written(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b'{"op":"ns.unpin","args":{"path":"/n"}}\n{"op":"cgroup.del')
    assert [undo.op for undo in undo_lines(str(path))] == ["ns.unpin"]
    assert list(undo_lines(str(tmp_path / "missing"))) == []
