"""What an engine can do, as values and Protocols: the seam between those who ask and those who act.

The CLI asks through these; an :class:`~minidock.engine.engine.Engine` in this process answers, or (later) a
``RemoteEngine`` that speaks the Docker Engine API. The values have the names and the JSON form of that API, so that
both say the same.

A request holds what the user asked for and nothing else: ``None`` and empty mean "not said", and the image's
configuration and the engine's defaults fill it in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol

import msgspec

from minidock.oci.image import Empty, Healthcheck
from minidock.oci.platform import Platform
from minidock.oci.reference import Reference
from minidock.runtime.streams import Streams as Streams


class ContainerConfig(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """What runs, whatever the host (Engine API, ContainerConfig)."""

    image: str = ""
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: dict[str, Empty] | None = None
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    healthcheck: Healthcheck | None = None
    volumes: dict[str, Empty] | None = None
    working_dir: str = ""
    entrypoint: tuple[str, ...] | None = None
    mac_address: str = ""
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None


class DeviceMapping(msgspec.Struct, frozen=True, rename="pascal"):
    """One ``--device``: the host's node, its path inside, and the access made of r, w, m."""

    path_on_host: str
    path_in_container: str
    cgroup_permissions: str = "rwm"


class Ulimit(msgspec.Struct, frozen=True, rename="pascal"):
    """One ``--ulimit``, such as ``nofile``; -1 is "no limit"."""

    name: str
    soft: int
    hard: int


class WeightDevice(msgspec.Struct, frozen=True, rename="pascal"):
    """One ``--blkio-weight-device``."""

    path: str
    weight: int


class ThrottleDevice(msgspec.Struct, frozen=True, rename="pascal"):
    """One ``--device-read-bps`` and its like: bytes or operations per second."""

    path: str
    rate: int


class PortBinding(msgspec.Struct, frozen=True, rename="pascal"):
    """Where a container's port is published; empty means any address, or a random port."""

    host_ip: str = ""
    host_port: str = ""


class RestartPolicy(msgspec.Struct, frozen=True, rename="pascal"):
    """``no``, ``always``, ``unless-stopped`` or ``on-failure`` with a largest number of tries (0: no end)."""

    name: str = "no"
    maximum_retry_count: int = 0


class LogSettings(msgspec.Struct, frozen=True, rename="pascal"):
    """The log driver and its options."""

    type: str = ""
    config: dict[str, str] = {}


