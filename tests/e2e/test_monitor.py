"""The native monitor alone, without an engine: what it costs, what it survives, whom it lets wait.

What both twins' monitors must do stands in ``tests/parity/test_launch.py``; here is what only the native one promises.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import groups
from tests.support.bundles import Container, spec

from minidock.kernel.launch import LaunchOptions
from minidock.kernel.native.cgroups import NativeCgroups
from minidock.kernel.native.launch import NativeLaunch
from minidock.kernel.protocol import LogConfig
from minidock.oci.runtime import RuntimeSpec

pytestmark = pytest.mark.root


@pytest.fixture
def container(root: Path) -> Iterator[Container]:
    made = Container(NativeLaunch(), root)
    yield made
    made.close()
    if (made.run / "monitor.sock").exists():  # a test that failed leaves its container running
        other = made.connect()
        other.tell(do="signal", signal=9)
        other.close()


def shell(script: str) -> RuntimeSpec:
    return spec("/bin/sh", "-c", script)


def soon(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_monitor_is_small(container: Container) -> None:
    """At most 3 MiB, also after megabytes of output and input went through it."""
    created = container.up(shell("cat; echo ready; sleep 1000"), stdin=True, stdin_once=True)
    block = b"0123456789abcde\n" * 2048
    for number in range(1, 65):
        container.write(block)
        while len(container.out[1]) < number * len(block):
            container.frame()
    container.write(b"")
    container.until_output(b"ready")
    status = Path(f"/proc/{created['monitor']}/status").read_text()
    resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    assert resident <= 3 * 1024
    container.tell(do="signal", signal=9)
    container.end()


def test_nothing_of_the_spawner_stays_open(container: Container, root: Path) -> None:
    """The control socket, the door, the streams, the log: and no file of the engine."""
    leak = os.open(root, os.O_RDONLY)
    os.set_inheritable(leak, True)
    created = container.up(shell("ls /proc/self/fd | wc -l; sleep 1000"))
    os.close(leak)
    container.until_output(b"\n")
    assert container.stdout == "4\n"  # 0, 1, 2, and the folder that ls reads
    names = [os.readlink(f"/proc/{created['monitor']}/fd/{fd}") for fd in os.listdir(f"/proc/{created['monitor']}/fd")]
    assert not [name for name in names if name == str(root)]
    assert os.readlink(f"/proc/{created['monitor']}/cwd") == "/"
    container.tell(do="signal", signal=9)
    container.end()


def test_the_program_cannot_be_overwritten(container: Container) -> None:
    """CVE-2019-5736: the launcher's file, reached through /proc/PID/exe, is not to be written to."""
    container.start(shell("exit 0"))
    created = container.until("created")  # this process is about to become the program, and still ours
    for pid in (created["pid"], created["monitor"]):
        with pytest.raises(OSError, match=r"Read-only|Text file busy"):
            os.open(f"/proc/{pid}/exe", os.O_WRONLY)
    container.tell(do="go")
    assert container.end()["code"] == 0


def test_another_client_that_does_not_read_is_cut_off(container: Container) -> None:
    """It slows the container for a while; the foreground client loses nothing."""
    container.start(shell("yes 0123456789abcde | head -c 4000000"))
    container.until("created")
    stuck = container.connect()
    stuck.tell(do="attach", stdin=False, stdout=True, stderr=True)
    stuck.tell(do="status")
    stuck.until("status")
    container.tell(do="go")
    assert container.end()["code"] == 0
    assert len(container.out[1]) == 4_000_000
    assert len(b"".join(iter(lambda: stuck.socket.recv(1 << 16), b""))) < 4_000_000  # type: ignore[union-attr]
    stuck.close()


@pytest.mark.parametrize("size", range(400_000, 700_000, 60_000))
def test_the_last_output_waits_for_a_client_that_is_behind(container: Container, size: int) -> None:
    """The program has ended and its last bytes are in the pipe, while its client has not read the first ones."""
    created = container.up(shell(f"yes 0123456789abcde | head -c {size}"), log=LogConfig("none"))
    for _ in range(20):  # only to make it likely; whatever happened by then, nothing may be missing
        if not os.path.exists(f"/proc/{created['pid']}"):
            break
        time.sleep(0.01)
    container.end()
    assert len(container.out[1]) == size


def test_a_full_disk_of_the_log_does_not_stop_the_container(container: Container) -> None:
    container.up(shell("yes 0123456789abcde | head -n 1000; echo end"), log=LogConfig("json-file", "/dev/full"))
    exited = container.end()
    assert container.stdout.endswith("end\n")
    assert "No space left on device" in exited["error"]


def test_a_log_loses_no_line(container: Container) -> None:
    container.up(
        shell("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done"),
        log=LogConfig("json-file", f"{container.state}/log", 50_000, 50),
    )
    container.end()
    numbers = sorted(
        (path for path in container.state.iterdir() if path.name.startswith("log")),
        key=lambda path: -int(path.suffix[1:] or 0),
    )
    text = "".join(path.read_text() for path in numbers)
    assert [line.split('"')[3] for line in text.splitlines()] == [f"line {i}\\n" for i in range(5000)]
    assert all(path.stat().st_size <= 50_000 for path in numbers)


def test_a_monitor_that_dies_at_any_step_takes_its_container_along(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before its n-th step, for every n: no process stays; the group's name is known to whoever cleans up."""
    kernel = NativeCgroups()
    finished = False
    number = 0
    while not finished:
        number += 1
        monkeypatch.setenv("MINIDOCK_MONITOR_DIE_AT", str(number))
        container = Container(NativeLaunch(), root / str(number), f"die{number}")
        group = groups.plan_group(f"die{number}")
        container.start(shell("exit 0"), LaunchOptions(str(container.bundle), cgroup=group))
        for message in container.read():
            if message["is"] == "created":
                container.tell(do="go")
            finished |= message["is"] == "exited"
        container.close()
        soon(lambda dirs=group.dirs: kernel.processes(dirs) == [])  # type: ignore[misc]
        kernel.delete(groups.with_parents(group))
    assert number > len(container.plan)


def test_a_request_that_makes_no_sense_is_refused(container: Container) -> None:
    container.start(shell("exit 0"), log=LogConfig("paper"))
    failed = container.until("failed")
    assert failed["index"] == -1
    assert "paper" in failed["message"]
    assert list(container.read()) == []
