"""Fixtures for all tests, and two promises: root's tests are skipped with a reason, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.world import World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    skip = pytest.mark.skip(reason="needs root: run the tests with sudo, or in a virtual machine")
    for item in items:
        if "root" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="module", params=["native", "pure"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world with the embedded busybox image, for each twin of the kernel's ports."""
    with World(request.param) as made:
        made.ok("image", "bootstrap", "busybox")
        yield made


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder on a tmpfs, gone afterwards: for a store, whose syncs would only slow a test down on a disk."""
    folder = tempfile.mkdtemp(prefix="minidock-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def host_stays_as_it_was() -> Iterator[None]:
    """Compare what the machine has before and after all tests."""
    before = host_facts()
    yield
    deadline = time.monotonic() + 5  # a link goes a moment after its namespace
    while (after := host_facts()) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    for name, facts in before.items():
        assert after[name] == facts, f"the tests changed the host's {name}: {after[name] ^ facts}"


def host_facts() -> dict[str, set[str]]:
    """What tests could leave behind: mounts, network links, control groups with processes, firewall forwarding."""
    mounts = {line.split(" - ")[0].split(" ", 3)[3] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    links = set(os.listdir("/sys/class/net"))
    groups = {
        f"{top}/{name}"
        for top in (f"/sys/fs/cgroup/{entry}" for entry in os.listdir("/sys/fs/cgroup"))
        if os.path.isdir(top)
        for name in os.listdir(top)
        if name.startswith("minidock")
    }
    forward = {Path("/proc/sys/net/ipv4/ip_forward").read_text()}
    return {"mounts": mounts, "links": links, "control groups": groups, "forwarding": forward}
