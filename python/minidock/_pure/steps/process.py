"""The process itself: its session, its namespaces, its limits, its rights, and at last its program."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
from typing import Any

from minidock._pure import syscalls
from minidock._pure.steps import paths
from minidock._pure.steps.inside import Inside
from minidock.oci.capability import NAMES

Args = dict[str, Any]


def cgroup_enter(inside: Inside, _: Args) -> None:
    """``cgroup.enter``: "0" is "whoever writes this"; the files were opened while their paths still could be seen."""
    for file in inside.cgroups:
        os.write(file, b"0")
        os.close(file)


def ns_unshare(_: Inside, args: Args) -> None:
    """``ns.unshare``."""
    syscalls.unshare(sum(syscalls.CLONE[name] for name in args["namespaces"]))


def ns_join(inside: Inside, args: Args) -> None:
    """``ns.join``. A pid namespace can only be entered by birth: the monitor saw to that, and here it is checked."""
    if args["namespace"] != "pid":
        fd = os.open(args["path"], os.O_RDONLY | os.O_CLOEXEC)
        syscalls.setns(fd, syscalls.CLONE[args["namespace"]])
        os.close(fd)
        return
    wanted, own = os.stat(args["path"]), os.stat("self/ns/pid", dir_fd=inside.proc)
    if (wanted.st_dev, wanted.st_ino) != (own.st_dev, own.st_ino):
        raise OSError(errno.EXDEV, "not in the pid namespace", args["path"])


def session(inside: Inside, args: Args) -> None:
    """``process.session``: lead a session; pipes become 0, 1, 2 (a terminal comes later, from the container's /dev)."""
    os.setsid()
    if args["terminal"] == bool(inside.streams):
        raise OSError(errno.EINVAL, "plan and request disagree about a terminal")
    for number, fd in enumerate(inside.streams):
        os.dup2(fd, number)


def hostname(_: Inside, args: Args) -> None:
    """``uts.hostname``."""
    syscalls.set_names(host=args["name"])


def domainname(_: Inside, args: Args) -> None:
    """``uts.domainname``."""
    syscalls.set_names(domain=args["name"])


def sysctl(inside: Inside, args: Args) -> None:
    """``sysctl.set``: a dot is a slash below /proc/sys."""
    parts = args["name"].split(".")
    if not all(parts) or "/" in args["name"]:
        raise OSError(errno.EINVAL, "no such kernel parameter", args["name"])
    inside.write_proc(f"sys/{'/'.join(parts)}", args["value"])


def oom(inside: Inside, args: Args) -> None:
    """``process.oom``."""
    inside.write_proc("self/oom_score_adj", str(args["score"]))


def limits(_: Inside, args: Args) -> None:
    """``process.limits``. What is larger than a signed 64-bit number means "no limit"."""
    for limit in args["rlimits"]:
        soft, hard = (-1 if limit[side] >= 1 << 63 else limit[side] for side in ("soft", "hard"))
        resource.setrlimit(_RLIMITS[limit["type"]], (soft, hard))


def cwd(_: Inside, args: Args) -> None:
    """``process.cwd``: made if missing. A path that leads out of the root is refused (CVE-2024-21626)."""
    os.fchdir(paths.make(paths.open_root("/"), args["cwd"], folder=True))
    if not os.getcwd().startswith("/"):
        raise OSError(errno.EXDEV, "not inside the root", args["cwd"])


def no_new_privs(_: Inside, __: Args) -> None:
    """``process.no_new_privs``."""
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


def seccomp(inside: Inside, _: Args) -> None:
    """``process.seccomp``: the program was compiled before the process began."""
    if inside.filter is None:
        raise OSError(errno.EINVAL, "no filter was prepared")
    syscalls.set_filter(*inside.filter)


def capabilities(inside: Inside, args: Args) -> None:
    """``process.capabilities``: cut the bounding set now, keep the others for ``process.user`` to put on."""
    inside.sets = {name: sum(1 << NAMES.index(c) for c in set(names)) for name, names in args.items()}
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)  # nobody in a shared pid namespace may look into this process now
    for number in range(64):
        if not inside.sets["bounding"] >> number & 1:
            try:
                syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                break  # this kernel has no capability of this number, nor above
    syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)


