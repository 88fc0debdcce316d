"""The container's tree: the root, what is mounted on it, and what is covered or made read-only in the end.

Every option and file system type is checked against a table: a word that we do not know could be the one that was to
keep the container from writing. Destinations are checked too: a mount over ``/proc`` or below it could show a program
(a container's own supervisor, or a later ``exec``) a forged kernel, and switch off what masking protects
(CVE-2019-19921, CVE-2023-27561).
"""

from __future__ import annotations

from minidock._pure.plan.words import Steps, bad, clean, inside, unsupported, words
from minidock.kernel.launch import LaunchOptions
from minidock.oci.runtime import Linux, Mount, RuntimeSpec
from minidock.trace.step import PlannedStep

#: Options of every mount (mount(8)): attributes of the mount, not of the file system.
FLAGS = words(
    "ro rw suid nosuid dev nodev exec noexec atime noatime diratime nodiratime relatime norelatime strictatime "
    "nostrictatime symfollow nosymfollow defaults silent loud"
)
#: Options of every file system; a bind mount has none.
COMMON = words("sync async dirsync lazytime nolazytime mand nomand")
#: The same for a whole tree of mounts (runtime-spec config.md, Linux mount options).
RECURSIVE = words(
    "rro rrw rnosuid rsuid rnodev rdev rnoexec rexec rnodiratime rdiratime rrelatime rnorelatime rnoatime ratime "
    "rstrictatime rnostrictatime rnosymfollow rsymfollow"
)
PROPAGATION = words("private rprivate shared rshared slave rslave unbindable runbindable")

#: File systems that the kernel makes up, and the options that each understands. None of them reads a device.
FILE_SYSTEMS = {
    "proc": {"hidepid", "gid", "subset"},
    "sysfs": set[str](),
    "tmpfs": {"size", "nr_blocks", "nr_inodes", "mode", "uid", "gid", "huge", "mpol", "inode32", "inode64", "noswap"},
    "devpts": {"newinstance", "ptmxmode", "mode", "uid", "gid", "max"},
    "mqueue": set[str](),
    "cgroup": set[str](),
    "cgroup2": {"nsdelegate", "memory_localevents", "memory_recursiveprot", "favordynmods"},
    "ramfs": {"mode"},
    "hugetlbfs": {"pagesize", "size", "min_size", "nr_inodes", "mode", "uid", "gid"},
    "bpf": {"mode", "uid", "gid"},
    "debugfs": {"mode", "uid", "gid"},
    "tracefs": {"mode", "uid", "gid"},
    "securityfs": set[str](),
}
#: Single files below /proc that may be replaced, as programs like lxcfs do.
PROC_FILES = words(
    "/proc/cpuinfo /proc/diskstats /proc/meminfo /proc/stat /proc/swaps /proc/uptime /proc/loadavg /proc/slabinfo "
    "/proc/net/dev /proc/sys/kernel/ns_last_pid /proc/sys/crypto/fips_enabled"
)
_CGROUP_TOP = "/sys/fs/cgroup"


def tree(config: RuntimeSpec, linux: Linux, options: LaunchOptions, root: str) -> Steps:
    """Propagation, the root, and all mounts of the specification in their order."""
    mode = linux.rootfs_propagation or "rslave"
    if mode not in ("private", "rprivate", "slave", "rslave"):
        raise unsupported(f"linux.rootfsPropagation: {mode} is not supported; mounts of a container stay its own")
    steps = [inside("mount.propagation", target="/", mode=mode), _root(options, root)]
    for mount in config.mounts:
        target = clean("mounts", mount.destination)
        if _is_bind(mount):
            steps.append(_bind(mount, target, options, root))
            continue
        _check_file_system(mount, target)
        if mount.type == "cgroup":
            own = any(namespace.type == "cgroup" for namespace in linux.namespaces)
            steps += _cgroups(mount, target, options, root, own)
        else:
            # a read-only tmpfs stays writable until all that lies below it is mounted: see closing()
            kept = [o for o in mount.options if not (mount.type == "tmpfs" and o == "ro")]
            steps.append(_fs(mount.type, mount.source or mount.type, root, target, kept))
    return steps


def closing(config: RuntimeSpec, options: LaunchOptions, root: str) -> Steps:
    """Each tmpfs that is to be read-only becomes so now, when everything below it is mounted."""
    steps: Steps = []
    v1 = options.cgroup is not None and options.cgroup.mode == "v1"
    for mount in config.mounts:
        is_tmpfs = mount.type == "tmpfs" or (mount.type == "cgroup" and v1)
        if is_tmpfs and not _is_bind(mount) and "ro" in mount.options:
            flags = ["remount", *(option for option in mount.options if option in FLAGS)]
            steps.append(_fs("tmpfs", "tmpfs", root, clean("mounts", mount.destination), flags))
    return steps


