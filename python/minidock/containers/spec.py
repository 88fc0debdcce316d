"""A container's ``config.json``, from everything that was decided before. Pure.

Source: runtime-spec config.md, config-linux.md. What is written here any OCI runtime can start.
"""

from __future__ import annotations

import msgspec

from minidock.api import ContainerConfig, HostConfig, Ulimit
from minidock.containers.merge import command_line, process_env
from minidock.containers.security import Security
from minidock.containers.users import ResolvedUser
from minidock.errors import InvalidArgument
from minidock.oci.runtime import (
    Device,
    Linux,
    Mount,
    Namespace,
    Process,
    Resources,
    Rlimit,
    Root,
    RuntimeSpec,
    User,
)

#: Where ``--init`` puts the small init program, and what comes first on the command line.
INIT_PATH = "/sbin/docker-init"

_RLIMITS = frozenset(
    ("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio")
) | {"rttime", "sigpending", "stack"}


class Decided(msgspec.Struct, frozen=True):
    """All that the spec is made of; each part comes from its own module."""

    config: ContainerConfig
    host: HostConfig
    hostname: str
    user: ResolvedUser
    security: Security
    mounts: tuple[Mount, ...]
    namespaces: tuple[Namespace, ...]
    devices: tuple[Device, ...]
    resources: Resources
    cgroups_path: str
    root: str = "rootfs"


def make_spec(decided: Decided) -> RuntimeSpec:
    """Return the whole specification."""
    config, host, security = decided.config, decided.host, decided.security
    own_uts = any(namespace.type == "uts" for namespace in decided.namespaces)
    return RuntimeSpec(
        process=_process(decided),
        root=Root(decided.root, host.readonly_rootfs),
        hostname=decided.hostname if own_uts else "",
        domainname=config.domainname if own_uts else "",
        mounts=decided.mounts,
        annotations=host.annotations or None,
        linux=Linux(
            namespaces=decided.namespaces,
            devices=decided.devices or None,
            cgroups_path=decided.cgroups_path,
            resources=decided.resources,
            seccomp=security.seccomp,
            sysctl=host.sysctls or None,
            masked_paths=security.masked_paths or None,
            readonly_paths=security.readonly_paths or None,
            rootfs_propagation=_root_propagation(decided.mounts),
        ),
    )


def _process(decided: Decided) -> Process:
    config, host, user = decided.config, decided.host, decided.user
    argv = command_line(config)
    return Process(
        args=(INIT_PATH, "--", *argv) if host.init else argv,
        cwd=config.working_dir or "/",
        terminal=config.tty,
        user=User(user.uid, user.gid, additional_gids=user.groups or None),
        env=process_env(config, decided.hostname, user.home),
        capabilities=decided.security.capabilities,
        rlimits=tuple(_rlimit(limit) for limit in host.ulimits) or None,
        no_new_privileges=decided.security.no_new_privileges,
        oom_score_adj=host.oom_score_adj or None,
    )


def _rlimit(limit: Ulimit) -> Rlimit:
    name = limit.name.lower()
    if name not in _RLIMITS:
        raise InvalidArgument(f"invalid ulimit type: {limit.name}")
    unlimited = 2**64 - 1
    soft = unlimited if limit.soft == -1 else limit.soft
    hard = unlimited if limit.hard == -1 else limit.hard
    return Rlimit(f"RLIMIT_{name.upper()}", soft, hard)


def _root_propagation(mounts: tuple[Mount, ...]) -> str:
    """The root must let mounts through where one of its mounts is shared with, or a slave of, the host's."""
    options = {option for mount in mounts for option in mount.options}
    if options & {"shared", "rshared"}:
        return "shared"
    return "rslave" if options & {"slave", "rslave"} else ""
