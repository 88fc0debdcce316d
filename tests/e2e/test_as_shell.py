"""The script of ``--as-shell`` is run, and what is seen inside is compared with the plan that it was made of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from minidock._pure.plan import plan
from minidock.kernel.launch import CgroupPlan, LaunchOptions, OverlayRoot
from minidock.oci.codec import encode
from minidock.oci.runtime import (
    Capabilities,
    Linux,
    Mount,
    Namespace,
    Process,
    Rlimit,
    Root,
    RuntimeSpec,
    User,
)
from minidock.trace.script import make_script
from minidock.trace.step import PlannedStep, Step

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts and makes namespaces"),
]

BUSYBOX = shutil.which("busybox")
CAPABILITIES = ("CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT")
KINDS = ("mount", "uts", "ipc", "pid", "network", "cgroup")

#: What the program inside tells: each line is checked against the plan.
TELL = """
hostname
for kind in mnt uts ipc net cgroup; do readlink /proc/self/ns/$kind; done
grep -E '^(CapBnd|CapEff|NoNewPrivs|Uid|Gid|Groups)' /proc/self/status
ulimit -n; umask; pwd; cat /proc/self/oom_score_adj
cat /proc/sys/kernel/msgmax; cat /proc/self/cgroup
echo mounts; cat /proc/self/mounts
echo env; env
echo end; ls -l /dev | awk '{print $1, $NF}'; cat /data/file; cat /sys/firmware/x 2>&1
echo x > /proc/sys/kernel/domainname || echo refused
echo $$ processes: $(ps -o pid | tail -n +2 | tr '\\n' ' ')
exit 7
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A tmpfs of the test's own, with a busybox image in ``lower`` and a folder to mount in ``data``."""
    if BUSYBOX is None:
        pytest.skip("needs busybox (Debian: apt-get install busybox-static)")
    path = Path(tempfile.mkdtemp(prefix="minidock-script-", dir="/dev/shm"))
    for name in ("bin", "proc", "sys", "dev", "etc", "tmp"):
        (path / "lower" / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, path / "lower/bin/busybox")
    for applet in ("sh", "hostname", "readlink", "grep", "cat", "env", "ls", "awk", "ps", "tail", "tr"):
        (path / "lower/bin" / applet).symlink_to("busybox")
    (path / "data").mkdir()
    (path / "data/file").write_text("from outside\n")
    try:
        yield path
    finally:
        if os.path.isdir(parent := f"/sys/fs/cgroup/pids/{path.name}"):
            os.rmdir(parent)  # the script removes the container's own group, as the engine does
        shutil.rmtree(path)


def cgroups(folder: Path) -> CgroupPlan | None:
    """A v1 group in the pids hierarchy, where this host has it."""
    if not os.path.isdir("/sys/fs/cgroup/pids"):
        return None
    name = f"/sys/fs/cgroup/pids/{folder.name}/box"
    return CgroupPlan("v1", (name,), ((f"{name}/pids.max", "33"),))