class BindOptions(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """Options of a bind mount."""

    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False


class VolumeOptions(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """Options of a volume's mount."""

    no_copy: bool = False
    labels: dict[str, str] | None = None
    subpath: str = ""
    driver_config: dict[str, object] | None = None


class TmpfsOptions(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """Options of a tmpfs; the size in bytes, the mode as a number."""

    size_bytes: int = 0
    mode: int = 0


class MountRequest(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """One ``--mount``: ``type`` is bind, volume, tmpfs (or npipe, cluster, image, which are refused)."""

    type: str
    target: str
    source: str = ""
    read_only: bool = False
    consistency: str = ""
    bind_options: BindOptions | None = None
    volume_options: VolumeOptions | None = None
    tmpfs_options: TmpfsOptions | None = None


class HostConfig(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """How it runs on this host (Engine API, HostConfig). Sizes in bytes, CPU periods in microseconds."""

    # resources
    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    kernel_memory: int = 0
    oom_kill_disable: bool = False
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int | None = None
    blkio_weight: int = 0
    blkio_weight_device: tuple[WeightDevice, ...] = ()
    blkio_device_read_bps: tuple[ThrottleDevice, ...] = ()
    blkio_device_write_bps: tuple[ThrottleDevice, ...] = ()
    blkio_device_read_iops: tuple[ThrottleDevice, ...] = msgspec.field(default=(), name="BlkioDeviceReadIOps")
    blkio_device_write_iops: tuple[ThrottleDevice, ...] = msgspec.field(default=(), name="BlkioDeviceWriteIOps")
    devices: tuple[DeviceMapping, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    cgroup_parent: str = ""
    shm_size: int = 0
    oom_score_adj: int = 0
    # isolation
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    cgroupns_mode: str = ""
    ipc_mode: str = ""
    pid_mode: str = ""
    uts_mode: str = msgspec.field(default="", name="UTSMode")
    userns_mode: str = ""
    sysctls: dict[str, str] = {}
    readonly_rootfs: bool = False
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    runtime: str = ""
    init: bool | None = None
    # files
    binds: tuple[str, ...] = ()
    mounts: tuple[MountRequest, ...] = ()
    tmpfs: dict[str, str] = {}
    volumes_from: tuple[str, ...] = ()
    volume_driver: str = ""
    storage_opt: dict[str, str] = {}
    # networks
    network_mode: str = ""
    port_bindings: dict[str, tuple[PortBinding, ...]] = {}
    publish_all_ports: bool = False
    dns: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    # life
    auto_remove: bool = False
    restart_policy: RestartPolicy = RestartPolicy()
    log_config: LogSettings = LogSettings()
    container_id_file: str = msgspec.field(default="", name="ContainerIDFile")
    annotations: dict[str, str] = {}


class EndpointRequest(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """How to join one network."""

    aliases: tuple[str, ...] = ()
    ipv4_address: str = msgspec.field(default="", name="IPv4Address")
    ipv6_address: str = msgspec.field(default="", name="IPv6Address")
    link_local_ips: tuple[str, ...] = msgspec.field(default=(), name="LinkLocalIPs")
    mac_address: str = ""
    driver_opts: dict[str, str] = {}
    gw_priority: int = 0


class CreateRequest(msgspec.Struct, frozen=True):
    """All of ``minidock create``: the name may be empty, then one is made up."""

    config: ContainerConfig
    host: HostConfig = HostConfig()
    name: str = ""
    platform: Platform | None = None
    networks: dict[str, EndpointRequest] = {}


class RunOptions(msgspec.Struct, frozen=True):
    """What only ``run`` says: ``pull`` is always, missing or never."""

    pull: str = "missing"
    quiet: bool = False
    detach: bool = False


class Created(msgspec.Struct, frozen=True, rename="pascal"):
    """A new container."""

    id: str
    warnings: tuple[str, ...] = ()


class Progress(Protocol):
    """Told how a pull goes; Docker's words for ``status``."""

    def status(self, id: str, status: str, current: int = 0, total: int = 0) -> None:
        """One layer's (``id``), or with an empty ``id`` the whole pull's, state."""


class ImageSummary(msgspec.Struct, frozen=True, rename="pascal"):
    """One row of ``minidock images``: times in seconds since the epoch, sizes in bytes."""

    id: str
    repo_tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    created: int
    size: int
    labels: dict[str, str] | None
    containers: int = -1
    parent_id: str = ""
    shared_size: int = -1


class HistoryItem(msgspec.Struct, frozen=True, rename="pascal"):
    """One row of ``minidock history``."""

    id: str
    created: int
    created_by: str
    tags: tuple[str, ...] | None
    size: int
    comment: str


class Deleted(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """One line of ``minidock rmi``: a name untagged or a digest deleted."""

    untagged: str = ""
    deleted: str = ""


class Images(Protocol):
    """Images of one engine."""

    def pull(self, reference: Reference, platform: Platform | None, progress: Progress) -> str:
        """Pull, and return the image's id. Atomic: the tag is written last. Resumable."""

    def load(self, archive: BinaryIO, progress: Progress) -> Sequence[str]:
        """Load a docker or OCI archive (plain, gzip, zstd); return the names, or ids, of the images."""

    def load_folder(self, folder: str, progress: Progress) -> Sequence[str]:
        """Load an OCI image layout that is a folder on this machine."""

    def import_(self, archive: BinaryIO, reference: Reference | None, changes: Sequence[str], message: str) -> str:
        """Make an image of one layer from a tar; return its id."""

    def bootstrap(self, kind: str) -> str:
        """Make the embedded default image without any registry: auto, busybox, host, tiny, debian; return its name."""

    def list(self, filters: Mapping[str, Sequence[str]], all: bool) -> Sequence[ImageSummary]:
        """List images, the newest first."""

    def tag(self, source: str, target: Reference) -> None:
        """Give the image *source* (name or id) one more name."""

    def remove(self, image: str, force: bool, prune: bool) -> Sequence[Deleted]:
        """Untag, and delete when the last name goes."""

    def inspect(self, image: str) -> dict[str, object]:
        """Return Docker's JSON of an image."""

    def history(self, image: str) -> Sequence[HistoryItem]:
        """Return how the image was made, the newest first."""


class Ran(msgspec.Struct, frozen=True):
    """How ``run`` came back: *exit_code* is 0 if the container goes on, or has left no status (a dry run)."""

    id: str
    exit_code: int = 0


class ContainerSummary(msgspec.Struct, frozen=True, rename="pascal"):
    """One row of ``minidock ps``."""

    id: str
    names: tuple[str, ...]
    image: str
    image_id: str = msgspec.field(name="ImageID")
    command: str
    created: int
    state: str
    status: str
    labels: dict[str, str]
    ports: tuple[dict[str, object], ...] = ()
    network_mode: str = ""
    mounts: tuple[dict[str, object], ...] = ()
    size_rw: int | None = None
    size_root_fs: int | None = None


class Containers(Protocol):
    """Containers of one engine."""

    def run(self, request: CreateRequest, options: RunOptions, streams: Streams, progress: Progress) -> Ran:
        """Create, start and attach; return when the container has ended, or goes on without us."""

    def list(
        self,
        all: bool,
        filters: Mapping[str, Sequence[str]],
        limit: int,
        size: bool,
    ) -> Sequence[ContainerSummary]:
        """List containers, the newest first."""

    def remove(self, container: str, force: bool, volumes: bool) -> None:
        """Remove a container: its files, its name, and what is left of its run."""

    def inspect(self, container: str, size: bool = False) -> dict[str, object]:
        """Return Docker's JSON of a container; with *size*, the bytes of its own files and of all its files."""


class EngineInfo(msgspec.Struct, frozen=True, rename="pascal"):
    """What ``minidock info`` shows: Docker's names where Docker has the thing; sizes in bytes.

    ``driver`` is how layers become one tree: overlay, userxattr, or none (they are copied).
    """

    containers: int
    containers_running: int
    containers_stopped: int
    images: int
    driver: str
    docker_root_dir: str
    run_dir: str
    kernel_ports: str
    cgroup_version: str
    cgroup_controllers: tuple[str, ...]
    rootless: bool
    kernel_version: str
    operating_system: str
    os_type: str = msgspec.field(name="OSType")
    architecture: str
    n_cpu: int = msgspec.field(name="NCPU")
    mem_total: int
    name: str
    server_version: str
