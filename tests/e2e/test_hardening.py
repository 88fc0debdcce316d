"""What holds a container in, seen from inside: one test for each row of the page *security*, on both twins.

Each looks twice where it can: at the default, and at a container from which the protection was taken away. A test that
could not see the difference would prove nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.probes import compile_probe, syscall_numbers
from tests.support.world import World

pytestmark = pytest.mark.root

RUN = ("run", "--rm", "--network", "none")
UNCONFINED = ("--security-opt", "seccomp=unconfined")

#: What Docker's filter refuses on x86-64, of the calls of Linux 6.1.
REFUSED = tuple(
    re.findall(
        r"\w+",
        """
_sysctl acct add_key afs_syscall bpf clock_settime clone3 create_module delete_module fanotify_init finit_module
fsconfig fsmount fsopen fspick get_kernel_syms get_mempolicy getpmsg init_module io_uring_enter io_uring_register
io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind migrate_pages mount
mount_setattr move_mount move_pages nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root
process_madvise putpmsg query_module quotactl quotactl_fd reboot request_key security set_mempolicy
set_mempolicy_home_node setdomainname sethostname setns settimeofday swapoff swapon sysfs syslog tuxcall umount2
unshare uselib userfaultfd ustat vhangup vserver
""",
    )
)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The flags that put the probe into a container."""
    return ("-v", f"{compile_probe(tmp_path_factory.mktemp('probe'))}:/probe:ro")


def sh(world: World, script: str, *flags: str) -> str:
    return world.ok(*RUN, *flags, "busybox", "sh", "-c", script)


def status(world: World, *flags: str) -> dict[str, str]:
    lines = sh(world, "cat /proc/self/status", *flags).splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def answers(world: World, *words: str) -> dict[str, str]:
    lines = world.ok(*RUN, *words).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)


@pytest.mark.parametrize(
    ("flags", "effective", "bounding"),
    [
        ((), "00000000a80425fb", "00000000a80425fb"),
        (("--user", "1000"), "0000000000000000", "00000000a80425fb"),
        (("--cap-drop", "ALL"), "0000000000000000", "0000000000000000"),
        (("--cap-drop", "ALL", "--cap-add", "NET_ADMIN"), "0000000000001000", "0000000000001000"),
        (("--cap-add", "NET_ADMIN"), "00000000a80435fb", "00000000a80435fb"),
        (("--security-opt", "hardened"), "00000000800405fb", "00000000800405fb"),
    ],
)
def test_capabilities(world: World, flags: tuple[str, ...], effective: str, bounding: str) -> None:
    seen = status(world, *flags)
    assert (seen["CapEff"], seen["CapPrm"], seen["CapBnd"]) == (effective, effective, bounding)
    assert {seen["CapInh"], seen["CapAmb"]} == {"0" * 16}


def test_privileged_has_what_the_host_has(world: World) -> None:
    host = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if "Cap" in line)
    assert status(world, "--privileged")["CapEff"] == host["CapBnd"]


def test_the_filter_is_on(world: World) -> None:
    assert status(world)["Seccomp"] == "2"
    assert status(world, *UNCONFINED)["Seccomp"] == "0"
    assert status(world, "--privileged")["Seccomp"] == "0"


def test_the_filter_refuses_dockers_calls(world: World, probe: tuple[str, ...]) -> None:
    numbers = syscall_numbers()
    words = [f"{name}:{numbers[name]}" for name in REFUSED]
    seen = answers(world, *probe, "busybox", "/probe", "calls", *words)
    assert seen == {name: "ENOSYS" if name == "clone3" else "EPERM" for name in REFUSED}
    free = answers(world, *probe, "--cap-add", "ALL", *UNCONFINED, "busybox", "/probe", "calls", *words)
    assert not [name for name in REFUSED if free[name] == "EPERM"], "then it was not the filter that refused it"


def test_the_filter_refuses_families_beside_every_namespace(world: World, probe: tuple[str, ...]) -> None:
    alg, vsock, unix = "38", "40", "1"
    seen = answers(world, *probe, "busybox", "/probe", "sockets", alg, vsock, unix)
    assert seen == {alg: "EPERM", vsock: "EPERM", unix: "done"}
    free = answers(world, *probe, *UNCONFINED, "busybox", "/probe", "sockets", alg, vsock)
    assert "EPERM" not in free.values()


