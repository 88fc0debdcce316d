"""Faults 1 to 3: a pull is killed at every step. What is left is sound, and the next pull finishes the work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.images import image, sha256, tar
from tests.support.liar import Liar
from tests.support.paths import PYTHON_PATH, TOP
from tests.support.pulls import lab

IMAGE = image([tar({"a": b"a" * 100_000}), tar({"b": b"b"})])
#: What the victim runs: a pull with the killer among its listeners.
CODE = """
import sys
from pathlib import Path
from minidock.trace.killer import Killer
from tests.support.pulls import lab

with lab(Path(sys.argv[1]), listeners=[Killer(int(sys.argv[3]))]) as ours:
    ours.pull(sys.argv[2])
"""


def pull_and_die(root: Path, name: str, at: int) -> int:
    words = [sys.executable, "-c", CODE, str(root), name, str(at)]
    return subprocess.run(
        words, env=os.environ | {"PYTHONPATH": PYTHON_PATH}, cwd=TOP, timeout=60, check=False
    ).returncode


def test_killed_at_every_step(root: Path) -> None:
    with Liar({"app:1": IMAGE}) as registry:
        name = f"{registry.host}/app:1"
        for at in range(1, 200):
            folder = root / str(at)
            folder.mkdir()
            status = pull_and_die(folder, name, at)
            with lab(folder) as ours:
                ours.assert_sound()
                assert ours.names == ([name] if ours.store.rows.images.all() else [])
                requests = len(registry.log)
                assert ours.pull(name) == sha256(IMAGE.config)
                assert ours.tree() == {"a": b"a" * 100_000, "b": b"b"}
                assert ours.parts() == {}
                ours.assert_sound()
                if status == 0:
                    assert len(registry.log) == requests + 1  # one question: is it still the same?
                    break
            assert status == -signal.SIGKILL
        else:
            raise AssertionError("the pull never came to its end")
        assert at > 20  # it was killed at each of its steps, not at the first few only
