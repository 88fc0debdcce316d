"""Limits: Docker's flags → the spec's ``linux.resources``. Pure."""

from __future__ import annotations

from collections.abc import Callable

from minidock.api import HostConfig, ThrottleDevice
from minidock.oci.runtime import BlockIO, Cpu, DeviceRule, Memory, Pids, Resources
from minidock.oci.runtime import ThrottleDevice as OciThrottle
from minidock.oci.runtime import WeightDevice as OciWeight

#: A device node of the host → its (major, minor) numbers.
DeviceNumbers = Callable[[str], tuple[int, int]]

_PERIOD = 100_000


def resources_of(host: HostConfig, devices: tuple[DeviceRule, ...], numbers: DeviceNumbers) -> Resources:
    """Return everything that the control group enforces."""
    return Resources(
        devices=devices,
        memory=_memory(host),
        cpu=_cpu(host),
        pids=Pids(host.pids_limit if host.pids_limit > 0 else -1) if host.pids_limit else None,
        block_io=_block_io(host, numbers),
    )


def _memory(host: HostConfig) -> Memory | None:
    # as Docker: memory without a word on swap allows as much swap again
    swap = host.memory_swap or (host.memory * 2 if host.memory > 0 else 0)
    memory = Memory(
        limit=host.memory or None,
        reservation=host.memory_reservation or None,
        swap=swap or None,
        swappiness=host.memory_swappiness if host.memory_swappiness not in (None, -1) else None,
        disable_oom_killer=host.oom_kill_disable or None,
    )
    return None if memory == Memory() else memory


def _cpu(host: HostConfig) -> Cpu | None:
    period, quota = host.cpu_period, host.cpu_quota
    if host.nano_cpus:
        period, quota = _PERIOD, host.nano_cpus * _PERIOD // 1_000_000_000
    cpu = Cpu(
        shares=host.cpu_shares or None,
        quota=quota or None,
        period=period or None,
        realtime_runtime=host.cpu_realtime_runtime or None,
        realtime_period=host.cpu_realtime_period or None,
        cpus=host.cpuset_cpus,
        mems=host.cpuset_mems,
    )
    return None if cpu == Cpu() else cpu


def _block_io(host: HostConfig, numbers: DeviceNumbers) -> BlockIO | None:
    def throttles(devices: tuple[ThrottleDevice, ...]) -> tuple[OciThrottle, ...] | None:
        return tuple(OciThrottle(*numbers(device.path), device.rate) for device in devices) or None

    block_io = BlockIO(
        weight=host.blkio_weight or None,
        weight_device=tuple(OciWeight(*numbers(w.path), w.weight) for w in host.blkio_weight_device) or None,
        throttle_read_bps_device=throttles(host.blkio_device_read_bps),
        throttle_write_bps_device=throttles(host.blkio_device_write_bps),
        throttle_read_iops_device=throttles(host.blkio_device_read_iops),
        throttle_write_iops_device=throttles(host.blkio_device_write_iops),
    )
    return None if block_io == BlockIO() else block_io