def user(inside: Inside, args: Args) -> None:
    """``process.user``: groups, group, user; then the capabilities of the step before."""
    for stream in range(3):
        _give_stream(stream, args["uid"])
    try:
        os.setgroups(args["groups"])
    except PermissionError:
        if args["groups"] or not _groups_are_denied(inside):
            raise
    os.setresgid(args["gid"], args["gid"], args["gid"])
    os.setresuid(args["uid"], args["uid"], args["uid"])
    sets = inside.sets
    syscalls.capset(sets["effective"], sets["permitted"], sets["inheritable"])
    syscalls.prctl(syscalls.PR_CAP_AMBIENT, 4)  # PR_CAP_AMBIENT_CLEAR_ALL
    ambient = sets["ambient"] & sets["permitted"] & sets["inheritable"]  # what cannot be granted is left out
    for number in range(len(NAMES)):
        if ambient >> number & 1:
            syscalls.prctl(syscalls.PR_CAP_AMBIENT, 2, number)  # PR_CAP_AMBIENT_RAISE
    os.umask(0o022 if args["umask"] is None else args["umask"])


def _give_stream(stream: int, uid: int) -> None:
    """Make a pipe or terminal the user's own, so that it can open /dev/stdout by name; a courtesy, no need."""
    found = os.fstat(stream)
    if (stat.S_ISFIFO(found.st_mode) or os.isatty(stream)) and found.st_uid != uid:
        try:
            os.chown(stream, uid, -1)
        except OSError as error:  # an identity without a mapping: the stream still works
            if error.errno not in (errno.EPERM, errno.EINVAL):
                raise


def _groups_are_denied(inside: Inside) -> bool:
    """In a user namespace of an ordinary user setgroups(2) is denied for good (user_namespaces(7))."""
    fd = os.open("self/setgroups", os.O_RDONLY | os.O_CLOEXEC, dir_fd=inside.proc)
    try:
        return os.read(fd, 8).startswith(b"deny")
    finally:
        os.close(fd)


def close_fds(_: Inside, __: Args) -> None:
    """``process.close_fds``: all but the streams close at exec."""
    syscalls.close_on_exec_from(3)


def execute(inside: Inside, args: Args) -> None:
    """``process.exec``: a name without a slash is looked for in the PATH of the container's environment."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would pass that on
        signal.signal(number, signal.SIG_DFL)
    inside.die_with_monitor()
    env = _Environment(args["env"])
    name = args["argv"][0]
    path = next((value for key, value in env.pairs if key == "PATH"), "")
    folders = [folder or "." for folder in path.split(":")] if path and name else []
    reason = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    refused: OSError | None = None
    for file in [name] if "/" in name else [f"{folder}/{name}" for folder in folders]:
        try:
            os.execve(file, args["argv"], env)  # type: ignore[arg-type]  # noqa: S606  (it asks for no more)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:  # there may be another one further on
            refused = error
    raise refused or reason


class _Environment:
    """An environment as it was written, in its order and with names that stand there twice: a dict would lose both."""

    def __init__(self, lines: list[str]) -> None:
        self.pairs = [(name, value) for name, _, value in (line.partition("=") for line in lines)]

    def __getitem__(self, name: str) -> str:
        return dict(self.pairs)[name]

    def __len__(self) -> int:
        return len(self.pairs)

    def keys(self) -> list[str]:
        return [name for name, _ in self.pairs]

    def values(self) -> list[str]:
        return [value for _, value in self.pairs]


_RLIMITS = {f"RLIMIT_{name}": number for number, name in enumerate(
    ("CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING",
     "MSGQUEUE", "NICE", "RTPRIO", "RTTIME")
)}  # fmt: skip