def specification() -> RuntimeSpec:
    """A container with something of everything."""
    return RuntimeSpec(
        process=Process(
            args=("/bin/sh", "-c", TELL),
            cwd="/work",
            env=("PATH=/bin", 'SAID=it\'s "quoted"\n$HOME'),
            user=User(0, 0, umask=0o027, additional_gids=(5, 6)),
            capabilities=Capabilities(CAPABILITIES, CAPABILITIES, (), CAPABILITIES, ()),
            rlimits=(Rlimit("RLIMIT_NOFILE", 100, 200),),
            no_new_privileges=True,
            oom_score_adj=77,
        ),
        root=Root("rootfs", readonly=True),
        hostname="box",
        mounts=(
            Mount("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
            Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
            Mount("/dev/pts", "devpts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")),
            Mount("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=1m")),
            Mount("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
            Mount("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
            Mount("/data", "bind", "../data", ("rbind", "ro", "rprivate")),
            Mount("/data/file", "bind", "../data/file", ("bind", "rprivate")),
        ),
        linux=Linux(
            namespaces=tuple(Namespace(kind) for kind in KINDS),
            masked_paths=("/proc/version", "/sys/firmware", "/proc/nonexistent"),
            readonly_paths=("/proc/sys", "/proc/bus"),
            sysctl={"kernel.msgmax": "4242"},
        ),
    )


def planned(folder: Path) -> list[Step]:
    options = LaunchOptions(
        bundle=f"{folder}/bundle",
        overlay=OverlayRoot((f"{folder}/lower",), f"{folder}/upper", f"{folder}/work"),
        cgroup=cgroups(folder),
    )
    steps = msgspec.json.decode(plan(encode(specification()), encode(options)), type=list[PlannedStep])
    return [Step(step.op, step.args, step.side) for step in steps]


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    """Run it in a mount namespace of its own: whatever it forgets is gone with that."""
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "slave", "bash"],
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_script_makes_the_container_of_the_plan(folder: Path) -> None:
    steps = planned(folder)
    before = Path("/proc/self/mountinfo").read_text()
    result = run_script(make_script("a test", steps))
    assert result.returncode == 7, result.stdout + result.stderr
    out = result.stdout

    assert out.startswith("box\n")
    for kind in ("mnt", "uts", "ipc", "net", "cgroup"):
        inside = re.search(rf"^{kind}:\[\d+\]$", out, re.M)
        assert inside is not None
        assert inside[0] != os.readlink(f"/proc/self/ns/{kind}")
    assert "NoNewPrivs:\t1" in out
    assert re.search(r"^CapBnd:\t00000000000420e1$", out, re.M), out
    assert re.search(r"^CapEff:\t00000000000420e1$", out, re.M)
    assert "Groups:\t5 6" in out
    assert "\n100\n0027\n/work\n77\n4242\n" in out
    assert 'SAID=it\'s "quoted"\n$HOME' in out
    assert "from outside" in out
    assert "refused" in out
    assert re.search(r"^1 processes: ", out, re.M)
    check_mounts(steps, out)
    assert Path("/proc/self/mountinfo").read_text() == before
    assert not (folder / "upper/proc/sys").exists()


def check_mounts(steps: list[Step], out: str) -> None:
    """Every mount of the plan is there, of its type and with its flags; and no other."""
    table = [line.split() for line in out.partition("mounts\n")[2].partition("env\n")[0].splitlines()]
    found = {fields[1]: (fields[2], fields[3].split(",")) for fields in table}
    expected = {"/": ("overlay", ["ro"])}
    for step in steps:
        if step.op == "mount.fs":
            flags = [word for word in step.args["options"] if word in ("ro", "nosuid", "noexec", "nodev")]
            expected[step.args["target"]] = (step.args["type"], flags)
        elif step.op == "mount.bind" and "root" in step.args:
            expected[step.args["target"]] = ("tmpfs", ["ro"] if "ro" in step.args["options"] else [])
    expected |= {"/proc/sys": ("proc", ["ro"]), "/proc/bus": ("proc", ["ro"]), "/proc/version": ("devtmpfs", [])}
    if "/sys/firmware" in found:
        expected["/sys/firmware"] = ("tmpfs", ["ro"])
    for target, (kind, flags) in expected.items():
        assert target in found, f"{target} is not mounted"
        assert found[target][0] == kind or target == "/proc/version"
        assert set(flags) <= set(found[target][1]), target
    assert set(found) == set(expected)


def test_nothing_is_left(folder: Path) -> None:
    group = cgroups(folder)
    result = run_script(make_script("a test", planned(folder)))
    assert result.returncode == 7, result.stderr
    if group is not None:
        assert not os.path.exists(group.dirs[0])
    assert sorted(path.name for path in folder.iterdir()) == ["bundle", "data", "lower", "upper", "work"]


def test_an_ordinary_user_inside(folder: Path) -> None:
    steps = [
        Step(step.op, {**step.args, "uid": 1000, "gid": 1001, "groups": []}, step.side)
        if step.op == "process.user"
        else step
        for step in planned(folder)
    ]
    out = run_script(make_script("a test", steps)).stdout
    assert re.search(r"^Uid:\t1000\t1000\t1000\t1000$", out, re.M), out
    assert re.search(r"^Gid:\t1001\t1001\t1001\t1001$", out, re.M)
    assert re.search(r"^CapEff:\t0000000000000000$", out, re.M)
