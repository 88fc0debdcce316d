"""Commands on containers that die at any step: the next command takes back what they left, and a second try succeeds.

Three deaths: the engine kills itself at its n-th notification (``MINIDOCK_DIE_AT``), the monitor before its n-th step
(``MINIDOCK_MONITOR_DIE_AT``), for n = 1, 2, 3, … until a run comes to its end; and kill -9 from outside. What must be
gone is looked for on the machine, not in the engine's rows: processes, control groups, mounts, links, firewall rules.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.support.world import World, groups_of, processes_of

from minidock.trace.killer import VARIABLE as ENGINE

pytestmark = pytest.mark.root
MONITOR = "MINIDOCK_MONITOR_DIE_AT"
NETWORKS = {"none": ("--network", "none"), "bridge": ("-p", "8080:80")}
NAME = "victim"


def soon(condition: Callable[[], object]) -> bool:
    """Wait a little for what the kernel does later: a link dies with its namespace, a process after its parent."""
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def traces(world: World) -> list[str]:
    """What containers of *world* have left on the machine."""
    found = [f"process {pid}" for pid in processes_of(world.folder)]
    found += [entry.path for top in groups_of(world.short_id) for entry in os.scandir(top) if entry.is_dir()]
    links = world.shell("ip -o link show").splitlines()
    found += [line for line in links if f"md{world.short_id}" in line and f"md{world.short_id}br0" not in line]
    found += [line for line in world.shell("nft list ruleset").splitlines() if "8080" in line]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [line for line in mounts if f"{world.folder}/" in line]
    for folder in (f"{world.run_dir}/{world.short_id}/{name}" for name in ("journal", "netns", "containers")):
        found += [entry.path for entry in os.scandir(folder)]
    return found


def assert_gone(world: World) -> None:
    """After one command, nothing of the victim is left, and the store is whole."""
    assert world.ok("ps", "-aq") == "", "a container that was to be removed is there"
    assert soon(lambda: not traces(world)), traces(world)
    assert world.ok("system", "check") == "The store is clean.\n"


def deaths(world: World, variable: str, words: tuple[str, ...], numbers: Iterator[int]) -> Iterator[int]:
    """Run a command that dies at each of *numbers*, until it does not die; yield the number after each death."""
    for number in numbers:
        done = world.cli(*words, env={variable: str(number)})
        if done.returncode == 0:
            return
        if variable == ENGINE:
            assert done.returncode == -signal.SIGKILL, done.stderr
        yield number
    raise AssertionError("the command never came to its end")


def run_words(network: str) -> tuple[str, ...]:
    return ("run", "--rm", "--name", NAME, *NETWORKS[network], "busybox", "echo", "hello")


def die_and_retry(world: World, variable: str, network: str, numbers: Iterator[int]) -> int:
    words = run_words(network)
    died = 0
    for number in deaths(world, variable, words, numbers):
        died = number
        if variable == ENGINE:  # a container that was told to go ends by itself: its monitor needs no engine
            assert soon(lambda: not processes_of(world.folder))
        assert_gone(world)
        assert world.ok(*words) == "hello\n"
    assert_gone(world)
    return died


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("variable", [ENGINE, MONITOR])
def test_a_run_that_dies_at_some_steps(world: World, variable: str, network: str) -> None:
    """A sample: every seventh step, from another one on in each case; the exhaustive test is slow."""
    step = 7
    first = 1 + (len(network) + len(world.kernel) + len(variable)) % step
    assert die_and_retry(world, variable, network, count(first, step)) > step


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("variable", [ENGINE, MONITOR])
def test_a_run_that_dies_at_any_step(world: World, variable: str, network: str) -> None:
    """Every step with the native twin; every fifth with the pure one, whose starts are slow."""
    every = 1 if world.kernel == "native" else 5
    assert die_and_retry(world, variable, network, count(1, every)) > 20


@pytest.mark.parametrize("force", [False, True], ids=["ended", "running"])
def test_an_rm_that_dies_at_any_step(world: World, force: bool) -> None:
    words = ("rm", "-f", NAME) if force else ("rm", NAME)
    make = ("run", "-d", "--name", NAME, *NETWORKS["none"], "busybox", "sleep", "300")
    for number in count(1):
        world.ok(*(make if force else (*make[:1], *make[2:-2], "true")))
        done = world.cli(*words, env={ENGINE: str(number)})
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        world.cli(*words)  # the name is there still, or gone already: then rm says so
        assert_gone(world)
    assert number > 5
    assert_gone(world)


def monitor_of(world: World) -> int:
    """Return the monitor of the victim: the parent of its first process."""
    pid = json.loads(world.ok("inspect", NAME))[0]["State"]["Pid"]
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("PPid:")))


def test_a_monitor_that_is_killed(world: World) -> None:
    world.ok("run", "-d", "--name", NAME, *NETWORKS["bridge"], "busybox", "sleep", "300")
    os.kill(monitor_of(world), signal.SIGKILL)
    assert soon(lambda: "Exited (137)" in world.ok("ps", "-a"))
    assert soon(lambda: not traces(world)), "its teardown was run by the engine"
    assert "Exited (137)" in world.ok("ps", "-a"), "it is said once, and stays so"
    world.ok("rm", NAME)
    assert_gone(world)


def test_an_engine_that_is_killed_while_it_is_attached(world: World) -> None:
    engine = world.popen("run", "--name", NAME, *NETWORKS["bridge"], "busybox", "sh", "-c", "echo up; sleep 300")
    assert engine.stdout is not None
    assert engine.stdout.readline() == b"up\n"
    engine.kill()  # nsenter has become it
    engine.communicate()
    assert "Up" in world.ok("ps"), "the container goes on"
    world.ok("rm", "-f", NAME)
    assert_gone(world)
