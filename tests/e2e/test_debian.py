"""The whole way of a real image: made by mmdebstrap, pushed by skopeo to Debian's registry, pulled, run, explained."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.debian import debian_image, debian_tar, needs_mmdebstrap
from tests.support.images import write_layout
from tests.support.registries import docker_registry, needs_registry, skopeo
from tests.support.world import World

pytestmark = [pytest.mark.root, pytest.mark.slow, needs_registry, needs_mmdebstrap]


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    """The image's name in a running registry."""
    folder = Path(tempfile.mkdtemp(prefix="minidock-debian-", dir="/dev/shm"))
    write_layout(folder / "layout", {"1": debian_image(debian_tar(folder))})
    with docker_registry(folder / "registry") as host:
        skopeo("copy", "--dest-tls-verify=false", f"oci:{folder}/layout:1", f"docker://{host}/debian:1")
        yield f"{host}/debian:1"
    shutil.rmtree(folder)


@pytest.mark.parametrize("kernel", ["native", "pure"])
def test_debian_is_pulled_and_run(name: str, kernel: str) -> None:
    with World(kernel, netns=False) as world:
        pulled = world.ok("pull", name)
        assert f"Status: Downloaded newer image for {name}" in pulled
        run = ("run", "--rm", "--network", "none", "--explain=json", name)
        done = world.cli(*run, "sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME; dpkg -l | wc -l; id -un")
        release, packages, user = done.stdout.split()
        assert (release, user, done.returncode) == ("bookworm", "root", 0)
        assert int(packages) > 50
        steps = {json.loads(line)["op"] for line in done.stderr.splitlines()}
        assert {"bundle.write", "ns.create", "mount.overlay", "root.pivot", "process.seccomp", "process.exec"} <= steps
        assert "Image is up to date" in world.ok("pull", name)
        assert world.ok("system", "check") == "The store is clean.\n"
        world.ok("rmi", name)
        assert world.ok("images", "-q") == ""
