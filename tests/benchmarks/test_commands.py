"""Whole commands against their peers, in turns: what a person waits for, from the shell's fork to the last exit.

* ``minidock-runtime``, crun and runc get the same bundle: a static program that returns at once. the bundle
  asks for no control group, and ours makes none; crun is told to make none; runc makes them always.
* ``minidock run --rm`` against Docker's Engine and podman: the image is there already, the container gets an address on
  the default bridge. Ours and the Engine's have a network namespace that plays the host's.
* ``minidock version`` against Python that does nothing: how much is imported before the first line of work.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.support.bundles import make_rootfs, spec
from tests.support.dockerd import PATH, dockerd, has_dockerd
from tests.support.peers import namespaces, remove_groups
from tests.support.ratios import compared, in_turns
from tests.support.world import BIN, World

import minidock

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = 11
RUNTIME = str(Path(minidock.__file__).parent / "bin/minidock-runtime")
WHY = {
    "crun": "both native, two processes each; 390 system calls against 690, no dynamic linking",
    "runc": "ten times the system calls, on the threads of Go's runtime; it makes control groups too, even unasked",
    "docker": "a client, an engine, containerd and a shim talk to each other; we plan here and start one monitor",
    "podman": "podman starts conmon, netavark and runc, each a program of its own; we start one",
    "version": "what is imported before the first line of work",
}


@pytest.fixture
def folder() -> Iterator[Path]:
    made = tempfile.mkdtemp(prefix="minidock-bench-", dir="/dev/shm")
    yield Path(made)
    shutil.rmtree(made)


def make_bundle(folder: Path) -> None:
    """A bundle whose root holds one static program, ``/true``."""
    (folder / "rootfs").mkdir()
    source = folder / "true.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-O2", "-static", "-s", "-o", folder / "rootfs/true", source], check=True)
    (folder / "config.json").write_bytes(msgspec.json.encode(spec("/true")))


def test_runtime(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bundle(folder)
    name = f"minidock-bench-{os.getpid()}"
    one_tree = "umount /sys/fs/cgroup/unified 2>/dev/null || true"  # crun starts nothing where v1 and v2 are mixed
    with namespaces("m", one_tree) as enter:
        commands = {"minidock-runtime": [*enter, RUNTIME, "run", "--bundle", str(folder), name]}
        if crun := shutil.which("crun", path=PATH):
            words = ["--cgroup-manager=disabled", f"--root={folder}/crun", "run", f"--bundle={folder}", name]
            commands["crun"] = [*enter, crun, *words]
        if runc := shutil.which("runc", path=PATH):
            commands["runc"] = [*enter, runc, f"--root={folder}/runc", "run", f"--bundle={folder}", name]
        times = in_turns(ROUNDS, commands, {"PATH": PATH})
    with capsys.disabled():
        for peer, target in (("crun", 0.6), ("runc", 0.25)):
            if peer in times:
                compared("bundle: static true", "minidock-runtime", peer, times, target, WHY[peer])


@contextmanager
def podman(program: str, folder: Path, archive: str) -> Iterator[list[str]]:
    """Yield podman's ``run`` on the image, with a /run and network of its own.

    runc starts its containers, which is why the limits that only CAP_SYS_RESOURCE may raise are given.
    """
    parent = f"minidock-peer-{os.getpid()}"
    places = "ip link set lo up; mount -t tmpfs tmpfs /run; mkdir /run/lock"
    with namespaces("mni", places) as enter:
        options = [f"--root={folder}/podman", f"--runroot={folder}/run", "--cgroup-manager=cgroupfs", "--runtime=runc"]
        settings = folder / "containers.conf"
        settings.write_text('[engine]\nlock_type = "file"\n')  # else it keeps one in /dev/shm for good
        words = [*enter, "env", f"CONTAINERS_CONF={settings}", program, *options]
        subprocess.run([*words, "import", "--quiet", archive, "busybox"], check=True, capture_output=True)
        limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
        yield [*words, "run", "--rm", f"--cgroup-parent=/{parent}", *limits, "busybox", "true"]
    for group in (parent, "libpod_parent"):
        remove_groups(group)


def test_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_rootfs(folder / "rootfs")
    archive = str(folder / "busybox.tar")
    subprocess.run(["tar", "cf", archive, "-C", folder / "rootfs", "."], check=True)
    with ExitStack() as stack:
        world = stack.enter_context(World())
        world.ok("image", "bootstrap", "busybox")
        commands = {"minidock": world.argv("run", "--rm", "busybox", "true")}
        if has_dockerd():
            engine = stack.enter_context(dockerd(containers=True))
            engine.ok("import", archive, "busybox")
            client = ["/usr/bin/docker", "--host", f"unix://{engine.folder}/docker.sock"]
            commands["docker"] = [*client, "run", "--rm", "busybox", "true"]
        if program := shutil.which("podman", path=PATH):
            commands["podman"] = stack.enter_context(podman(program, folder, archive))
        times = in_turns(ROUNDS, commands, world.env)
    with capsys.disabled():
        for peer, target in (("docker", 0.3), ("podman", 0.5)):
            if peer in times:
                compared("run --rm busybox true", "minidock", peer, times, target, WHY[peer])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    commands = {"minidock": [BIN, "version"], "python -c pass": [sys.executable, "-c", "pass"]}
    times = in_turns(ROUNDS, commands, {"PATH": PATH})
    with capsys.disabled():
        compared("version", "minidock", "python -c pass", times, 3, WHY["version"])
