"""``minidock pull`` against ``skopeo copy`` into containers-storage: one Debian layer of 60 MB, from loopback, applied.

Both are whole commands, and both end with an image whose files are unpacked into an overlay layer. They take turns,
each time into fresh folders on one tmpfs; the ratio of the medians is printed. With the same bytes both inflate, hash
and write; the difference is how often, and on how many threads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.debian import debian_image, debian_tar, needs_mmdebstrap
from tests.support.images import write_layout
from tests.support.ratios import compared
from tests.support.registries import docker_registry, needs_registry, skopeo

pytestmark = [pytest.mark.root, pytest.mark.slow, needs_registry, needs_mmdebstrap]

ROUNDS = 5
#: What the issue asks for, as a part of skopeo's time.
TARGET = 0.25


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = tempfile.mkdtemp(prefix="minidock-bench-", dir="/dev/shm")
    yield Path(made)
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def name(folder: Path) -> Iterator[str]:
    """The image's name in a running registry."""
    write_layout(folder / "layout", {"1": debian_image(debian_tar(folder))})
    with docker_registry(folder / "registry") as host:
        skopeo("copy", "--dest-tls-verify=false", f"oci:{folder}/layout:1", f"docker://{host}/debian:1")
        yield f"{host}/debian:1"


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def test_pull(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    def ours(root: Path) -> None:
        environment = os.environ | {"MINIDOCK_ROOT": f"{root}/root", "MINIDOCK_RUN": f"{root}/run", "HOME": str(root)}
        words = [sys.executable, "-m", "minidock", "pull", "--quiet", name]
        subprocess.run(words, check=True, env=environment, capture_output=True)

    def theirs(root: Path) -> None:
        storage = f"containers-storage:[overlay@{root}/root+{root}/run]debian:1"
        skopeo("copy", "--src-tls-verify=false", f"docker://{name}", storage)

    times: dict[str, list[float]] = {"minidock": [], "skopeo": []}
    for number in range(ROUNDS):
        for who, pull in (("minidock", ours), ("skopeo", theirs)):
            root = folder / f"{who}-{number}"
            root.mkdir()
            times[who].append(timed(lambda pull=pull, root=root: pull(root)))  # type: ignore[misc]
            subprocess.run(["umount", f"{root}/root/overlay"], check=False, capture_output=True)  # skopeo's own bind
            shutil.rmtree(root, ignore_errors=True)
    why = "one pass over each blob, applied while others come; skopeo stores, then reads and unpacks again"
    with capsys.disabled():
        compared("pull of a Debian layer, applied", "minidock", "skopeo", times, TARGET, why)
