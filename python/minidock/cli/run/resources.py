"""What a container may use: memory, CPU, block I/O, pids, and the resource limits of its processes."""

from __future__ import annotations

import msgspec

from minidock.api import HostConfig, ThrottleDevice, Ulimit, WeightDevice
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Kind, Values
from minidock.cli.kinds import BOOL, BYTES, INT, STRING, UINT16
from minidock.cli.values.numbers import parse_cpus, parse_int, parse_uint
from minidock.cli.values.sizes import parse_size, parse_swap

#: The resource limits that have a name (getrlimit(2)).
LIMITS = (
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()  # noqa: SIM905
)


def parse_ulimit(text: str) -> Ulimit:
    """Read ``nofile=1024:2048``, ``core=-1`` or ``nproc=100``."""
    name, equals, limits = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    if name not in LIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    numbers = limits.split(":")
    if len(numbers) > 2:
        raise ValueError(f"too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`")
    soft = parse_int(numbers[0])
    hard = parse_int(numbers[-1])
    if soft == -1 and hard != -1:
        raise ValueError(
            f"ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: {hard}"
        )
    if soft > hard != -1:
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return Ulimit(name, soft, hard)


def _device_and(text: str) -> tuple[str, str]:
    path, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {text}")
    return path, value


def parse_weight_device(text: str) -> WeightDevice:
    """Read ``/dev/vda:500``."""
    path, value = _device_and(text)
    try:
        weight = parse_uint(value, 16)
    except ValueError:
        weight = 1
    if weight and not 10 <= weight <= 1000:
        raise ValueError(f"invalid weight for device: {text}")
    return WeightDevice(path, weight)


def parse_byte_rate(text: str) -> ThrottleDevice:
    """Read ``/dev/vda:1mb``: bytes per second."""
    path, value = _device_and(text)
    try:
        return ThrottleDevice(path, parse_size(value))
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]."
            " Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def parse_operation_rate(text: str) -> ThrottleDevice:
    """Read ``/dev/vda:100``: operations per second."""
    path, value = _device_and(text)
    try:
        return ThrottleDevice(path, parse_uint(value))
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>."
            " Number must be a positive integer"
        ) from None


_ULIMIT = Kind("ulimit", parse_ulimit, repeats=True)
_WEIGHT = Kind("list", parse_weight_device, repeats=True)
_BYTE_RATE = Kind("list", parse_byte_rate, repeats=True)
_OPERATION_RATE = Kind("list", parse_operation_rate, repeats=True)

FLAGS = (
    Flag("blkio-weight", UINT16, "Share of block I/O, 10 to 1000; 0: no weight"),
    Flag("blkio-weight-device", _WEIGHT, "Share of block I/O for one device (/dev/vda:500)"),
    Flag("cpu-period", INT, "Length of a CFS period, in microseconds"),
    Flag("cpu-quota", INT, "CPU time in each CFS period, in microseconds"),
    Flag("cpu-rt-period", INT, "Length of a real-time period, in microseconds"),
    Flag("cpu-rt-runtime", INT, "Real-time CPU time in each period, in microseconds"),
    Flag("c,cpu-shares", INT, "Weight against other containers when CPU time is short (1024 is the usual one)"),
    Flag("cpus", Kind("decimal", parse_cpus, 0), "Number of CPUs, such as 1.5"),
    Flag("cpuset-cpus", STRING, "CPUs to run on (0-3, 0,1)"),
    Flag("cpuset-mems", STRING, "Memory nodes to use (0-3, 0,1)"),
    Flag("device-read-bps", _BYTE_RATE, "Largest read rate of a device, bytes per second (/dev/vda:1mb)"),
    Flag("device-read-iops", _OPERATION_RATE, "Largest read rate of a device, operations per second (/dev/vda:100)"),
    Flag("device-write-bps", _BYTE_RATE, "Largest write rate of a device, bytes per second"),
    Flag("device-write-iops", _OPERATION_RATE, "Largest write rate of a device, operations per second"),
    Flag("kernel-memory", BYTES, "Limit of the kernel's memory (cgroup v1)"),
    Flag("m,memory", BYTES, "Limit of memory, such as 512m"),
    Flag("memory-reservation", BYTES, "Amount of memory that is kept when memory is short"),
    Flag("memory-swap", Kind("bytes", parse_swap, 0), "Limit of memory and swap together; -1: no limit of swap"),
    Flag("memory-swappiness", INT, "How eagerly memory is swapped out, 0 to 100; -1: as the host", -1),
    Flag("oom-kill-disable", BOOL, "Do not kill the container when its memory runs out"),
    Flag("oom-score-adj", INT, "How likely the kernel kills it when the host's memory runs out, -1000 to 1000"),
    Flag("pids-limit", INT, "Largest number of processes and threads; -1: no limit"),
    Flag("shm-size", BYTES, "Size of /dev/shm"),
    Flag("ulimit", _ULIMIT, "Resource limit of each process (nofile=1024:2048)"),
)


def apply(values: Values, host: HostConfig) -> HostConfig:
    """Return *host* with what these flags say."""
    swappiness = values["memory-swappiness"]
    if swappiness != -1 and not 0 <= swappiness <= 100:
        raise BadRequest(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")
    limits = {limit.name: limit for limit in values["ulimit"]}
    return msgspec.structs.replace(
        host,
        blkio_weight=values["blkio-weight"],
        blkio_weight_device=tuple(values["blkio-weight-device"]),
        blkio_device_read_bps=tuple(values["device-read-bps"]),
        blkio_device_read_iops=tuple(values["device-read-iops"]),
        blkio_device_write_bps=tuple(values["device-write-bps"]),
        blkio_device_write_iops=tuple(values["device-write-iops"]),
        cpu_period=values["cpu-period"],
        cpu_quota=values["cpu-quota"],
        cpu_realtime_period=values["cpu-rt-period"],
        cpu_realtime_runtime=values["cpu-rt-runtime"],
        cpu_shares=values["cpu-shares"],
        nano_cpus=values["cpus"],
        cpuset_cpus=values["cpuset-cpus"],
        cpuset_mems=values["cpuset-mems"],
        kernel_memory=values["kernel-memory"],
        memory=values["memory"],
        memory_reservation=values["memory-reservation"],
        memory_swap=values["memory-swap"],
        memory_swappiness=None if swappiness == -1 else swappiness,
        oom_kill_disable=values["oom-kill-disable"],
        oom_score_adj=values["oom-score-adj"],
        pids_limit=values["pids-limit"] if values.given("pids-limit") else None,
        shm_size=values["shm-size"],
        ulimits=tuple(limits[name] for name in sorted(limits)),
    )