def test_the_filter_holds_for_32_bit_calls(world: World, probe: tuple[str, ...]) -> None:
    unshare = "310"
    done = world.cli(*RUN, *probe, *UNCONFINED, "busybox", "/probe", "int80", unshare)
    if done.returncode or "ENOSYS" in done.stdout:
        pytest.skip("this kernel runs no 32-bit programs")
    assert done.stdout == "310 done\n"
    assert world.ok(*RUN, *probe, "busybox", "/probe", "int80", unshare) == "310 EPERM\n"


def test_no_new_privileges(world: World, probe: tuple[str, ...]) -> None:
    script = "cp /probe /tmp/probe; chmod 4755 /tmp/probe; grep NoNewPrivs /proc/self/status; "
    script += "/tmp/probe as 1000 /tmp/probe ids"
    assert sh(world, script, *probe).split() == ["NoNewPrivs:", "0", "1000", "0"], "as Docker: off unless asked"
    for option in ("no-new-privileges", "no-new-privileges=true", "hardened"):
        assert sh(world, script, *probe, "--security-opt", option).split() == ["NoNewPrivs:", "1", "1000", "1000"]


def test_masked_paths(world: World) -> None:
    script = "for p in kcore keys timer_list interrupts; do [ ! -e /proc/$p ] || head -c1 /proc/$p; done; "
    script += "for p in /sys/firmware /proc/acpi /proc/scsi; do [ ! -e $p ] || ls $p; done"
    assert sh(world, script) == ""
    assert sh(world, script, "--privileged") != ""
    assert sh(world, script, "--security-opt", "systempaths=unconfined") != ""
    done = world.cli(*RUN, "busybox", "umount", "/proc/keys")
    assert (done.returncode, "not permitted" in done.stderr) == (1, True)
    world.ok(*RUN, "--privileged", "busybox", "sh", "-c", "mount -t tmpfs none /tmp && umount /tmp")


def test_read_only_paths(world: World) -> None:
    assert "Read-only" in world.cli(*RUN, "busybox", "sh", "-c", "echo x > /proc/sys/kernel/domainname").stderr
    lines = [line.split() for line in sh(world, "cat /proc/self/mounts").splitlines()]
    options = {path: words.split(",") for _, path, _, words, *_ in lines}
    for path in ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"):
        if os.path.exists(path):
            assert "ro" in options[path], path
    free = sh(world, "echo x > /proc/sys/kernel/domainname; cat /proc/sys/kernel/domainname", "--privileged")
    assert free == "x\n"


def test_the_kernels_file_systems_are_read_only(world: World) -> None:
    lines = [line.split() for line in sh(world, "cat /proc/self/mounts").splitlines()]
    assert all("ro" in options.split(",") for _, path, _, options, *_ in lines if path.startswith("/sys"))
    assert "Read-only" in world.cli(*RUN, "busybox", "touch", "/sys/fs/cgroup/x").stderr
    free = [line.split() for line in sh(world, "cat /proc/self/mounts", "--privileged").splitlines()]
    assert any("rw" in options.split(",") for _, path, _, options, *_ in free if path.startswith("/sys"))


def test_devices(world: World) -> None:
    names = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert " ".join(sh(world, "ls /dev").split()) == names
    done = world.cli(*RUN, "busybox", "sh", "-c", "mknod /tmp/d b 254 0 && echo made; cat /tmp/d")
    assert (done.stdout, "Operation not permitted" in done.stderr) == ("made\n", True)
    kmsg = "mknod /tmp/d c 1 11; head -c0 /tmp/d && echo opened"
    syslog = ("--cap-add", "SYSLOG")  # else the kernel itself might refuse it
    assert "opened" not in world.cli(*RUN, *syslog, "busybox", "sh", "-c", kmsg).stdout
    assert sh(world, kmsg, "--privileged") == "opened\n"
    assert sh(world, kmsg, *syslog, "--device-cgroup-rule", "c 1:11 r") == "opened\n"


def test_namespaces(world: World) -> None:
    names = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
    inside = sh(world, f"for n in {' '.join(names)}; do readlink /proc/self/ns/$n; done; cat /proc/1/comm").split()
    assert inside.pop() in ("sh", "cat")
    assert not set(inside) & {os.readlink(f"/proc/self/ns/{name}") for name in names}
    assert sh(world, "ls /sys/class/net").split() == ["lo"]


