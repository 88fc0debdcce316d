"""The same limits on both ages of the kernel's interface."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.errors import Unsupported
from minidock.oci.runtime import BlockIO, Cpu, Memory, Pids, Resources, ThrottleDevice
from minidock.runtime.cgroups import v2
from minidock.runtime.cgroups.choose import NO_SWAP, NO_WEIGHT, choose_cgroup
from minidock.runtime.cgroups.host import CgroupHost, parse_mounts

V1 = CgroupHost(
    "v1", {name: f"/cg/{name}" for name in ("memory", "cpu", "pids", "devices", "freezer", "cpuset", "blkio")}
)
V2 = CgroupHost("v2", dict.fromkeys(("", "cpu", "memory", "pids", "io", "cpuset"), "/cg"))
MIB = 1 << 20
ALL = Resources(
    memory=Memory(limit=64 * MIB, swap=96 * MIB, reservation=32 * MIB),
    cpu=Cpu(shares=512, quota=150_000, period=100_000, cpus="0"),
    pids=Pids(7),
    block_io=BlockIO(throttle_read_bps_device=(ThrottleDevice(8, 0, 1000),)),
)


def everything_there(path: str) -> str:
    return "0-1\n"


def test_limits_on_v1() -> None:
    plan, warnings = choose_cgroup(V1, "/p/c", ALL, everything_there)
    assert plan is not None
    assert warnings == ()
    limits = dict(plan.limits)
    assert limits["/cg/memory/p/c/memory.limit_in_bytes"] == str(64 * MIB)
    assert limits["/cg/memory/p/c/memory.memsw.limit_in_bytes"] == str(96 * MIB)
    assert limits["/cg/cpu/p/c/cpu.cfs_quota_us"] == "150000"
    assert limits["/cg/pids/p/c/pids.max"] == "7"
    assert limits["/cg/blkio/p/c/blkio.throttle.read_bps_device"] == "8:0 1000"
    assert limits["/cg/cpuset/p/cpuset.cpus"] == "0-1", "the parent is given all before the child gets some"
    files = [file for file, _ in plan.limits]
    assert files.index("/cg/memory/p/c/memory.limit_in_bytes") < files.index(
        "/cg/memory/p/c/memory.memsw.limit_in_bytes"
    )
    assert plan.devices == "/cg/devices/p/c"
    assert "/cg/cpuset/p/c" in plan.dirs


def test_without_cpuset_limits_there_is_no_cpuset_group() -> None:
    plan, _ = choose_cgroup(V1, "/p/c", Resources(), everything_there)
    assert plan is not None
    assert all("cpuset" not in folder for folder in plan.dirs)


def test_limits_on_v2() -> None:
    plan, warnings = choose_cgroup(V2, "/p/c", ALL, everything_there)
    assert plan is not None
    assert (plan.mode, plan.dirs, warnings) == ("v2", ("/cg/p/c",), ())
    assert dict(plan.limits) == {
        "/cg/p/c/memory.max": str(64 * MIB),
        "/cg/p/c/memory.swap.max": str(32 * MIB),
        "/cg/p/c/memory.low": str(32 * MIB),
        "/cg/p/c/cpu.weight": "20",
        "/cg/p/c/cpu.max": "150000 100000",
        "/cg/p/c/cpuset.cpus": "0",
        "/cg/p/c/pids.max": "7",
        "/cg/p/c/io.max": "8:0 rbps=1000",
    }


def test_what_the_kernel_lacks_is_dropped_with_dockers_warning_or_refused() -> None:
    wanted = Resources(memory=Memory(limit=64 * MIB, swap=96 * MIB), block_io=BlockIO(weight=100))
    plan, warnings = choose_cgroup(V1, "/c", wanted, lambda _: None)
    assert plan is not None
    assert warnings == (NO_SWAP, NO_WEIGHT)
    assert [file for file, _ in plan.limits] == ["/cg/memory/c/memory.limit_in_bytes"]
    with pytest.raises(Unsupported, match="controllers pids"):
        choose_cgroup(CgroupHost("v2", {"": "/cg"}), "/c", Resources(pids=Pids(1)), everything_there)
    none = CgroupHost("none", {})
    assert choose_cgroup(none, "/c", Resources(), everything_there) == (None, ())
    with pytest.raises(Unsupported, match="no control group"):
        choose_cgroup(none, "/c", Resources(pids=Pids(1)), everything_there)


@given(st.integers(2, 262_144))
def test_shares_become_a_weight(shares: int) -> None:
    assert 1 <= v2.weight_of(shares) <= 10_000


def test_mounts_are_parsed() -> None:
    line = "30 25 0:26 / {} rw,nosuid - {} cgroup rw,{}\n"
    assert parse_mounts("") == CgroupHost("none", {})
    v2 = parse_mounts(line.format("/sys/fs/cgroup", "cgroup2", "nsdelegate"))
    assert v2 == CgroupHost("v2", {"": "/sys/fs/cgroup"}, points=("/sys/fs/cgroup",))
    text = line.format("/tmp", "cgroup", "cpu,cpuacct") + line.format("/u", "cgroup2", "")
    together = parse_mounts(text + line.format("/s", "cgroup", "name=systemd"))
    assert together == CgroupHost("v1", {"cpu": "/tmp", "cpuacct": "/tmp"}, points=("/tmp", "/s", "/u"))
