"""The launchers and their monitors: the same plan, the same protocol, the same container; asked from inside."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support import groups
from tests.support.bundles import MOUNTS, NAMESPACES, Container, make_rootfs, size, spec, undo

from minidock.kernel.launch import LaunchOptions
from minidock.kernel.ports import Launch
from minidock.kernel.protocol import LogConfig
from minidock.oci.runtime import (
    DeviceRule,
    IdMap,
    Mount,
    Namespace,
    Resources,
    Rlimit,
    RuntimeSpec,
    Seccomp,
    SyscallRule,
    User,
)
from minidock.runtime.capabilities import DEFAULT_CAPABILITIES
from minidock.runtime.seccomp import default_profile
from minidock.trace.step import PlannedStep

pytestmark = pytest.mark.root


@pytest.fixture
def container(launch: Launch, root: Path) -> Iterator[Container]:
    made = Container(launch, root)
    yield made
    made.close()


def run(
    container: Container, whole: RuntimeSpec, options: LaunchOptions | None = None, **request: Any
) -> dict[str, Any]:
    container.up(whole, options, **request)
    return container.end()


def shell(script: str, **changes: Any) -> RuntimeSpec:
    return spec("sh", "-c", script, **changes)


def gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def soon(condition: Callable[[], bool]) -> None:
    """Wait for what must become true; a test that hangs here fails by its time limit."""
    while not condition():
        time.sleep(0.005)


# --- the process ---


def test_streams_and_exit_code(container: Container) -> None:
    container.up(shell("read line; cat; echo got $line; echo bad >&2; exit 7"), stdin=True, stdin_once=True)
    container.write(b"hello\nmore\n")
    container.write(b"")
    exited = container.end()
    assert (container.stdout, container.stderr, exited["code"]) == ("more\ngot hello\n", "bad\n", 7)
    assert exited["began"] <= exited["ended"]
    assert json.loads((container.state / "exit").read_text()) == exited
    assert list(container.run.iterdir()) == []


def test_stdin_that_is_not_open_is_empty(container: Container) -> None:
    run(container, shell("cat; echo end"))
    assert container.stdout == "end\n"


def test_what_is_written_at_the_end_is_not_lost(container: Container) -> None:
    run(container, shell("yes 0123456789abcde | head -c 1000000"))
    assert len(container.out[1]) == 1_000_000
    assert len(container.log()) == 1_000_000 // 16 + (1_000_000 % 16 > 0)


def test_a_killed_program(container: Container) -> None:
    exited = run(
        container, shell("kill -KILL $$; sleep 100", namespaces=tuple(n for n in NAMESPACES if n.type != "pid"))
    )
    assert (exited["code"], exited["signal"]) == (137, 9)


def test_every_step_is_reported_in_order(container: Container) -> None:
    created = container.up(shell("exit 0"))
    container.end()
    reported = [message["index"] for message in container.messages if message["is"] == "step"]
    assert reported == list(range(len(container.plan)))
    assert [step["op"] for step in container.trace()] == [step.op for step in container.plan]
    assert [step["args"] for step in container.trace()] == [step.args for step in container.plan]
    kinds = [message["is"] for message in container.messages if message["is"] != "step"]
    assert kinds == ["created", "started", "exited"]
    assert created["start"] > 0


def test_the_inside(container: Container) -> None:
    """One look at all of it: names, rights, namespaces, descriptors, what the kernel shows."""
    script = """
        hostname; id -u; id -g; grep -E 'Cap|NoNew|Seccomp:' /proc/self/status; readlink /proc/self/ns/uts
        ls /proc/self/fd | wc -l; ls /dev; cat /proc/1/comm; cat /proc/self/cgroup | wc -l
    """
    run(container, shell(script, seccomp=default_profile(DEFAULT_CAPABILITIES), readonly_paths=("/proc/sys",)))
    words = container.stdout.split()
    assert container.stderr == ""
    assert words[:3] == ["box", "0", "0"]
    sets = dict(pairwise(words))
    assert (sets["CapEff:"], sets["CapBnd:"], sets["CapInh:"]) == ("00000000a80425fb", "00000000a80425fb", "0" * 16)
    assert (sets["NoNewPrivs:"], sets["Seccomp:"]) == ("0", "2")
    assert os.readlink("/proc/self/ns/uts") not in words
    devices = {
        "null",
        "zero",
        "full",
        "random",
        "urandom",
        "tty",
        "fd",
        "stdin",
        "stdout",
        "stderr",
        "ptmx",
        "pts",
        "shm",
    }
    assert devices <= set(words)
    assert not any(word.startswith("loop") for word in words)
    assert "4" in words  # 0, 1, 2 and the folder that ls reads


def test_another_user(container: Container) -> None:
    user = User(1234, 5678, 0o027, (10, 20))
    script = "id; umask; grep CapEff /proc/self/status; echo x > /dev/stdout; touch /tmp/f; stat -c %a /tmp/f"
    whole = shell(
        script, user=user, capabilities=None, no_new_privileges=True, rlimits=(Rlimit("RLIMIT_NOFILE", 77, 88),)
    )
    whole = msgspec.structs.replace(whole, mounts=(*MOUNTS, Mount("/tmp", "tmpfs", "tmpfs", ("mode=1777",))))
    run(container, whole)
    assert container.stdout == ("uid=1234 gid=5678 groups=10,20\n0027\nCapEff:\t0000000000000000\nx\n640\n"), (
        container.stderr
    )


def test_the_program_is_found_in_the_path_of_the_container(container: Container) -> None:
    run(container, spec("env", env=("PATH=/nowhere:/bin", "A=1", "A=2")))
    assert container.stdout == "PATH=/nowhere:/bin\nA=1\nA=2\n"


@pytest.mark.parametrize(
    ("program", "number"), [("nothing", errno.ENOENT), ("/tmp/nothing", errno.ENOENT), ("/tmp", errno.EACCES)]
)
def test_a_program_that_cannot_be_executed(container: Container, program: str, number: int) -> None:
    container.start(spec(program))
    container.until("created")
    container.tell(do="go")
    failed = container.until("failed")
    assert (failed["errno"], container.plan[failed["index"]].op) == (number, "process.exec")
    assert not (container.state / "exit").exists()
    assert list(container.run.iterdir()) == []


def test_a_cwd_is_made_and_stays_inside(container: Container) -> None:
    run(container, shell("readlink /proc/self/cwd", cwd="/new/folder"))
    assert container.stdout == "/new/folder\n"


@pytest.mark.parametrize("number", range(3, 12))
def test_a_cwd_that_leads_outside_is_refused(container: Container, number: int) -> None:
    """CVE-2024-21626: a descriptor of the launcher as working folder would be a way to the host."""
    make_rootfs(container.bundle / "rootfs")
    (container.bundle / "rootfs/out").symlink_to(f"/proc/self/fd/{number}")
    container.start(shell("readlink /proc/self/cwd", cwd="/out"))
    failed = container.until("failed")
    assert container.plan[failed["index"]].op == "process.cwd"


# --- the launch that does not come to an end ---


def test_a_step_that_fails_is_undone(container: Container) -> None:
    group = groups.plan_group("undone")
    options = LaunchOptions(str(container.bundle), cgroup=group)
    whole = msgspec.structs.replace(
        shell("exit 0"), mounts=(*MOUNTS, Mount("/x", "bind", "/does/not/exist", ("bind",)))
    )
    container.start(whole, options)
    failed = container.until("failed")
    assert (failed["errno"], container.plan[failed["index"]].op) == (errno.ENOENT, "mount.bind")
    assert not any(os.path.exists(folder) for folder in group.dirs)
    for folder in group.dirs:
        os.rmdir(os.path.dirname(folder))
    assert list(container.run.iterdir()) == []


@pytest.mark.parametrize("committed", [False, True])
def test_a_monitor_that_loses_its_engine(container: Container, committed: bool) -> None:
    """Before "go" it kills the container and leaves; afterwards it stays."""
    group = groups.plan_group("lost")
    container.start(shell("sleep 1000"), LaunchOptions(str(container.bundle), cgroup=group), teardown=(
        undo("cgroup.delete", dirs=groups.with_parents(group)),))  # fmt: skip
    created = container.until("created")
    if committed:
        container.tell(do="go")
        container.until("started")
        other = container.connect()
        container.close()
        other.tell(do="attach", stdin=False, stdout=True, stderr=True)
        other.tell(do="signal", signal=9)
        assert other.until("exited")["code"] == 137
        other.close()
        assert groups.left(group) == []
    else:
        container.close()
        soon(lambda: gone(created["monitor"]))
        assert not any(os.path.exists(folder) for folder in group.dirs)
        for folder in group.dirs:
            os.rmdir(os.path.dirname(folder))  # the teardown list is the engine's to run
    assert gone(created["pid"])


def test_a_container_dies_with_its_monitor(container: Container) -> None:
    created = container.up(shell("sleep 1000", user=User(1000, 1000), capabilities=None))
    os.kill(created["monitor"], signal.SIGKILL)
    soon(lambda: gone(created["pid"]))


def test_dying_before_a_step(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIDOCK_MONITOR_DIE_AT", "5")
    container.start(shell("exit 0"))
    kinds = [message["is"] for message in container.read()]
    assert kinds == ["step"] * 4


# --- clients ---


def test_several_clients(container: Container) -> None:
    container.up(shell("echo one; read line; echo two $line >&2; sleep 1000"), stdin=True)
    container.until_output(b"one")
    both, silent = container.connect(), container.connect()
    both.tell(do="attach", stdin=True, stdout=False, stderr=True)
    silent.tell(do="attach", stdin=False, stdout=True, stderr=False)
    both.tell(do="status")
    status = both.until("status")
    assert (status["exited"], status["pid"] > 0) == (False, True)
    silent.write(b"not this\n")
    both.write(b"this\n")
    while b"two" not in both.out[2]:
        both.frame()
    both.tell(do="signal", signal=15)
    both.tell(do="signal", signal=9)
    assert both.end()["code"] == silent.end()["code"] == 137
    assert (both.stdout, both.stderr) == ("", "two this\n")
    assert (silent.stdout, silent.stderr) == ("", "")
    both.close()
    silent.close()


def test_a_client_that_only_asks_gets_one_answer(container: Container) -> None:
    created = container.up(spec("sh", "-c", "sleep 1000", terminal=True))
    assert (container.run / "pid").read_text().strip() == str(created["pid"])
    for message in ({"do": "resize", "rows": 3, "columns": 4}, {"do": "signal", "signal": 0}, {"do": "status"}):
        other = container.connect()
        other.tell(**message)
        status = other.until("status")
        assert (status["pid"], status["start"], status["exited"]) == (created["pid"], created["start"], False)
        other.close()
    container.tell(do="signal", signal=9)
    container.end()


def test_a_half_closed_client_still_gets_output(container: Container) -> None:
    container.up(shell("cat; echo after; exit 6"), stdin=True, stdin_once=True)
    assert container.socket is not None
    container.write(b"before\n")
    container.socket.shutdown(socket.SHUT_WR)
    assert container.end()["code"] == 6
    assert container.stdout == "before\nafter\n"


def test_nonsense_is_answered(container: Container) -> None:
    container.up(shell("sleep 1000"))
    other = container.connect()
    for text in (b"{", b"[]", b'{"do":"dance"}', b'{"do":"go"}', b'{"do":"resize"}', b'{"do":"signal","signal":"x"}'):
        other.send(3, text)
        assert other.until("error")["message"]
    other.close()
    broken = container.connect()
    assert broken.socket is not None
    broken.socket.sendall(b"\x09\0\0\0\xff\xff\xff\xff")
    assert list(broken.read()) == []
    broken.close()
    quiet = container.connect()  # says nothing: it is put out
    assert list(quiet.read()) == []
    quiet.close()
    container.tell(do="signal", signal=9)
    assert container.end()["code"] == 137


def test_a_client_that_does_not_read_makes_the_container_wait(container: Container) -> None:
    """Its bytes are kept, not thrown away; and the monitor does not grow."""
    created = container.up(shell("yes 0123456789abcde | head -c 5000000; echo; echo end"), log=LogConfig("none"))
    with open(f"/proc/{created['monitor']}/statm") as file:
        before = int(file.read().split()[1])
    time.sleep(0.3)
    with open(f"/proc/{created['monitor']}/statm") as file:
        after = int(file.read().split()[1])
    assert (after - before) * 4096 < 8 << 20
    container.end()
    assert len(container.out[1]) == 5_000_005


def test_stdin_once_ends_with_its_client(container: Container) -> None:
    container.up(shell("cat; echo end; exit 3"), stdin=True, stdin_once=True)
    watcher = container.connect()
    watcher.tell(do="attach", stdin=False, stdout=True, stderr=True)
    watcher.tell(do="status")
    watcher.until("status")
    container.close()
    assert watcher.end()["code"] == 3
    assert watcher.stdout == "end\n"
    watcher.close()


# --- the terminal ---


def test_a_terminal(container: Container) -> None:
    whole = spec("sh", "-c", "tty; stty size; ls -l /dev/console; read x; stty size; echo [$x]", terminal=True)
    container.up(whole, console_size=size(33, 121), stdin=True)
    container.until_output(b"console")
    container.tell(do="resize", rows=44, columns=55)
    container.write(b"typed\n")
    assert container.end()["code"] == 0
    lines = container.stdout.split("\r\n")
    assert lines[:2] == ["/dev/pts/0", "33 121"]
    assert lines[-3:] == ["44 55", "[typed]", ""]
    assert container.log()[0]["log"] == "/dev/pts/0\r\n"


def test_control_c_reaches_the_program(container: Container) -> None:
    whole = spec("sh", "-c", "trap 'echo caught; exit 5' INT; echo ready; while true; do sleep 1; done", terminal=True)
    container.up(whole, stdin=True)
    container.until_output(b"ready")
    container.write(b"\x03")
    assert container.end()["code"] == 5
    assert "caught" in container.stdout


# --- the log ---


def test_the_log_is_docker_s(container: Container) -> None:
    run(container, shell("echo 'a \"q\"'; echo err >&2; sleep 0.1; env printf 2>/dev/null; echo -n no newline"))
    entries = container.log()
    assert [(e["log"], e["stream"]) for e in entries if e["stream"] == "stdout"] == [
        ('a "q"\n', "stdout"), ("no newline", "stdout")
    ]  # fmt: skip
    assert [list(e) for e in entries] == [["log", "stream", "time"]] * 3
    assert all(e["time"].endswith("Z") and e["time"][10] == "T" for e in entries)


def test_long_lines_are_split_and_files_rotate(container: Container) -> None:
    log = LogConfig("json-file", f"{container.state}/log", max_size=20_000, max_files=3)
    run(container, shell("yes | head -c 250000 | while read x; do echo -n $x; done; echo"), log=log)
    files = sorted(path.name for path in container.state.glob("log*"))
    assert files == ["log", "log.1", "log.2"]
    oldest = json.loads((container.state / "log.1").read_text().splitlines()[0])["log"]
    assert len(oldest) == 16384
    assert container.log()[-1]["log"].endswith("y\n")
    assert all((container.state / name).stat().st_size < 20_000 + 17_000 for name in files)


# --- control groups and filters ---


def test_limits_hold_and_the_group_goes(container: Container) -> None:
    group = groups.plan_group("limits", pids="5")
    options = LaunchOptions(str(container.bundle), cgroup=group)
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; cat /proc/self/cgroup"
    teardown = (undo("cgroup.delete", dirs=groups.with_parents(group)),)
    resources = Resources(devices=(DeviceRule(False),))
    run(container, shell(script, resources=resources), options, teardown=teardown)
    assert "can't fork" in container.stderr
    assert groups.left(group) == []


def test_out_of_memory_is_seen(container: Container) -> None:
    group = groups.plan_group("oom", memory=str(16 << 20))
    options = LaunchOptions(str(container.bundle), cgroup=group)
    teardown = (undo("cgroup.delete", dirs=groups.with_parents(group)),)
    whole = spec("sh", "-c", "head -c 60000000 /dev/zero > /big/x")
    whole = msgspec.structs.replace(whole, mounts=(*MOUNTS, Mount("/big", "tmpfs", "tmpfs", ())))
    exited = run(container, whole, options, teardown=teardown)
    assert exited["oom"] is True
    assert exited["code"] == 137


def test_only_allowed_devices_can_be_opened(container: Container) -> None:
    group = groups.plan_group("devices")
    options = LaunchOptions(str(container.bundle), cgroup=group)
    teardown = (undo("cgroup.delete", dirs=groups.with_parents(group)),)
    script = "mknod /tmp/k c 1 11 && cat /tmp/k; head -c 3 /dev/zero | wc -c; echo x > /dev/null && echo fine"
    resources = Resources(devices=(DeviceRule(False),))
    run(container, shell(script, resources=resources), options, teardown=teardown)
    assert container.stdout == "3\nfine\n"
    assert "Operation not permitted" in container.stderr


def test_the_filter_refuses(container: Container) -> None:
    rule = SyscallRule(("mkdir", "mkdirat"), "SCMP_ACT_ERRNO", errno_ret=errno.EXDEV)
    run(
        container,
        shell("mkdir /tmp/x; mkdir /tmp/y || echo refused", seccomp=Seccomp("SCMP_ACT_ALLOW", syscalls=(rule,))),
    )
    assert container.stdout == "refused\n"
    assert "Invalid cross-device link" in container.stderr


# --- namespaces ---


def test_a_user_namespace(container: Container) -> None:
    maps = (IdMap(0, 100000, 65536),)
    make_rootfs(container.bundle / "rootfs")
    subprocess.run(["chown", "-hR", "100000:100000", container.bundle / "rootfs"], check=True)
    for folder in (container.bundle.parent, container.bundle):
        folder.chmod(0o755)
    whole = shell(
        "id -u; cat /proc/self/uid_map; cat /proc/self/cgroup > /tmp/f && stat -c %u /tmp/f",
        namespaces=(*NAMESPACES, Namespace("user")), uid_mappings=maps, gid_mappings=maps,
    )  # fmt: skip
    run(container, whole, LaunchOptions(str(container.bundle), bind_devices=True))
    assert container.stdout.split() == ["0", "0", "100000", "65536", "0"], container.stderr
    assert (container.bundle / "rootfs/tmp/f").stat().st_uid == 100000


def test_joining_the_namespaces_of_another(container: Container, root: Path) -> None:
    created = container.up(msgspec.structs.replace(shell("sleep 1000"), hostname="first"))
    other = Container(container.launch, root / "other", "c2")
    kinds = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts"}
    joined = tuple(Namespace(kind, f"/proc/{created['pid']}/ns/{name}") for kind, name in kinds.items())
    look = "hostname; readlink /proc/self/ns/net; cat /proc/1/comm"
    run(other, msgspec.structs.replace(shell(look, namespaces=(*joined, Namespace("mount"))), hostname=""))
    first = os.readlink(f"/proc/{created['pid']}/ns/net")
    assert other.stdout.split() == ["first", first, "sleep"], other.stderr
    other.close()
    container.tell(do="signal", signal=9)
    container.end()


# --- hostile images ---


@pytest.mark.parametrize("path", ["dev", "proc", "sys"])
def test_a_link_in_the_place_of_a_kernel_folder_is_refused(container: Container, path: str) -> None:
    rootfs = container.bundle / "rootfs"
    make_rootfs(rootfs)
    victim = container.bundle.parent / "victim"
    victim.mkdir()
    (rootfs / path).symlink_to("/tmp")
    container.start(shell("exit 0"))
    failed = container.until("failed")
    assert failed["errno"] == errno.ELOOP


def test_links_of_the_image_lead_to_places_inside(container: Container) -> None:
    rootfs = container.bundle / "rootfs"
    make_rootfs(rootfs)
    outside = container.bundle.parent / "outside"
    outside.mkdir()
    (rootfs / "up").symlink_to("../../../../../../" + str(outside))
    (rootfs / "absolute").symlink_to(str(outside))
    source = container.bundle.parent / "source"
    source.mkdir()
    (source / "file").write_text("seen")
    mounts = (
        *MOUNTS,
        Mount("/up/a", "bind", str(source), ("rbind",)),
        Mount("/absolute/b", "bind", str(source), ("rbind", "ro")),
    )
    run(
        container, msgspec.structs.replace(shell("cat /up/a/file /absolute/b/file; touch /absolute/b/x"), mounts=mounts)
    )
    assert container.stdout == "seenseen"
    assert "Read-only file system" in container.stderr
    assert list(outside.iterdir()) == []


def test_masks_and_read_only_paths(container: Container) -> None:
    script = (
        "cat /proc/keys | wc -c; ls /sys/firmware | wc -l; echo x > /proc/sys/kernel/domainname; mount -t tmpfs x /tmp"
    )
    whole = shell(script, masked_paths=("/proc/keys", "/sys/firmware", "/nowhere"), readonly_paths=("/proc/sys",))
    run(container, whole)
    assert container.stdout == "0\n0\n"
    assert "Read-only file system" in container.stderr
    assert "ermission denied" in container.stderr


# --- another runtime ---


@pytest.mark.parametrize("terminal", [False, True])
def test_another_runtime_under_our_monitor(container: Container, terminal: bool) -> None:
    whole = shell("echo out; echo err >&2; tty; exit 9", terminal=terminal)
    args = {"runtime": "/usr/sbin/runc", "bundle": str(container.bundle), "id": container.id}
    plan = (PlannedStep("runtime.run", "host", args),)
    exited = run(container, whole, plan=plan, foreign=args["runtime"])
    assert exited["code"] == 9
    assert "out" in container.stdout
    assert ("err" in container.stderr) is not terminal
    assert [step["op"] for step in container.trace()] == ["runtime.run"]


def test_another_runtime_that_fails(container: Container) -> None:
    args = {"runtime": "/usr/sbin/runc", "bundle": str(container.bundle), "id": container.id}
    container.start(spec("nothing"), plan=(PlannedStep("runtime.run", "host", args),), foreign=args["runtime"])
    failed = container.until("failed")
    assert failed["errno"] == errno.ENOENT
    assert "nothing" in failed["message"]


# --- the launcher as a program ---


def test_a_bundle_without_a_monitor(container: Container) -> None:
    make_rootfs(container.bundle / "rootfs")
    (container.bundle / "config.json").write_bytes(msgspec.json.encode(shell("cat; echo done; exit 4")))
    command = container.launch.command("run", "--bundle", str(container.bundle), "x")
    done = subprocess.run(command, input="in\n", capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("in\ndone\n", 4), done.stderr
    (container.bundle / "config.json").write_bytes(msgspec.json.encode(spec("nothing")))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 127
