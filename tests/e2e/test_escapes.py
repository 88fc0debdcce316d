"""Ways out of a container that others have found, tried on both twins: the host must be as before.

Each image is hostile in one way, and is made here as a tar. The same attack is also made where it must succeed (at a
container without the protection, or against a canary), so that the test is known to see it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.probes import compile_loader
from tests.support.tarlab import FIFO, FILE, FOLDER, SYMLINK, archive, entry
from tests.support.world import World

pytestmark = pytest.mark.root

RUN = ("run", "--rm", "--network", "none")
BUSYBOX = Path("/bin/busybox")


@pytest.fixture
def build(world: World, tmp_path: Path) -> Callable[..., str]:
    """Make an image of busybox and these tar entries; return its name."""

    def make(*parts: bytes) -> str:
        shell = (entry("bin/", FOLDER), entry("bin/sh", FILE, BUSYBOX.read_bytes(), mode=0o755))
        tar = tmp_path / "image.tar"
        tar.write_bytes(archive(*shell, *parts))
        name = f"hostile-{os.urandom(4).hex()}"
        world.ok("import", str(tar), name)
        return name

    return make


def host_facts() -> tuple[str, ...]:
    """What an escape would have changed first."""
    names = ("core_pattern", "domainname", "hostname", "randomize_va_space")
    return tuple(Path(f"/proc/sys/kernel/{name}").read_text() for name in names)


@pytest.mark.parametrize("path", ["proc", "sys", "dev", "dev/pts", "dev/shm"])
@pytest.mark.parametrize("target", ["/tmp", "../../../../../../proc/sys/kernel", "/proc/self/fd/3", "/"])
def test_a_link_in_the_place_of_a_kernels_mount(
    world: World, build: Callable[..., str], path: str, target: str
) -> None:
    image = build(*([entry("dev/", FOLDER)] if "/" in path else []), entry(path, SYMLINK, link=target))
    before = host_facts()
    done = world.cli(*RUN, image, "/bin/sh", "-c", "exit 0")
    if path in ("proc", "sys", "dev"):
        assert done.returncode == 125, "a link at such a place is no accident"
        assert "Traceback" not in done.stderr
    else:  # the tmpfs on /dev covers what the image has below it
        assert done.returncode == 0, done.stderr
    assert host_facts() == before
    assert world.ok("ps", "-aq") == ""


def test_the_same_image_without_the_link_starts(world: World, build: Callable[..., str]) -> None:
    image = build(entry("proc/", FOLDER), entry("sys/", FOLDER), entry("dev/", FOLDER))
    world.ok(*RUN, image, "/bin/sh", "-c", "exit 0")


@pytest.mark.parametrize("name", ["null", "console", "ptmx", "zero"])
def test_a_link_in_the_place_of_a_device(world: World, build: Callable[..., str], name: str, tmp_path: Path) -> None:
    """Where a volume is the container's /dev, the links in it stay: none may be mounted, or written, through."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / name).symlink_to("/proc/sys/kernel/core_pattern")
    before = host_facts()
    done = world.cli(*RUN, "-v", f"{tmp_path}/dev:/dev", build(), "/bin/sh", "-c", "exit 0")
    assert host_facts() == before
    assert done.returncode == 125 or name == "console", done.stderr  # without a terminal nothing is put there


def test_a_target_that_leads_out_is_found_inside(world: World, build: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "in").write_text("volume")
    outside = tmp_path / "outside"
    image = build(entry("data", SYMLINK, link=f"../../../../../..{outside}"))
    script = f"cat {outside}/in"
    assert world.ok(*RUN, "-v", f"{tmp_path}/in:/data/in", image, "/bin/sh", "-c", script) == "volume"
    assert not outside.exists()


def test_a_program_that_executes_ours(world: World, build: Callable[..., str], tmp_path: Path) -> None:
    """The file behind /proc/self/exe, before exec, is our own program: no container may write to it (CVE-2019-5736)."""
    loader = Path(compile_loader(tmp_path)).read_bytes()
    evil = entry("evil", FILE, b"#!/proc/self/exe\n", mode=0o755)
    parts = (entry("lib64/", FOLDER), entry("lib64/ld-linux-x86-64.so.2", FILE, loader, mode=0o755), evil)
    ours = Path(sys.executable).resolve()
    before = hashlib.sha256(ours.read_bytes()).digest()
    done = world.cli(*RUN, build(*parts), "/evil")
    if world.kernel == "native":  # a static program: no loader is asked, it prints how it is used
        assert (done.returncode, "minidock-runtime" in done.stderr) == (2, True)
    else:  # the loader's answer to "could this Python be written to?"
        assert done.returncode in (1, 30), "0 would be yes; 30 is a read-only file system"
    assert hashlib.sha256(ours.read_bytes()).digest() == before
    control = tmp_path / "python"
    control.write_bytes(ours.read_bytes())
    control.chmod(0o755)
    flags = ("-v", f"{control}:/python")
    assert world.cli(*RUN, *flags, build(*parts), "/python").returncode == 0, "here the loader must say yes"


