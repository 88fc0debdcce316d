"""Limits on cgroup v2: which file takes which number (kernel documentation, admin-guide/cgroup-v2).

Requests speak v1's units, as Docker's flags do, so some numbers are converted, as every OCI runtime does:
shares 2…262144 become a weight 1…10000, and v1's "memory and swap" becomes swap alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from minidock.oci.runtime import BlockIO, Cpu, Memory, Resources


def limits(resources: Resources, folder: str) -> Iterator[tuple[str, str]]:
    """Yield (file, value) in the order in which they must be written."""
    if resources.memory:
        yield from _memory(resources.memory, folder)
    if resources.cpu:
        yield from _cpu(resources.cpu, folder)
    if resources.pids:
        yield f"{folder}/pids.max", "max" if resources.pids.limit < 0 else str(resources.pids.limit)
    if resources.block_io:
        yield from _block_io(resources.block_io, folder)


def controllers(resources: Resources) -> set[str]:
    """Return the controllers that *resources* needs."""
    needed = set()
    if resources.memory:
        needed.add("memory")
    if cpu := resources.cpu:
        needed |= {"cpu"} if cpu.shares or cpu.quota or cpu.period else set()
        needed |= {"cpuset"} if cpu.cpus or cpu.mems else set()
    if resources.pids:
        needed.add("pids")
    if resources.block_io:
        needed.add("io")
    return needed


def weight_of(shares: int) -> int:
    """Convert ``cpu.shares`` to ``cpu.weight``."""
    return 1 + ((shares - 2) * 9999) // 262142


def _memory(memory: Memory, folder: str) -> Iterator[tuple[str, str]]:
    if memory.limit:
        yield f"{folder}/memory.max", _or_max(memory.limit)
    if memory.swap:
        alone = memory.swap if memory.swap < 0 else memory.swap - (memory.limit or 0)
        yield f"{folder}/memory.swap.max", _or_max(alone)
    if memory.reservation:
        yield f"{folder}/memory.low", _or_max(memory.reservation)


def _cpu(cpu: Cpu, folder: str) -> Iterator[tuple[str, str]]:
    if cpu.shares:
        yield f"{folder}/cpu.weight", str(weight_of(cpu.shares))
    if cpu.quota or cpu.period:
        quota = cpu.quota if cpu.quota and cpu.quota > 0 else None
        yield f"{folder}/cpu.max", f"{quota or 'max'} {cpu.period or 100_000}"
    if cpu.cpus:
        yield f"{folder}/cpuset.cpus", cpu.cpus
    if cpu.mems:
        yield f"{folder}/cpuset.mems", cpu.mems


def _block_io(block_io: BlockIO, folder: str) -> Iterator[tuple[str, str]]:
    if block_io.weight:
        yield f"{folder}/io.bfq.weight", str(block_io.weight)
    for weighted in block_io.weight_device or ():
        yield f"{folder}/io.bfq.weight", f"{weighted.major}:{weighted.minor} {weighted.weight}"
    throttles = (
        ("rbps", block_io.throttle_read_bps_device),
        ("wbps", block_io.throttle_write_bps_device),
        ("riops", block_io.throttle_read_iops_device),
        ("wiops", block_io.throttle_write_iops_device),
    )
    for name, devices in throttles:
        for device in devices or ():
            yield f"{folder}/io.max", f"{device.major}:{device.minor} {name}={device.rate}"


def _or_max(value: int) -> str:
    return "max" if value < 0 else str(value)
