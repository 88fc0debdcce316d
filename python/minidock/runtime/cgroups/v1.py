"""Limits on cgroup v1: which file takes which number (kernel documentation, admin-guide/cgroup-v1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minidock.oci.runtime import BlockIO, Cpu, Memory, Resources

#: controller → the folder of the container's group in that controller's tree
Folders = Callable[[str], str]


def limits(resources: Resources, folder: Folders) -> Iterator[tuple[str, str]]:
    """Yield (file, value) in the order in which they must be written."""
    if resources.memory:
        yield from _memory(resources.memory, folder("memory"))
    if resources.cpu:
        yield from _cpu(resources.cpu, folder)
    if resources.pids:
        yield f"{folder('pids')}/pids.max", "max" if resources.pids.limit < 0 else str(resources.pids.limit)
    if resources.block_io:
        yield from _block_io(resources.block_io, folder("blkio"))


def _memory(memory: Memory, folder: str) -> Iterator[tuple[str, str]]:
    if memory.limit:
        yield f"{folder}/memory.limit_in_bytes", str(memory.limit)
    if memory.swap:  # after the memory limit: the kernel refuses memory + swap below memory
        yield f"{folder}/memory.memsw.limit_in_bytes", str(memory.swap)
    if memory.reservation:
        yield f"{folder}/memory.soft_limit_in_bytes", str(memory.reservation)
    if memory.swappiness is not None:
        yield f"{folder}/memory.swappiness", str(memory.swappiness)
    if memory.disable_oom_killer:
        yield f"{folder}/memory.oom_control", "1"


def _cpu(cpu: Cpu, folder: Folders) -> Iterator[tuple[str, str]]:
    if cpu.shares:
        yield f"{folder('cpu')}/cpu.shares", str(cpu.shares)
    if cpu.period:  # before the quota, which is checked against it
        yield f"{folder('cpu')}/cpu.cfs_period_us", str(cpu.period)
    if cpu.quota:
        yield f"{folder('cpu')}/cpu.cfs_quota_us", str(cpu.quota)
    if cpu.realtime_period:
        yield f"{folder('cpu')}/cpu.rt_period_us", str(cpu.realtime_period)
    if cpu.realtime_runtime:
        yield f"{folder('cpu')}/cpu.rt_runtime_us", str(cpu.realtime_runtime)
    if cpu.cpus:
        yield f"{folder('cpuset')}/cpuset.cpus", cpu.cpus
    if cpu.mems:
        yield f"{folder('cpuset')}/cpuset.mems", cpu.mems


def _block_io(block_io: BlockIO, folder: str) -> Iterator[tuple[str, str]]:
    if block_io.weight:
        yield f"{folder}/blkio.bfq.weight", str(block_io.weight)
    for weighted in block_io.weight_device or ():
        yield f"{folder}/blkio.bfq.weight_device", f"{weighted.major}:{weighted.minor} {weighted.weight}"
    throttles = (
        ("read_bps", block_io.throttle_read_bps_device),
        ("write_bps", block_io.throttle_write_bps_device),
        ("read_iops", block_io.throttle_read_iops_device),
        ("write_iops", block_io.throttle_write_iops_device),
    )
    for name, devices in throttles:
        for device in devices or ():
            yield f"{folder}/blkio.throttle.{name}_device", f"{device.major}:{device.minor} {device.rate}"