@pytest.mark.parametrize("folder", [*(f"/proc/self/fd/{n}" for n in range(3, 12)), "/proc/1/root/..", "/proc/self/cwd"])
def test_a_working_folder_outside(world: World, folder: str) -> None:
    done = world.cli(*RUN, "-w", folder, "busybox", "sh", "-c", "ls -d ../../../../dev/kmsg /minidock 2>/dev/null; pwd")
    assert done.returncode == 125 or done.stdout.startswith("/"), done.stdout
    assert "/minidock" not in done.stdout
    assert "kmsg" not in done.stdout
    assert world.ok(*RUN, "-w", "/made", "busybox", "pwd") == "/made\n"


@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/proc/self/attr", "/sys", "/sys/kernel", "/x/../proc"])
@pytest.mark.parametrize("kind", ["volume", "tmpfs", "mount"])
def test_a_mount_over_the_kernels_files(world: World, place: str, kind: str, tmp_path: Path) -> None:
    flag = {
        "volume": ("-v", f"{tmp_path}:{place}"),
        "tmpfs": ("--tmpfs", place),
        "mount": ("--mount", f"type=bind,source={tmp_path},target={place}"),
    }[kind]
    done = world.cli(*RUN, *flag, "busybox", "true")
    assert (done.returncode, "cannot be mounted" in done.stderr) == (125, True), done.stderr


def test_a_mount_over_proc_by_a_link_of_the_image(world: World, build: Callable[..., str], tmp_path: Path) -> None:
    """The path is harmless, but the image makes it lead into /proc."""
    before = host_facts()
    image = build(entry("proc/", FOLDER), entry("data", SYMLINK, link="/proc"))
    done = world.cli(*RUN, "-v", f"{tmp_path}:/data", image, "/bin/sh", "-c", "exit 0")
    assert done.returncode == 125, done.stderr
    assert host_facts() == before


def test_a_mount_target_that_changes_all_the_time(world: World, tmp_path: Path) -> None:
    """Two containers share a volume; one swaps a folder for a link to / while the other is started (CVE-2021-30465)."""
    volume, canary = tmp_path / "shared", tmp_path / "canary"
    (volume / "folder").mkdir(parents=True)
    (volume / "link").symlink_to("/")
    canary.mkdir()
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for one, two in (("folder", "spare"), ("link", "folder"), ("folder", "link"), ("spare", "folder")):
                with suppress(OSError):  # the engine may have made the target in what was just moved
                    os.rename(volume / one, volume / two)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        flags = ("-v", f"{volume}:/v", "-v", f"{canary}:/v/folder/deep")
        seen = [world.cli(*RUN, *flags, "busybox", "sh", "-c", "ls -d /deep /v/folder/deep") for _ in range(15)]
    finally:
        stop.set()
        thread.join()
    assert all(done.returncode in (0, 1, 125) and "Traceback" not in done.stderr for done in seen)
    assert not os.path.exists("/deep")
    assert str(canary) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize(
    "user", ["-1", "4294967295", "4294967296", "18446744073709551616", "root\nx", "0:-1", "0:2^32"]
)
def test_a_user_that_is_none(world: World, user: str) -> None:
    done = world.cli(*RUN, "--user", user, "busybox", "id", "-u")
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (125, "", False)


def test_a_number_is_a_number(world: World, build: Callable[..., str]) -> None:
    lies = b"1:x:0:0::/:/bin/sh\nroot:x:0:0::/root\nHOME=/evil:/bin/sh\n"
    image = build(entry("etc/", FOLDER), entry("etc/passwd", FILE, lies))
    script = "while read a b c d; do case $a in Uid:) echo $b $c;; esac; done < /proc/self/status; echo HOME=$HOME"
    assert world.ok(*RUN, "--user", "1", image, "/bin/sh", "-c", script) == "1 1\nHOME=/\n"
    assert world.ok(*RUN, "--user", "12345", "busybox", "id", "-u") == "12345\n"


