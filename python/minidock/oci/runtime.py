"""A container's ``config.json``: what any OCI runtime needs to start it (runtime-spec: config.md, config-linux.md).

Only the parts that minidock writes or launches are named; a bundle made by others may hold more, and what would change
the container's behaviour and is not named here is refused by the planner, never ignored.

What the specification requires is written even where it has its default: ``omit_defaults`` leaves out plain defaults,
not those that a factory makes.
"""

from __future__ import annotations

import msgspec

#: What this engine writes needs no more than this; older runtimes refuse a newer number.
OCI_VERSION = "1.0.2"


class User(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Who the process is, as numbers: names were looked up before, inside the image."""

    uid: int = 0
    gid: int = 0
    umask: int | None = None
    additional_gids: tuple[int, ...] | None = None


class Capabilities(msgspec.Struct, frozen=True, rename="camel"):
    """The five capability sets, as names such as ``CAP_CHOWN`` (capabilities(7))."""

    bounding: tuple[str, ...] = ()
    effective: tuple[str, ...] = ()
    inheritable: tuple[str, ...] = ()
    permitted: tuple[str, ...] = ()
    ambient: tuple[str, ...] = ()


class Rlimit(msgspec.Struct, frozen=True, rename="camel"):
    """One resource limit, such as ``RLIMIT_NOFILE`` (getrlimit(2))."""

    type: str
    soft: int
    hard: int


class ConsoleSize(msgspec.Struct, frozen=True, rename="camel"):
    """The terminal's size in characters."""

    height: int
    width: int


class Process(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The container's first process."""

    args: tuple[str, ...] = ()
    cwd: str = msgspec.field(default_factory=lambda: "/")
    terminal: bool = False
    console_size: ConsoleSize | None = None
    user: User = User()
    env: tuple[str, ...] = ()
    capabilities: Capabilities | None = None
    rlimits: tuple[Rlimit, ...] | None = None
    no_new_privileges: bool = False
    oom_score_adj: int | None = None
    apparmor_profile: str = ""
    selinux_label: str = ""


class Root(msgspec.Struct, frozen=True, omit_defaults=True):
    """The root file system: a path, relative to the bundle."""

    path: str = msgspec.field(default_factory=lambda: "rootfs")
    readonly: bool = False


class Mount(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mount inside the container; ``options`` are those of mount(8), with runc's names for propagation."""

    destination: str
    type: str = ""
    source: str = ""
    options: tuple[str, ...] = ()


class Namespace(msgspec.Struct, frozen=True, omit_defaults=True):
    """A namespace to make, or with a path, to join: pid, network, mount, ipc, uts, user, cgroup."""

    type: str
    path: str = ""


class IdMap(msgspec.Struct, frozen=True, rename="camel"):
    """One line of ``/proc/PID/uid_map`` (user_namespaces(7))."""

    container_id: int = msgspec.field(name="containerID")
    host_id: int = msgspec.field(name="hostID")
    size: int


class Device(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A device node to make; ``type`` is c, b, u or p."""

    path: str
    type: str
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    uid: int | None = None
    gid: int | None = None


class DeviceRule(msgspec.Struct, frozen=True):
    """One rule of the cgroup's device filter; -1 or ``None`` is "any"; ``access`` is made of r, w, m.

    Nothing is left out when it is written: runc refuses a rule without ``access``.
    """

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"


class Memory(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Limits in bytes; ``swap`` is memory and swap together, as on cgroup v1; -1 is "no limit"."""

    limit: int | None = None
    reservation: int | None = None
    swap: int | None = None
    kernel: int | None = None
    swappiness: int | None = None
    disable_oom_killer: bool | None = msgspec.field(default=None, name="disableOOMKiller")


class Cpu(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """``quota`` and ``period`` in microseconds; ``shares`` relative, 1024 is one share; ``cpus``, ``mems`` as lists."""

    shares: int | None = None
    quota: int | None = None
    period: int | None = None
    realtime_runtime: int | None = None
    realtime_period: int | None = None
    cpus: str = ""
    mems: str = ""


class Pids(msgspec.Struct, frozen=True):
    """The largest number of tasks; -1 is "no limit"."""

    limit: int


class ThrottleDevice(msgspec.Struct, frozen=True):
    """A rate for one device: bytes or operations per second."""

    major: int
    minor: int
    rate: int


class WeightDevice(msgspec.Struct, frozen=True):
    """A weight for one device."""

    major: int
    minor: int
    weight: int


class BlockIO(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Limits of block devices; ``weight`` is 10 to 1000."""

    weight: int | None = None
    weight_device: tuple[WeightDevice, ...] | None = None
    throttle_read_bps_device: tuple[ThrottleDevice, ...] | None = None
    throttle_write_bps_device: tuple[ThrottleDevice, ...] | None = None
    throttle_read_iops_device: tuple[ThrottleDevice, ...] | None = msgspec.field(
        default=None, name="throttleReadIOPSDevice"
    )
    throttle_write_iops_device: tuple[ThrottleDevice, ...] | None = msgspec.field(
        default=None, name="throttleWriteIOPSDevice"
    )


class Resources(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What the container may use, for the cgroup."""

    devices: tuple[DeviceRule, ...] | None = None
    memory: Memory | None = None
    cpu: Cpu | None = None
    pids: Pids | None = None
    block_io: BlockIO | None = msgspec.field(default=None, name="blockIO")


class SeccompArg(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One condition on a system call's argument: ``op`` is SCMP_CMP_EQ and so on."""

    index: int
    value: int
    op: str
    value_two: int = 0


class SyscallRule(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What happens to these system calls, if all ``args`` hold."""

    names: tuple[str, ...]
    action: str
    errno_ret: int | None = None
    args: tuple[SeccompArg, ...] | None = None


class Seccomp(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A system call filter (seccomp(2)), in the specification's form."""

    default_action: str
    default_errno_ret: int | None = None
    architectures: tuple[str, ...] | None = None
    flags: tuple[str, ...] | None = None
    syscalls: tuple[SyscallRule, ...] | None = None


class Linux(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The parts that only Linux has."""

    namespaces: tuple[Namespace, ...] = ()
    uid_mappings: tuple[IdMap, ...] | None = None
    gid_mappings: tuple[IdMap, ...] | None = None
    devices: tuple[Device, ...] | None = None
    cgroups_path: str = ""
    resources: Resources | None = None
    seccomp: Seccomp | None = None
    sysctl: dict[str, str] | None = None
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    rootfs_propagation: str = ""
    mount_label: str = ""


class RuntimeSpec(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The whole ``config.json``."""

    oci_version: str = msgspec.field(default_factory=lambda: OCI_VERSION)
    process: Process | None = None
    root: Root | None = None
    hostname: str = ""
    domainname: str = ""
    mounts: tuple[Mount, ...] = ()
    annotations: dict[str, str] | None = None
    linux: Linux | None = None
