"""The birth of the process: its control group, its namespaces, its id maps, and the names that a namespace holds.

On cgroup v1 a process that is *born* in a new cgroup namespace sees the host's path of its group; it must join the
group first and make the namespace afterwards. On v2 clone3(2) does both in one call, in the right order.

It joins by ``tasks``, not by ``cgroup.procs``: a process of one thread that moves itself so needs no lock that stops
every fork of the machine, and seven groups take a tenth of a millisecond instead of fifteen (cgroup_procs_write_start
in the kernel's kernel/cgroup/cgroup.c).
"""

from __future__ import annotations

from typing import Any

from minidock._pure.plan.devices import rules_of
from minidock._pure.plan.refuse import asks, values_at
from minidock._pure.plan.words import Steps, bad, host, inside, unsupported, whole
from minidock.kernel.launch import LaunchOptions
from minidock.oci.runtime import IdMap, Linux, RuntimeSpec

#: All namespaces that a container can have, in the kernel's order (``/proc/self/ns``).
NAMESPACES = ("cgroup", "ipc", "mount", "network", "pid", "user", "uts")

_ID_LIMIT = (1 << 32) - 1
_IPC_SYSCTLS = ("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
                "kernel.shmmni", "kernel.shm_rmid_forced")  # fmt: skip


def check(config: RuntimeSpec, linux: Linux, options: LaunchOptions, raw: dict[str, Any]) -> None:
    """Raise what is wrong with the namespaces and the limits as a whole."""
    seen: set[str] = set()
    for namespace in linux.namespaces:
        if namespace.type not in NAMESPACES:
            raise unsupported(f"linux.namespaces: {namespace.type or '(empty)'} is not supported")
        if namespace.type in seen:
            raise bad(f"linux.namespaces: {namespace.type} stands there twice")
        if namespace.path and not namespace.path.startswith("/"):
            raise bad(f"linux.namespaces: {namespace.path} is not an absolute path")
        seen.add(namespace.type)
    if "mount" not in _made(linux):
        raise unsupported("linux.namespaces: a container without a new mount namespace is not supported")
    if (config.hostname or config.domainname) and "uts" not in seen:
        raise bad("hostname and domainname need a uts namespace")
    maps = linux.uid_mappings, linux.gid_mappings
    if "user" in _made(linux) and not all(maps):
        raise bad("a new user namespace needs linux.uidMappings and linux.gidMappings")
    if "user" not in _made(linux) and any(maps):
        raise bad("linux.uidMappings and linux.gidMappings need a new user namespace")
    if options.cgroup is not None and options.cgroup.mode not in ("v1", "v2"):
        raise bad(f"cgroup mode {options.cgroup.mode}: neither v1 nor v2")
    if options.cgroup is None or not options.cgroup.limits:
        for name in ("memory", "cpu", "pids", "blockIO"):
            if any(asks(value) for value in values_at(raw, ["linux", "resources", name])):
                raise unsupported(f"linux.resources.{name} needs a control group, and this launch has no such limits")


def cgroup(linux: Linux, options: LaunchOptions) -> Steps:
    """The control group: made, limited, filtered, before any process is in it."""
    if options.cgroup is None:
        return []
    steps = [host("cgroup.create", dirs=list(options.cgroup.dirs))]
    steps += [host("cgroup.limit", file=file, value=value) for file, value in options.cgroup.limits]
    rules = rules_of(linux)
    if options.cgroup.devices and rules:
        steps.append(host("cgroup.devices", dir=options.cgroup.devices, mode=options.cgroup.mode, rules=rules))
    return steps


def birth(linux: Linux, options: LaunchOptions) -> Steps:
    """The clone, and what must happen before the process may do anything else."""
    made = _made(linux)
    v1 = options.cgroup is not None and options.cgroup.mode == "v1"
    born_in = options.cgroup.dirs[0] if options.cgroup is not None and options.cgroup.dirs and not v1 else None
    steps = [host("ns.create", namespaces=[n for n in made if not (v1 and n == "cgroup")], cgroup=born_in)]
    if "user" in made:
        steps.append(host("ns.idmap", uids=_lines(linux.uid_mappings), gids=_lines(linux.gid_mappings)))
    if v1 and options.cgroup is not None:
        steps.append(inside("cgroup.enter", files=[f"{folder}/tasks" for folder in options.cgroup.dirs]))
        if "cgroup" in made:
            steps.append(inside("ns.unshare", namespaces=["cgroup"]))
    steps += [inside("ns.join", namespace=n.type, path=n.path) for n in linux.namespaces if n.path]
    return steps


def names(config: RuntimeSpec, linux: Linux) -> Steps:
    """Host name, domain name, and the kernel parameters of the namespaces."""
    steps: Steps = []
    if config.hostname:
        steps.append(inside("uts.hostname", name=config.hostname))
    if config.domainname:
        steps.append(inside("uts.domainname", name=config.domainname))
    own = {namespace.type for namespace in linux.namespaces}
    for name, value in sorted((linux.sysctl or {}).items()):
        needs = _namespace_of_sysctl(name)
        if needs not in own:
            raise bad(f"linux.sysctl: {name} does not belong to a namespace of this container")
        steps.append(inside("sysctl.set", name=name, value=value))
    return steps


def _namespace_of_sysctl(name: str) -> str | None:
    if not all(c.isascii() and (c.isalnum() or c in "._-") for c in name) or "." not in name:
        return None  # a slash or an empty part could name a file elsewhere below /proc/sys
    if name in _IPC_SYSCTLS or name.startswith("fs.mqueue."):
        return "ipc"
    if name.startswith("net."):
        return "network"
    return "uts" if name in ("kernel.hostname", "kernel.domainname") else None


def _made(linux: Linux) -> list[str]:
    return sorted(namespace.type for namespace in linux.namespaces if not namespace.path)


def _lines(maps: tuple[IdMap, ...] | None) -> list[list[int]]:
    for m in maps or ():
        for value in (m.container_id, m.host_id, m.size):
            whole("id mapping", value, _ID_LIMIT)
    return [[m.container_id, m.host_id, m.size] for m in maps or ()]
