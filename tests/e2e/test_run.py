"""``minidock run``, on both twins: what a person sees."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from tests.support.world import World, processes_of

pytestmark = pytest.mark.root

RUN = ("run", "--rm", "--network", "none")


def sh(world: World, script: str, *flags: str, image: str = "busybox") -> str:
    return world.ok(*RUN, *flags, image, "sh", "-c", script)


def test_hello(world: World) -> None:
    done = world.cli(*RUN, "busybox", "echo", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    assert world.ok("ps", "-aq") == ""


def test_stdout_and_stderr_stay_apart(world: World) -> None:
    done = world.cli(*RUN, "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "sleep 9 & kill -9 $!; wait $!"], 137),
        (["sh", "-c", "kill -TERM $$; exit 3"], 3),
        (["nosuchprogram"], 127),
        (["/nosuch/program"], 127),
        (["/etc"], 126),
        (["/etc/passwd"], 126),
    ],
)
def test_exit_codes(world: World, command: list[str], code: int) -> None:
    done = world.cli(*RUN, "busybox", *command)
    assert done.returncode == code, done.stderr
    assert world.ok("ps", "-aq") == ""


def test_the_engines_own_failures_are_125(world: World) -> None:
    assert world.cli(*RUN, "--pull", "never", "nosuchimage", "true").returncode == 125
    assert world.cli("run", "--nosuchflag", "busybox").returncode == 125
    assert world.cli(*RUN, "--user", "nobody-here", "busybox", "true").returncode == 125


def test_stdin_goes_in_and_its_end_is_seen(world: World) -> None:
    assert world.cli(*RUN, "-i", "busybox", "cat", stdin="one\ntwo\n").stdout == "one\ntwo\n"
    assert world.cli(*RUN, "-i", "busybox", "wc", "-c", stdin="x" * 1_000_000).stdout == "1000000\n"
    assert world.cli(*RUN, "busybox", "cat", stdin="not for it").stdout == ""


def test_what_the_process_is(world: World) -> None:
    out = sh(world, "echo $$ $(hostname) $(id -u):$(id -g) $(pwd)", "--hostname", "box", "-w", "/tmp/new", "-u", "7:8")
    assert out == "1 box 7:8 /tmp/new\n"
    short = sh(world, "hostname")
    assert len(short.strip()) == 12


def test_the_environment(world: World) -> None:
    env = sh(world, "env", "-e", "A=1", "-e", "FROM_HOST").splitlines()
    assert "A=1" in env
    assert "HOME=/root" in env
    assert not any(line.startswith("FROM_HOST") for line in env)
    done = world.cli(*RUN, "-e", "FROM_HOST", "busybox", "env", env={"FROM_HOST": "x"})
    assert "FROM_HOST=x" in done.stdout.splitlines()


def test_files_are_the_containers_own(world: World, tmp_path: Path) -> None:
    sh(world, "echo changed > /etc/passwd; rm /bin/ls; mkdir /new")
    assert "root" in sh(world, "cat /etc/passwd; ls /")
    (tmp_path / "in").write_text("from the host")
    tmp_path.chmod(0o755)
    assert sh(world, "cat /data/in; echo back > /data/out", "-v", f"{tmp_path}:/data") == "from the host"
    assert (tmp_path / "out").read_text() == "back\n"
    done = world.cli(*RUN, "-v", f"{tmp_path}:/data:ro", "busybox", "touch", "/data/x")
    assert "Read-only file system" in done.stderr
    done = world.cli(*RUN, "--read-only", "busybox", "touch", "/x")
    assert "Read-only file system" in done.stderr
    assert "size=1024k" in sh(world, "grep ' /scratch ' /proc/mounts", "--tmpfs", "/scratch:size=1m")


def test_volumes_outlive_their_containers(world: World) -> None:
    sh(world, "echo kept > /v/file", "-v", "vol:/v")
    assert sh(world, "cat /v/file", "-v", "vol:/v") == "kept\n"
    assert "passwd" in sh(world, "ls /etc", "-v", "etc-copy:/etc"), "a new volume begins with the image's files"
    before = set((Path(world.root) / "volumes").iterdir())
    sh(world, "echo gone > /v/file", "-v", "/v")
    assert set((Path(world.root) / "volumes").iterdir()) == before, "--rm takes a volume without a name along"


def test_limits_are_the_kernels(world: World) -> None:
    script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null"
    script += " || cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max"
    assert sh(world, script, "-m", "32m", "--pids-limit", "20").split() == [str(32 << 20), "20"]
    done = world.cli(*RUN, "-m", "16m", "busybox", "sh", "-c", "tail /dev/zero")
    assert done.returncode == 137
    done = world.cli(
        *RUN, "--pids-limit", "5", "busybox", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait"
    )
    assert "can't fork" in done.stderr
    assert sh(world, "ulimit -n; ulimit -c", "--ulimit", "nofile=99:100", "--ulimit", "core=0").split() == ["99", "0"]


def test_namespaces(world: World) -> None:
    script = "for n in cgroup ipc mnt net pid uts user; do readlink /proc/self/ns/$n; done"
    inside = sh(world, script).split()
    import os

    host = [os.readlink(f"/proc/self/ns/{name}") for name in ("cgroup", "ipc", "mnt", "net", "pid", "uts", "user")]
    assert [a == b for a, b in zip(inside, host, strict=True)] == [False] * 6 + [True]
    shared = sh(world, script, "--pid", "host", "--ipc", "host", "--uts", "host", "--cgroupns", "host").split()
    assert [a == b for a, b in zip(shared, host, strict=True)] == [True, True, False, False, True, True, True]


def test_a_detached_container_runs_on_and_is_removed_by_force(world: World) -> None:
    key = world.ok("run", "-d", "--network", "none", "--name", "sleeper", "busybox", "sleep", "300").strip()
    assert len(key) == 64
    assert "Up" in world.ok("ps")
    assert world.ok("ps", "-q", "--no-trunc").strip() == key
    done = world.cli("rm", "sleeper")
    assert done.returncode == 1
    assert "container is running" in done.stderr
    assert world.cli("run", "--name", "sleeper", "busybox", "true").returncode == 125, "the name is taken"
    assert world.ok("rm", "-f", "sleeper") == "sleeper\n"
    assert world.ok("ps", "-aq") == ""
    assert not processes_of(world.folder)


def test_a_container_that_ended_stays_until_it_is_removed(world: World) -> None:
    assert world.cli("run", "--network", "none", "--name", "ended", "busybox", "sh", "-c", "exit 3").returncode == 3
    assert "Exited (3)" in world.ok("ps", "-a")
    state = json.loads(world.ok("inspect", "ended"))[0]["State"]
    assert (state["Status"], state["ExitCode"], state["Running"]) == ("exited", 3, False)
    world.ok("rm", "ended")


def test_signals_reach_the_container(world: World) -> None:
    process = world.popen(
        *RUN, "busybox", "sh", "-c", "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == (b"got it\n", 5)


def test_a_terminal(world: World) -> None:
    import os
    import pty

    master, slave = pty.openpty()
    process = world.popen(
        *RUN, "-it", "busybox", "sh", "-c", "tty; read x; echo got $x", stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    time.sleep(0.2)
    os.write(master, b"word\n")
    out = b""
    try:
        while data := os.read(master, 1000):
            out += data
    except OSError:
        assert out
    assert process.wait(20) == 0
    assert b"/dev/pts/0" in out or b"/dev/console" in out
    assert b"got word" in out
    os.close(master)


def test_an_init_passes_signals_on_and_collects_orphans(world: World) -> None:
    done = world.cli(*RUN, "--init", "busybox", "sh", "-c", "(sleep 0.1 &); sleep 0.3; ps -o stat | grep -c Z; exit 4")
    assert (done.stdout, done.returncode) == ("0\n", 4)
    assert world.cli(*RUN, "--init", "busybox", "sh", "-c", "kill -9 $$").returncode == 137
    assert world.cli(*RUN, "--init", "busybox", "nosuchprogram").returncode == 127
    assert "Read-only" in world.cli(*RUN, "--init", "busybox", "sh", "-c", "echo x > /sbin/docker-init").stderr
    process = world.popen(*RUN, "--init", "busybox", "sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143, "as process 1 sleep would have ignored it"


@pytest.mark.parametrize("runtime", ["runc"])
def test_another_runtime_starts_the_same_bundle(world: World, runtime: str) -> None:
    flags = ("--runtime", runtime, "--hostname", "box", "-m", "32m")
    out = sh(world, "hostname; grep CapEff /proc/self/status; cat /sys/fs/cgroup/memory*/memory.limit_in_bytes", *flags)
    assert out.split() == ["box", "CapEff:", "00000000a80425fb", str(32 << 20)]
    assert world.cli(*RUN, "--runtime", runtime, "busybox", "sh", "-c", "exit 9").returncode == 9
    assert world.cli(*RUN, "--runtime", runtime, "busybox", "nosuchprogram").returncode == 127
    assert world.cli(*RUN, "--runtime", "nosuch", "busybox", "true").returncode == 125


def test_every_step_is_explained(world: World) -> None:
    done = world.cli(*RUN, "--explain=json", "busybox", "echo", "hello")
    assert done.stdout == "hello\n"
    steps = [json.loads(line) for line in done.stderr.splitlines()]
    ops = [step["op"] for step in steps]
    for op in (
        "store.commit",
        "bundle.write",
        "cgroup.create",
        "ns.create",
        "mount.overlay",
        "root.pivot",
        "process.exec",
    ):
        assert op in ops, ops
    assert all(step["why"] for step in steps)
    assert not [step for step in steps if step.get("error")]


def test_a_dry_run_changes_nothing(world: World) -> None:
    before = sorted(str(p) for p in Path(world.folder).rglob("*"))
    done = world.cli(*RUN, "--dry-run", "busybox", "echo", "hello")
    assert done.returncode == 0, done.stderr
    assert "process.exec" in done.stdout + done.stderr
    assert "hello\n" not in done.stdout.splitlines()
    assert sorted(str(p) for p in Path(world.folder).rglob("*")) == before


def test_the_store_is_clean_after_all_this(world: World) -> None:
    assert world.ok("system", "check") == "The store is clean.\n"


def test_inspect_adds_sizes_when_asked(world: World) -> None:
    script = ("sh", "-c", "head -c 100000 /dev/zero > /file")
    world.ok("run", "--network", "none", "--name", "sized", "busybox", *script)
    for command in (("inspect",), ("container", "inspect")):
        seen = json.loads(world.ok(*command, "-s", "sized"))[0]
        assert 100_000 <= seen["SizeRw"] < seen["SizeRootFs"]
        assert "SizeRw" not in json.loads(world.ok(*command, "sized"))[0]
    done = world.cli("rm", "--link", "sized")
    assert (done.returncode, "no links" in done.stderr) == (1, True)
    world.ok("rm", "sized")
