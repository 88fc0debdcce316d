"""Namespaces, and the identities that may be mapped into them."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess

from minidock.doctor import syscalls
from minidock.doctor.fixes import as_root, install, read, set_sysctl
from minidock.doctor.probe import DEGRADED, Finding


def user_namespace(_: str) -> str:
    """unshare(CLONE_NEWUSER), write uid_map, and mount a tmpfs as its root."""
    try:
        syscalls.enter_user_namespace()
    except OSError as error:
        raise _no_user_namespace(error) from error
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount("tmpfs", "/tmp", "tmpfs", 0)
    except OSError as error:
        raise _no_user_namespace(error) from error
    return "a user without rights can be root of a namespace"


def _no_user_namespace(error: OSError) -> Finding:
    state = DEGRADED if os.geteuid() == 0 else "blocked"  # root needs none
    for name, bad, good in (
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "15000"),
    ):
        if read(f"/proc/sys/{name.replace('.', '/')}") == bad:
            fix, undo = set_sysctl(name, good)
            return Finding(f"{name}={bad}", errno=error.errno or 0, fix=fix, undo=undo, state=state)
    if error.errno == errno.ENOSPC:
        return Finding(
            "the limit of user namespaces, or of their depth, is reached",
            errno=errno.ENOSPC,
            fix="leave the containers in which this runs, or raise user.max_user_namespaces",
            state=state,
        )
    cause = "a filter or a policy of what this runs in refuses user namespaces"
    fix = "if this is a container: start it with --security-opt seccomp=unconfined, or with --privileged"
    return Finding(f"{cause}: {error.strerror}", errno=error.errno or 0, fix=fix, state=state)


def others(_: str) -> str:
    """Unshare the mount, uts, ipc, net, pid and cgroup namespaces."""
    if os.geteuid() != 0:
        try:
            syscalls.enter_user_namespace()
        except OSError as error:
            raise Finding("they need a user namespace first: see user-namespace", errno=error.errno or 0) from error
    for name, flag in (
        ("mount", syscalls.CLONE_NEWNS),
        ("uts", syscalls.CLONE_NEWUTS),
        ("ipc", syscalls.CLONE_NEWIPC),
        ("net", syscalls.CLONE_NEWNET),
        ("pid", syscalls.CLONE_NEWPID),
        ("cgroup", syscalls.CLONE_NEWCGROUP),
    ):
        try:
            syscalls.unshare(flag)
        except OSError as error:
            raise Finding(
                f"no new {name} namespace: {error.strerror}",
                errno=error.errno or 0,
                fix=_namespace_fix(error),
            ) from error
    return "mount, uts, ipc, net, pid, cgroup"


def _namespace_fix(error: OSError) -> str:
    if error.errno == errno.EINVAL:
        return "use a kernel with CONFIG_NAMESPACES and all kinds of namespaces (every distribution's has them)"
    if error.errno == errno.ENOSPC:
        return "raise the limits in /proc/sys/user/max_*_namespaces"
    return "if this is a container: start it with --cap-add SYS_ADMIN --security-opt seccomp=unconfined"


def identities(_: str) -> str:
    """Map a range of subordinate ids into a user namespace with newuidmap and newgidmap."""
    import pwd

    if os.geteuid() == 0:
        return "not needed by root"
    user = pwd.getpwuid(os.geteuid()).pw_name
    for program in ("newuidmap", "newgidmap"):
        if shutil.which(program) is None:
            raise Finding(
                f"{program} is not installed: containers have one identity only",
                fix=install("uidmap"),
                state=DEGRADED,
            )
    ranges = {}
    for kind in ("uid", "gid"):
        found = _range(f"/etc/sub{kind}", user)
        if found is None:
            raise Finding(
                f"/etc/sub{kind} has no range for {user}: containers have one identity only",
                fix=as_root(f"usermod --add-sub{kind}s 100000-165535 {user}"),
                undo=as_root(f"usermod --del-sub{kind}s 100000-165535 {user}"),
                state=DEGRADED,
            )
        ranges[kind] = found
    _map(ranges)
    return f"{ranges['uid'][1]} users and {ranges['gid'][1]} groups"


def _range(path: str, user: str) -> tuple[int, int] | None:
    for line in (read(path) or "").splitlines():
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in (user, str(os.geteuid())) and fields[1].isdigit() and fields[2].isdigit():
            return int(fields[1]), int(fields[2])
    return None


def _map(ranges: dict[str, tuple[int, int]]) -> None:
    """Let a child make the namespace, map the ranges into it from here, and see that it can use them."""
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            os.write(ready[1], b"1")
            os.read(go[0], 1)
            os.setresgid(1, 1, 1)
            os.setresuid(1, 1, 1)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 1)
    os.close(ready[1])
    try:
        if os.read(ready[0], 1):
            for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
                start, count = ranges[kind]
                argv = [f"new{kind}map", str(pid), "0", str(own), "1", "1", str(start), str(count)]
                done = subprocess.run(argv, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise Finding(
                        f"new{kind}map: {done.stderr.strip()}",
                        fix=as_root(f"chmod u+s $(command -v new{kind}map)"),
                        state=DEGRADED,
                    )
    finally:
        os.write(go[1], b"1")
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise Finding("the mapped ids cannot be used", errno=code, state=DEGRADED)