@pytest.mark.parametrize("kind", ["large", "fifo", "zero", "shadow"])
def test_a_passwd_that_is_no_passwd(world: World, build: Callable[..., str], kind: str) -> None:
    passwd = {
        "large": entry("etc/passwd", FILE, b"u:x:7:7::/:\n" + b"#" * (20 << 20)),
        "fifo": entry("etc/passwd", FIFO),
        "zero": entry("etc/passwd", SYMLINK, link="/dev/zero"),
        "shadow": entry("etc/passwd", SYMLINK, link="../../../../../../../etc/shadow"),
    }[kind]
    image = build(entry("etc/", FOLDER), passwd)
    done = world.cli(*RUN, "--user", "u", image, "/bin/sh", "-c", "exit 0", timeout=20)
    assert (done.returncode, "Traceback" in done.stderr) == (125, False), done.stderr
    good = build(entry("etc/", FOLDER), entry("etc/passwd", FILE, b"u:x:7:7::/:\n"))
    assert world.cli(*RUN, "--user", "u", good, "/bin/sh", "-c", "exit 0").returncode == 0


#: What tools that look for a way out try first; each prints "open" where it is one.
ESCAPES = {
    "block device": "mknod /tmp/d b $(cat /sys/block/*/dev | head -1 | tr ':' ' ') && head -c0 /tmp/d && echo open",
    "core pattern": "p=/proc/sys/kernel/core_pattern; cat $p > /tmp/p; cat /tmp/p > $p && echo open",
    "mount": "mkdir -p /m && mount -t tmpfs none /m && echo open",
    "cgroup": "d=$(ls -d /sys/fs/cgroup/pids /sys/fs/cgroup | head -1); mkdir $d/x && rmdir $d/x && echo open",
    "new namespace": "unshare -m true && echo open",
    "kernel log": "mknod /tmp/k c 1 11; head -c0 /tmp/k && echo open",
    "kernel state": "head -c1 /proc/timer_list | grep -q . && echo open",
}


@pytest.mark.parametrize("name", sorted(ESCAPES))
def test_what_escape_tools_try(world: World, name: str) -> None:
    script = ESCAPES[name]
    assert "open" not in world.cli(*RUN, "busybox", "sh", "-c", script).stdout
    assert "open" in world.cli(*RUN, "--privileged", "busybox", "sh", "-c", script).stdout, "the control is not red"


def test_host_processes_are_not_seen(world: World) -> None:
    script = "ls /proc | grep -c '^[0-9]'"
    assert int(world.ok(*RUN, "busybox", "sh", "-c", script)) <= 4
    own = f"[ -d /proc/{os.getpid()} ] && echo open"
    assert world.cli(*RUN, "busybox", "sh", "-c", own).stdout == ""
    assert world.cli(*RUN, "--pid", "host", "busybox", "sh", "-c", own).stdout == "open\n"
    memory = f"head -c0 /proc/{os.getpid()}/mem && echo open; ls /proc/{os.getpid()}/root/ && echo open"
    assert world.cli(*RUN, "--pid", "host", "busybox", "sh", "-c", memory).stdout == "", "needs SYS_PTRACE"
    free = ("--pid", "host", "--cap-add", "SYS_PTRACE")
    privileged = world.cli(*RUN, *free, "--privileged", "busybox", "sh", "-c", memory).stdout
    assert "open" in privileged


def test_a_recycled_pid_is_not_signalled(world: World) -> None:
    """The row of a container names a process that is now somebody else's: removal by force leaves that one alone."""
    import sqlite3

    key = world.ok("run", "-d", "--network", "none", "busybox", "sleep", "300").strip()
    with subprocess.Popen(["sleep", "300"]) as stranger:
        try:
            database = next(Path(world.run_dir).glob("*/state.db"))
            connection = sqlite3.connect(database)
            monitor, start = connection.execute("SELECT monitor, monitor_start FROM running").fetchone()
            connection.execute("UPDATE running SET pid = ?, monitor = ?", (stranger.pid, stranger.pid))
            connection.commit()
            world.cli("rm", "-f", key)
            assert stranger.poll() is None, "a process that is not the container's was killed"
            connection.execute("UPDATE running SET monitor = ?, monitor_start = ?", (monitor, start))
            connection.commit()
            connection.close()
        finally:
            stranger.kill()
    world.cli("rm", "-f", key)