def test_mount_flags(world: World) -> None:
    lines = [line.split() for line in sh(world, "cat /proc/self/mounts").splitlines()]
    options = {path: set(words.split(",")) for _, path, _, words, *_ in lines}
    assert options["/proc"] >= {"nosuid", "nodev", "noexec"}
    assert options["/dev"] >= {"nosuid", "mode=755", "size=65536k"}
    assert options["/dev/shm"] >= {"nosuid", "nodev", "noexec", "size=65536k"}
    assert "size=8192k" in sh(world, "grep shm /proc/self/mounts", "--shm-size", "8m")


def test_no_mount_spreads_to_the_host(world: World, tmp_path: Path) -> None:
    assert "shared:" not in sh(world, "cat /proc/self/mountinfo", "-v", f"{tmp_path}:/data")


def test_a_read_only_volume_is_read_only_below_too(world: World, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(tmp_path / "below")], check=True)
    try:
        flags = ("-v", f"{tmp_path}:/data:ro")
        assert "Read-only" in world.cli(*RUN, *flags, "busybox", "touch", "/data/below/x").stderr
        sh(world, "touch /data/below/x", "-v", f"{tmp_path}:/data")
    finally:
        subprocess.run(["umount", str(tmp_path / "below")], check=True)


def test_limits(world: World) -> None:
    pids = "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max"
    assert sh(world, pids) == "max\n", "as Docker: no limit unless asked"
    assert sh(world, pids, "--security-opt", "hardened") == "2048\n"
    assert sh(world, "ulimit -n; ulimit -Hn", "--ulimit", "nofile=99:100").split() == ["99", "100"]


def test_descriptors(world: World, probe: tuple[str, ...]) -> None:
    assert world.ok(*RUN, *probe, "busybox", "/probe", "fds").split() == ["0", "1", "2"]
    with open("/etc/hostname", "rb") as leaked:
        os.set_inheritable(leaked.fileno(), True)
        process = world.popen(*RUN, *probe, "busybox", "/probe", "fds", pass_fds=(leaked.fileno(),))
        out, _ = process.communicate(timeout=30)
    assert out.split() == [b"0", b"1", b"2"]


def test_host_files(world: World) -> None:
    key = world.ok("run", "-d", "--network", "none", "busybox", "sleep", "300").strip()
    root, run = Path(world.root), next(Path(world.run_dir).iterdir())
    assert root.stat().st_mode & 0o777 == 0o710
    assert run.stat().st_mode & 0o777 == 0o700
    door = run / "containers" / key / "monitor.sock"
    assert (door.stat().st_mode & 0o777, door.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    stranger = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "sh", "-c"]
    for path in (root, root / "containers", run, door):
        done = subprocess.run([*stranger, f"ls {path}"], capture_output=True, text=True, check=False)
        assert "Permission denied" in done.stderr, path
    assert subprocess.run([*stranger, f"ls {world.folder}"], check=False, capture_output=True).returncode == 0
    world.ok("rm", "-f", key)


def test_no_door_is_an_abstract_socket(world: World, probe: tuple[str, ...]) -> None:
    name = f"canary-{os.getpid()}"
    inside = world.argv()[0:-1]
    listener = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(chr(0) + sys.argv[1]); s.listen(); "
    command = [*inside, sys.executable, "-c", listener + "print('ready', flush=True); sys.stdin.read()", name]
    key = world.ok("run", "-d", "--network", "none", "busybox", "sleep", "300").strip()
    host = ("run", "--rm", "--network", "host", *probe, "busybox")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as canary:
        assert canary.stdout is not None
        assert canary.stdout.readline() == b"ready\n"
        listed = world.ok(*host, "sh", "-c", "grep -o '@.*' /proc/net/unix")
        assert listed.split() == [f"@{name}"], "the canary is seen, and no door of ours"
        assert world.ok(*host, "/probe", "connect", name) == f"{name} done\n"
        assert world.ok(*RUN, *probe, "busybox", "/probe", "connect", name) == f"{name} ECONNREFUSED\n"
        canary.communicate(b"")
    world.ok("rm", "-f", key)
