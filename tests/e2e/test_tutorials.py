"""Lesson 00, as a learner uses it: the right card passes, a wrong one does not, an empty one is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.world import World

LESSON = Path(__file__).parent.parent.parent / "tutorials" / "00_a_container_is_a_process"
RIGHT = {
    "pid_inside": "1",
    "new_namespaces": "cgroup ipc mnt net pid uts",
    "same_kernel": "yes",
    "seen_from_host": "yes",
    "capabilities": "14",
}

pytestmark = pytest.mark.root


def check(world: World, card: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(LESSON / "check.py"), str(card)]
    inside = world.argv()[:-1]
    return subprocess.run([*inside, *command], env=world.env, capture_output=True, text=True, timeout=60, check=False)


def write(path: Path, answers: dict[str, str]) -> Path:
    path.write_text("".join(f"{name} = {answer}  # mine\n" for name, answer in answers.items()))
    return path


def test_the_right_card_passes_and_a_wrong_one_does_not(world: World, tmp_path: Path) -> None:
    parent = "minidock-mon" if world.kernel == "native" else "python3"
    done = check(world, write(tmp_path / "right", {**RIGHT, "parent": parent}))
    assert "6 of 6 right" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    done = check(world, write(tmp_path / "wrong", {**RIGHT, "parent": "init", "same_kernel": "no"}))
    assert "4 of 6 right" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1


def test_an_empty_card_is_refused(world: World) -> None:
    done = check(world, LESSON / "card.txt")
    assert done.returncode == 2
    assert "no prediction for: pid_inside" in done.stderr
