"""Requests that make no sense, refused before anything is done, in Docker's words. Pure."""

from __future__ import annotations

from minidock.api import ContainerConfig, CreateRequest, HostConfig
from minidock.containers.logs import log_config
from minidock.errors import InvalidArgument, Unsupported

_SMALLEST_MEMORY = 6 << 20
_SYSCTLS = ("net.", "fs.mqueue.")
_IPC_SYSCTLS = frozenset({"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall"}) | {
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
}


def check_request(request: CreateRequest, cpus: int) -> None:
    """Check all that needs neither image nor host.

    :param cpus: how many CPUs this machine has.
    :raises InvalidArgument: with Docker's words.
    """
    _check_config(request.config)
    _check_memory(request.host)
    _check_cpu(request.host, cpus)
    _check_modes(request.host)
    _check_sysctls(request.host)
    _check_life(request.host)


def _check_config(config: ContainerConfig) -> None:
    if not config.image:
        raise InvalidArgument("no image specified")
    if len(config.hostname) > 63:
        raise InvalidArgument(f"invalid hostname: {config.hostname}: longer than 63 characters")
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
        )
    for entry in config.env or ():
        if not entry or entry.startswith("="):
            raise InvalidArgument(f"invalid environment variable: {entry}")
        if "\0" in entry:
            raise InvalidArgument("an environment variable cannot hold a NUL byte")
    for word in (*(config.entrypoint or ()), *(config.cmd or ())):
        if "\0" in word:
            raise InvalidArgument("an argument cannot hold a NUL byte")


def _check_memory(host: HostConfig) -> None:
    if 0 < host.memory < _SMALLEST_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if host.memory_swap > 0 and not host.memory:
        raise InvalidArgument("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < host.memory_swap < host.memory:
        raise InvalidArgument("Minimum memoryswap limit should be larger than memory limit, see usage")
    if host.memory_swappiness is not None and not -1 <= host.memory_swappiness <= 100:
        raise InvalidArgument(f"Invalid value: {host.memory_swappiness}, valid memory swappiness range is 0-100")
    if host.memory and host.memory_reservation > host.memory:
        raise InvalidArgument("Minimum memory limit can not be less than memory reservation limit, see usage")
    if 0 < host.memory_reservation < _SMALLEST_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if host.kernel_memory:
        raise Unsupported("the kernel has no limit of kernel memory any more", "leave --kernel-memory out")
    if host.shm_size < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if host.storage_opt:
        raise Unsupported("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")


def _check_cpu(host: HostConfig, cpus: int) -> None:
    if host.nano_cpus and (host.cpu_period or host.cpu_quota):
        raise InvalidArgument("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if host.nano_cpus < 0 or host.nano_cpus > cpus * 1_000_000_000:
        raise InvalidArgument(f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available")
    if host.cpu_period and not 1000 <= host.cpu_period <= 1_000_000:
        raise InvalidArgument("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < host.cpu_quota < 1000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if host.cpu_shares < 0:
        raise InvalidArgument(f"invalid CPU shares ({host.cpu_shares}): value must be a positive integer")
    if host.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
    for name, text in (("CPU", host.cpuset_cpus), ("memory", host.cpuset_mems)):
        if text and not all(part.replace("-", "", 1).isdigit() for part in text.split(",")):
            raise InvalidArgument(f"Invalid value {text} for cpuset {'cpus' if name == 'CPU' else 'mems'}")


def _check_modes(host: HostConfig) -> None:
    if host.privileged and host.userns_mode not in ("", "host"):
        raise InvalidArgument("privileged mode is incompatible with user namespaces")
    if not -1000 <= host.oom_score_adj <= 1000:
        raise InvalidArgument(f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    if host.cgroup_parent and ".." in host.cgroup_parent.split("/"):
        raise InvalidArgument(f"invalid cgroup parent: {host.cgroup_parent}")
    if host.links:
        raise Unsupported("--link is not supported yet on the default network", "use a name in --add-host")
    if host.volumes_from:
        raise Unsupported("--volumes-from is not supported yet", "name the volumes with -v")
    if host.volume_driver not in ("", "local"):
        raise Unsupported(f"the volume driver {host.volume_driver} is not supported", "use the local driver")


def _check_sysctls(host: HostConfig) -> None:
    for name in host.sysctls:
        if name.startswith("net."):
            if host.network_mode == "host":
                raise InvalidArgument(f"sysctl '{name}' not allowed in host network namespace")
        elif name.startswith("fs.mqueue.") or name in _IPC_SYSCTLS:
            if host.ipc_mode == "host":
                raise InvalidArgument(f"sysctl '{name}' not allowed in host ipc namespace")
        else:
            raise InvalidArgument(f"sysctl '{name}' is not whitelisted")


def _check_life(host: HostConfig) -> None:
    policy = host.restart_policy
    if policy.name not in ("", "no", "always", "unless-stopped", "on-failure"):
        raise InvalidArgument(
            f"invalid restart policy: unknown policy '{policy.name}'; use one of 'no', 'always', 'on-failure', or "
            "'unless-stopped'"
        )
    if policy.name not in ("", "no"):
        if host.auto_remove:
            raise InvalidArgument("can't create 'AutoRemove' container with restart policy")
        raise Unsupported("restart policies are not supported yet", "leave --restart out, or use --restart no")
    log_config(host.log_config, "")
