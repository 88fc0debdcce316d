"""Engines that die at any step of an attach, and many engines at once: nothing is lost, nothing is given out twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest
from tests.support.netengine import Lab, request
from tests.support.netlab import Namespace

from minidock.kernel.native.links import NativeLinks
from minidock.trace.journal import undo_lines
from minidock.trace.killer import VARIABLE

pytestmark = pytest.mark.root
A, B = "a" * 64, "b" * 64
FORWARDING_OFF = "sysctl -q -w net.ipv4.ip_forward=0"


@pytest.fixture
def folder() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="minidock-net-", dir="/dev/shm")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def host() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


def attach(
    host: Namespace, folder: str, twin: str, port: int, *containers: str, die_at: int = 0
) -> subprocess.Popen[str]:
    environment = {**os.environ, **({VARIABLE: str(die_at)} if die_at else {})}
    argv = [sys.executable, "-m", "tests.support.attach", folder, twin, str(port), *containers]
    return host.run(lambda: subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True))


def recover(lab: Lab, container: str) -> None:
    """What the next engine does: undo the journal without a writer, then release who is not alive."""
    path = f"{lab.layout.journals}/{container}.journal"
    lab.undo(undo_lines(path))
    os.unlink(path)
    lab.host.run(lambda: lab.networks.reconcile({B}))


@pytest.mark.parametrize("twin", ["native", "pure"])
@pytest.mark.parametrize("first", [True, False], ids=["on a fresh host", "beside another container"])
def test_killed_at_every_step(host: Namespace, folder: str, twin: str, first: bool) -> None:
    lab = Lab(host, folder, NativeLinks())
    if not first:
        lab.start(B, request())
    for at in range(1, 100):
        engine = attach(host, folder, twin, 8080, A, die_at=at)
        engine.communicate()
        recover(lab, A)
        assert "8080" not in host.shell("nft list ruleset")
        assert A not in os.listdir(f"{lab.layout.run}/netns")
        assert lab.networks.ports(A) == ()
        lab.start(A, request(publish={"80/tcp": (("", "8080"),)}))
        lab.stop(A)
        if engine.returncode == 0:
            break
        assert engine.returncode == -signal.SIGKILL
        if first:  # the next round begins on a fresh host again
            lab.store.close()
            host.shell(f"nft delete table inet {lab.table}; ip link delete {lab.bridge}; {FORWARDING_OFF}")
            shutil.rmtree(folder)
            os.mkdir(folder)
            lab = Lab(host, folder, NativeLinks())
    assert at == (25 if first else 13), "two notifications for each step, and the one that never comes"


def test_many_engines_at_once(host: Namespace, folder: str) -> None:
    """Eight processes, 64 containers, all alive at a time, the first of them on a fresh host."""
    engines = [attach(host, folder, "native", 0, *(f"{n}{m}" * 32 for m in range(8))) for n in range(8)]
    addresses: list[str] = []
    for engine in engines:
        addresses += engine.communicate()[0].split()
        assert engine.returncode == 0
    assert len(addresses) == len(set(addresses)) == 64
    inside = json.loads(host.shell("ip -j link show type veth"))
    assert len(inside) == 64
    lab = Lab(host, folder, NativeLinks())
    for n in range(8):
        for m in range(8):
            recover(lab, f"{n}{m}" * 32)
    with lab.networks._shelf.change() as cell:
        assert b'"endpoints":{}' in (cell.value or b"")
