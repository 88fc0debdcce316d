"""Rootless: everything that an ordinary user can do, done as one that the tests make and remove."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.netlab import Namespace, join
from tests.support.ordinary import OrdinaryUser
from tests.support.world import BIN

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="making a user needs root"),
    pytest.mark.skipif(shutil.which("newuidmap") is None, reason="the package uidmap is not installed"),
]


class Rootless:
    """minidock as an ordinary user."""

    def __init__(self, user: OrdinaryUser, host: Namespace, kernel: str, **more: str) -> None:
        self.user = user
        self.host = host
        self.env = {
            "HOME": user.home,
            "XDG_RUNTIME_DIR": f"{user.home}/run",
            "MINIDOCK_KERNEL": kernel,
            "LC_ALL": "C.UTF-8",
            **more,
        }

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.user.run("env", *(f"{k}={v}" for k, v in self.env.items()), BIN, *words)

    def ok(self, *words: str) -> str:
        done = self.cli(*words)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @property
    def holder(self) -> int:
        (file,) = Path(f"{self.user.home}/run/minidock").glob("*/holder.json")
        return int(json.loads(file.read_text())["pid"])


def rootless(kernel: str, ranges: bool = True, **more: str) -> Iterator[Rootless]:
    with Namespace() as host, Namespace() as lan:
        join(host, "eth0", "192.0.2.1/24", lan, "eth0", "192.0.2.2/24")
        with OrdinaryUser(host, ranges) as user:
            made = Rootless(user, host, kernel, **more)
            made.ok("image", "bootstrap", "busybox")
            yield made
            assert made.ok("system", "check") == "The store is clean.\n"
            made.ok("system", "release")
            wait_for_end(user)


def wait_for_end(user: OrdinaryUser) -> None:
    """The holder is gone; what watches it follows."""
    for pid in user.processes():
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        import select

        with os.fdopen(pidfd) as process:
            poll = select.poll()
            poll.register(process, select.POLLIN)
            assert poll.poll(10_000), f"process {pid} is left when the holder has ended"
    assert user.processes() == []


@pytest.fixture(scope="module", params=["native", "pure"])
def mine(request: pytest.FixtureRequest) -> Iterator[Rootless]:
    yield from rootless(request.param)


@pytest.fixture(scope="module", params=["native", "pure"])
def single(request: pytest.FixtureRequest) -> Iterator[Rootless]:
    yield from rootless(request.param, ranges=False)


def none(mine: Rootless, *words: str) -> str:
    return mine.ok("run", "--rm", "--network", "none", *words)


def test_a_program_runs_as_root_of_a_namespace(mine: Rootless) -> None:
    assert none(mine, "busybox", "echo", "hello") == "hello\n"
    assert none(mine, "busybox", "id", "-u") == "0\n"
    lines = [line.split() for line in none(mine, "busybox", "cat", "/proc/self/uid_map").splitlines()]
    assert lines == [["0", str(mine.user.uid), "1"], ["1", str(mine.user.first_sub), "65536"]]


def test_its_exit_code_is_ours(mine: Rootless) -> None:
    assert mine.cli("run", "--rm", "--network", "none", "busybox", "sh", "-c", "exit 7").returncode == 7
    assert mine.cli("run", "--rm", "--network", "none", "busybox", "/nowhere").returncode == 127


def test_the_root_is_an_overlay_with_user_attributes(mine: Rootless) -> None:
    assert "Driver: userxattr" in mine.ok("info")
    root = none(mine, "busybox", "cat", "/proc/self/mounts").splitlines()[0]
    assert root.startswith("overlay / overlay")
    assert "userxattr" in root


def test_another_user_inside_is_a_subordinate_one_outside(mine: Rootless) -> None:
    folder = f"{mine.user.home}/shared"
    mine.user.run("mkdir", "-p", folder)
    none(
        mine, "-v", f"{folder}:/data", "busybox", "sh", "-c", "touch /data/root; touch /data/other; chown 7 /data/other"
    )
    assert os.stat(f"{folder}/root").st_uid == mine.user.uid
    assert os.stat(f"{folder}/other").st_uid == mine.user.first_sub + 6
    assert none(mine, "-u", "7:8", "busybox", "sh", "-c", "echo $(id -u):$(id -g)") == "7:8\n"


def test_a_container_has_the_usual_devices(mine: Rootless) -> None:
    script = "echo x > /dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c"
    assert none(mine, "busybox", "sh", "-c", script).split() == ["4", "4"]


def test_the_host_network_is_the_users_own(mine: Rootless) -> None:
    words = mine.ok("run", "--rm", "--network", "host", "busybox", "ip", "-4", "address")
    assert "192.0.2.1/24" in words


@pytest.mark.skipif(shutil.which("slirp4netns") is None, reason="the package slirp4netns is not installed")
def test_the_default_network_leads_out(mine: Rootless) -> None:
    def serve() -> socket.socket:
        return socket.create_server(("192.0.2.1", 0))

    with mine.host.run(serve) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"from the host\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert mine.ok("run", "--rm", "busybox", "nc", "-w", "5", "192.0.2.1", str(port)) == "from the host\n"
        thread.join(10)
    assert "nameserver 10.0.2.3" in mine.ok("run", "--rm", "busybox", "cat", "/etc/resolv.conf")


@pytest.mark.skipif(shutil.which("slirp4netns") is None, reason="the package slirp4netns is not installed")
def test_a_published_port_answers_on_the_host(mine: Rootless) -> None:
    words = ("run", "-d", "-p", "127.0.0.1:18080:80", "busybox", "nc", "-ll", "-p", "80", "-e", "echo", "inside")
    container = mine.ok(*words).strip()
    try:

        def ask() -> bytes:
            for _ in range(100):
                with socket.create_connection(("127.0.0.1", 18080), 5) as client:
                    if data := client.recv(100):
                        return data
            return b""

        assert mine.host.run(ask) == b"inside\n"
    finally:
        mine.ok("rm", "-f", container)
    mine.ok("run", "--rm", "-p", "127.0.0.1:18080:80", "busybox", "true")  # the port is free again


def test_a_limit_without_delegation_is_refused_with_the_fix(mine: Rootless) -> None:
    done = mine.cli("run", "--rm", "--network", "none", "-m", "64m", "busybox", "true")
    assert done.returncode == 125
    assert "no control group can be made here" in done.stderr
    assert "systemd-run --user --scope -p Delegate=yes" in done.stderr


def test_containers_are_listed_and_removed(mine: Rootless) -> None:
    none_words = ("run", "-d", "--network", "none", "busybox", "sleep", "600")
    container = mine.ok(*none_words).strip()
    assert container[:12] in mine.ok("ps", "-q")
    busy = mine.cli("system", "release")
    assert busy.returncode == 1
    assert "1 containers are running" in busy.stderr
    mine.ok("rm", "-f", container)
    assert mine.ok("ps", "-aq") == ""


def test_an_image_with_many_owners(mine: Rootless, tmp_path: Path) -> None:
    archive = f"{mine.user.home}/owners.tar"
    (tmp_path / "bin").mkdir()
    shutil.copy("/bin/busybox", tmp_path / "bin/busybox")
    for owner in (0, 1, 1000, 65534):
        (tmp_path / f"of{owner}").write_text("x")
        os.chown(tmp_path / f"of{owner}", owner, owner)
    subprocess.run(["tar", "-cf", archive, "--numeric-owner", "-C", tmp_path, "."], check=True)
    os.chmod(archive, 0o644)
    mine.ok("import", archive, "owners:1")
    owners = none(mine, "owners:1", "/bin/busybox", "stat", "-c", "%u", "/of0", "/of1", "/of1000", "/of65534")
    assert owners.split() == ["0", "1", "1000", "65534"]
    mine.ok("rmi", "owners:1")


def test_a_killed_holder_is_replaced(mine: Rootless) -> None:
    mine.ok("images")
    before = mine.holder
    os.kill(before, 9)
    assert none(mine, "busybox", "echo", "again") == "again\n"
    assert mine.holder != before


def test_a_single_identity_runs_root_only(single: Rootless) -> None:
    lines = [line.split() for line in none(single, "busybox", "cat", "/proc/self/uid_map").splitlines()]
    assert lines == [["0", str(single.user.uid), "1"]]
    assert none(single, "busybox", "id", "-u") == "0\n"
    refused = single.cli("run", "--rm", "--network", "none", "-u", "7", "busybox", "true")
    assert refused.returncode == 125
    assert "has one identity only" in refused.stderr


@pytest.mark.parametrize("kernel", ["native", "pure"])
def test_without_overlay_the_layers_are_copied(kernel: str) -> None:
    """A file system that keeps no attributes of users: ramfs, as the place of the whole root."""
    with Namespace() as host, OrdinaryUser(host) as user:
        place = f"{user.home}/plain"
        os.mkdir(place)
        mine = Rootless(user, host, kernel, MINIDOCK_ROOT=f"{place}/root")
        subprocess.run(["mount", "-t", "ramfs", "ramfs", place], check=True)
        try:
            os.chown(place, user.uid, user.uid)
            mine.ok("image", "bootstrap", "busybox")
            assert "Driver: none" in mine.ok("info")
            root = none(mine, "busybox", "sh", "-c", "touch /new && head -n 1 /proc/self/mounts")
            assert root.split()[:3] == ["ramfs", "/", "ramfs"]
            assert none(mine, "busybox", "sh", "-c", "test ! -e /new && echo clean") == "clean\n"
            mine.ok("system", "release")
            wait_for_end(user)
        finally:
            user.end_processes()
            subprocess.run(["umount", place], check=True)
