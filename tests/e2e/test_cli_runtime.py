"""``minidock runtime run BUNDLE``: a bundle that somebody else made, without any store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.support.world import World

pytestmark = pytest.mark.root


@pytest.fixture
def bundle(root: Path) -> Path:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox (Debian: apt-get install busybox-static)")
    for name in ("bin", "proc"):
        (root / "rootfs" / name).mkdir(parents=True)
    shutil.copy(busybox, root / "rootfs/bin/busybox")
    (root / "rootfs/bin/sh").symlink_to("busybox")
    program = {"args": ["/bin/sh", "-c", "echo process $$; exit 4"], "cwd": "/", "env": ["PATH=/bin"]}
    specification = {
        "ociVersion": "1.1.0",
        "process": {**program, "user": {"uid": 0, "gid": 0}},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": kind} for kind in ("mount", "pid", "uts", "ipc", "network")]},
    }
    (root / "config.json").write_text(json.dumps(specification))
    return root


@pytest.mark.parametrize("more", [[], ["name"]])
def test_a_bundle_runs(world: World, bundle: Path, more: list[str]) -> None:
    result = world.cli("runtime", "run", str(bundle), *more)
    assert (result.stdout, result.returncode) == ("process 1\n", 4), result.stderr


def test_a_folder_without_a_bundle(world: World, tmp_path: Path) -> None:
    result = world.cli("runtime", "run", str(tmp_path))
    assert result.returncode == 125
    assert "no OCI bundle" in result.stderr