def covers(linux: Linux) -> Steps:
    """Read-only and masked paths, inside the container's root."""
    steps: Steps = []
    if linux.readonly_paths:
        steps.append(inside("mount.readonly", paths=[clean("linux.readonlyPaths", p) for p in linux.readonly_paths]))
    if linux.masked_paths:
        steps.append(inside("mount.mask", paths=[clean("linux.maskedPaths", p) for p in linux.masked_paths]))
    return steps


def _root(options: LaunchOptions, root: str) -> PlannedStep:
    o = options.overlay
    if o is None:  # pivot_root(2) wants a mount, so the folder becomes one
        return inside("mount.bind", source=root, target=root, options=["rbind"])
    lower, more = list(o.lower), list(o.options)
    return inside("mount.overlay", target=root, lower=lower, upper=o.upper, work=o.work, options=more)


def _fs(type: str, source: str, root: str, target: str, options: list[str]) -> PlannedStep:
    return inside("mount.fs", type=type, source=source, root=root, target=target, options=options)


def _is_bind(mount: Mount) -> bool:
    return mount.type == "bind" or bool({"bind", "rbind"} & set(mount.options))


def _bind(mount: Mount, target: str, options: LaunchOptions, root: str) -> PlannedStep:
    if not mount.source:
        raise bad(f"mounts: {target}: a bind mount needs a source")
    for option in mount.options:
        if option not in FLAGS | RECURSIVE | PROPAGATION | {"bind", "rbind"}:
            raise bad(f"mounts: {target}: unknown option {option} of a bind mount")
    source = mount.source if mount.source.startswith("/") else f"{options.bundle}/{mount.source}"
    from_host = clean("mounts", source)
    if target == "/":
        raise bad("mounts: nothing can be mounted over the root")
    if _below(target, "/proc") and target not in PROC_FILES and from_host != "/proc":
        raise bad(f"mounts: {target}: /proc and what is below it cannot be replaced")
    if _below(target, "/sys") and not _below(from_host, "/sys"):
        raise bad(f"mounts: {target}: /sys and what is below it cannot be replaced")
    kind = [] if {"bind", "rbind"} & set(mount.options) else ["bind"]
    return inside("mount.bind", source=source, target=target, options=[*kind, *mount.options], root=root)


def _check_file_system(mount: Mount, target: str) -> None:
    known = FILE_SYSTEMS.get(mount.type)
    if known is None:
        raise bad(f"mounts: {target}: unknown file system type {mount.type or '(empty)'}")
    for option in mount.options:
        if option not in FLAGS | COMMON | PROPAGATION and option.partition("=")[0] not in known:
            raise bad(f"mounts: {target}: unknown option {option} of {mount.type}")
    if target == "/":
        raise bad("mounts: nothing can be mounted over the root")
    if (mount.type == "proc") != (target == "/proc") and (mount.type == "proc" or _below(target, "/proc")):
        raise bad(f"mounts: {target}: proc belongs to /proc, and nothing else does")
    if mount.type in ("tmpfs", "ramfs", "devpts", "mqueue") and _below(target, "/sys"):
        raise bad(f"mounts: {target}: /sys and what is below it cannot be replaced")


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")


def _cgroups(mount: Mount, target: str, options: LaunchOptions, root: str, own: bool) -> Steps:
    """The specification's ``cgroup`` is one mount; what the kernel offers depends on the version.

    v2 has one tree. On v1 there is one tree for each controller, on folders of a tmpfs; without a cgroup namespace
    (*own*) such a mount would show the whole host's tree, so the container's own folder is bound instead. Without a
    control group of the container's own, the host's tree is shown, read-only all the way down.
    """
    flags = [option for option in mount.options if option in FLAGS]
    if options.cgroup is None:
        if "ro" not in flags:
            raise unsupported(f"mounts: {target}: a writable cgroup mount needs a control group, and there is none")
        flags = ["rbind", *("rro" if flag == "ro" else flag for flag in flags)]
        return [inside("mount.bind", source=_CGROUP_TOP, target=target, options=flags, root=root)]
    if options.cgroup.mode == "v2":
        return [_fs("cgroup2", "cgroup", root, target, list(mount.options))]
    steps = [_fs("tmpfs", "tmpfs", root, target, [*(flag for flag in flags if flag != "ro"), "mode=755"])]
    for folder in options.cgroup.dirs:
        if not folder.startswith(_CGROUP_TOP + "/"):
            raise bad(f"cgroup {folder}: not below {_CGROUP_TOP}")
        hierarchy = folder.removeprefix(_CGROUP_TOP + "/").partition("/")[0]
        at = f"{target}/{hierarchy}"
        if not own:
            steps.append(inside("mount.bind", source=folder, target=at, options=["bind", *flags], root=root))
        elif hierarchy == "unified":
            steps.append(_fs("cgroup2", "cgroup", root, at, flags))
        else:
            data = "name=systemd" if hierarchy == "systemd" else hierarchy
            steps.append(_fs("cgroup", "cgroup", root, at, [*flags, data]))
    return steps
