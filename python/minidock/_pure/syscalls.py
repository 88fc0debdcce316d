"""The system calls that Python's ``os`` does not have, by ctypes. Each raises OSError with the kernel's error number.

The new mount API appears here in full, since it is what the launcher lives on. A mount is made *detached*, changed
while nobody can see it, and attached in one move::

    fsopen("overlay") ─ fsconfig("lowerdir+", …) ─ fsconfig(create) ─ fsmount() ──┐
    open_tree("/srv/data", CLONE) ────────────────────────────────────────────────┤
                                                                                  ▼
                                   mount_setattr(mount, read-only)   move_mount(mount, target)

``PyDLL`` keeps the interpreter's lock during a call: :func:`clone` returns twice, and must do so with the lock held.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence

_libc = ctypes.PyDLL(None, use_errno=True)
_NUMBERS = {  # by uname -m: calls older than the common numbering of all architectures
    "x86_64": {"pivot_root": 155, "capset": 126, "seccomp": 317, "bpf": 321},
    "aarch64": {"pivot_root": 41, "capset": 91, "seccomp": 277, "bpf": 280},
}
_COMMON = {"open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "clone3": 435,
           "close_range": 436, "openat2": 437, "mount_setattr": 442}  # fmt: skip

AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
O_PATH = os.O_PATH | os.O_CLOEXEC
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT = 0x02, 0x04, 0x10
OPEN_TREE_CLONE, FSMOUNT_CLOEXEC, FSOPEN_CLOEXEC = 1, 1, 1
SET_FLAG, SET_STRING, SET_FD, CREATE = 0, 1, 5, 6  # fsconfig(2)
MOVE_EMPTY_PATHS = 0x04 | 0x40  # MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
MNT_DETACH = 2
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
CLONE = {"cgroup": 0x02000000, "ipc": 0x08000000, "mount": 0x00020000, "network": 0x40000000, "pid": 0x20000000,
         "user": 0x10000000, "uts": 0x04000000}  # fmt: skip
CLONE_INTO_CGROUP = 1 << 33
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_CAPBSET_DROP = 1, 4, 8, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47


def _call(name: str, *args: object) -> int:
    number = _COMMON.get(name) or _NUMBERS[os.uname().machine][name]
    # every argument is as wide as a register: syscall(2) is variadic, and an int would leave the upper half as it was
    wide = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return _checked(_libc.syscall(ctypes.c_long(number), *wide), name)


def _checked(result: int, name: str) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def openat2(root: int, path: str, flags: int, mode: int = 0, resolve: int = RESOLVE_IN_ROOT) -> int:
    """Open *path* inside the folder *root*: no ``..`` and no link leads out of it (openat2(2))."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)
    while True:
        try:
            return _call("openat2", root, path.encode() or b"/", how, len(how))
        except BlockingIOError:  # somebody renames folders just now
            continue


def open_tree(folder: int, path: str, recursive: bool) -> int:
    """Return a detached copy of the mount at *path* (open_tree(2)); recursive: with all that is mounted below."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    return _call("open_tree", folder, path.encode(), flags)


def new_mount(kind: str, parameters: Sequence[tuple[str, str | int | None]], attributes: int = 0) -> int:
    """Return a detached mount of a new file system: a parameter is a string, a flag (``None``) or a descriptor."""
    context = _call("fsopen", kind.encode(), FSOPEN_CLOEXEC)
    try:
        for key, value in parameters:
            if isinstance(value, int):
                _call("fsconfig", context, SET_FD, key.encode(), None, value)
            else:
                command = SET_FLAG if value is None else SET_STRING
                _call("fsconfig", context, command, key.encode(), None if value is None else value.encode(), 0)
        _call("fsconfig", context, CREATE, None, None, 0)
        return _call("fsmount", context, FSMOUNT_CLOEXEC, attributes)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{kind}{_words_of(context)}") from error
    finally:
        os.close(context)


def _words_of(context: int) -> str:
    """Return what the kernel has to say about a failed fsconfig: it leaves messages on the context (fsopen(2))."""
    words = []
    while True:
        try:
            words.append(os.read(context, 512)[2:].decode(errors="replace").strip())
        except OSError:  # ENODATA: there are no more
            break
    return f" ({'; '.join(words)})" if words else ""


def move_mount(mount: int, target: int) -> None:
    """Attach a detached mount on the open file or folder *target*."""
    _call("move_mount", mount, b"", target, b"", MOVE_EMPTY_PATHS)


def mount_setattr(
    mount: int, path: str = "", set: int = 0, clear: int = 0, propagation: int = 0, recursive: bool = False
) -> None:
    """Change attributes (``MOUNT_ATTR_…``) and propagation (``MS_…``) of a mount, or of all below it too."""
    attributes = struct.pack("QQQQ", set, clear, propagation, 0)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _call("mount_setattr", mount, path.encode(), flags, attributes, len(attributes))


def mount(source: str, target: str, kind: str, data: str) -> None:
    """Mount a file system at a place, the older way (mount(2))."""
    _checked(_libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(0), data.encode()), "mount")


def umount(path: str, flags: int = MNT_DETACH) -> None:
    """Take the mount at *path* away."""
    _checked(_libc.umount2(path.encode(), flags), "umount2")


def pivot_root(new: str, old: str) -> None:
    """Swap the root mount (pivot_root(2))."""
    _call("pivot_root", new.encode(), old.encode())


def unshare(flags: int) -> None:
    """Leave namespaces for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Enter the namespace *fd*."""
    _checked(_libc.setns(fd, flags), "setns")


def clone(flags: int, cgroup: int | None) -> int:
    """Fork into new namespaces, and on v2 into the control group *cgroup*; return 0 in the child (clone3(2)).

    Python's own preparations around a fork are kept. The caller has one thread only.
    """
    into = 0 if cgroup is None else CLONE_INTO_CGROUP
    args = struct.pack("11Q", flags | into, 0, 0, 0, 17, 0, 0, 0, 0, 0, cgroup or 0)  # 17: SIGCHLD when it ends
    ctypes.pythonapi.PyOS_BeforeFork()
    try:
        pid = _call("clone3", args, len(args))
    except OSError:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
        raise
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    else:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
    return pid


def prctl(option: int, *values: int) -> None:
    """Set one of a process's many properties (prctl(2))."""
    padded = (*values, 0, 0, 0, 0)[:4]
    _checked(_libc.prctl(option, *(ctypes.c_ulong(value) for value in padded)), "prctl")


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set three capability sets, each a number with one bit per capability (capset(2))."""
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    halves = [word >> shift & 0xFFFFFFFF for shift in (0, 32) for word in (effective, permitted, inheritable)]
    _call("capset", header, struct.pack("6I", *halves))


def set_filter(program: bytes, flags: int) -> None:
    """Put a system call filter on: *program* is an array of ``struct sock_filter`` (seccomp(2))."""
    code = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _call("seccomp", 1, flags, fprog)  # SECCOMP_SET_MODE_FILTER


def attach_device_filter(cgroup: int, program: bytes) -> None:
    """Load a BPF program of type CGROUP_DEVICE and attach it to a v2 control group (bpf(2))."""
    code, terms = ctypes.create_string_buffer(program, len(program)), ctypes.create_string_buffer(b"Apache-2.0")
    load = struct.pack(
        "IIQQIIQII", 15, len(program) // 8, ctypes.addressof(code), ctypes.addressof(terms), 0, 0, 0, 0, 0
    )
    fd = _call("bpf", 5, load, len(load))  # BPF_PROG_LOAD
    try:
        attach = struct.pack("IIII", cgroup, fd, 6, 2)  # BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI
        _call("bpf", 8, attach, len(attach))  # BPF_PROG_ATTACH
    finally:
        os.close(fd)


def set_names(host: str | None = None, domain: str | None = None) -> None:
    """Set the host name or the domain name of this uts namespace."""
    for name, function in ((host, _libc.sethostname), (domain, _libc.setdomainname)):
        if name is not None:
            data = name.encode()
            _checked(function(data, len(data)), function.__name__)


def close_on_exec_from(first: int) -> None:
    """Mark all descriptors from *first* on: exec closes them (close_range(2))."""
    _call("close_range", first, 0x7FFFFFFF, 4)


def file_system_of(fd: int) -> int:
    """Return the magic number of the file system of *fd* (statfs(2)): Python's os.fstatvfs leaves it out."""
    buffer = ctypes.create_string_buffer(120)
    _checked(_libc.fstatfs(fd, buffer), "fstatfs")
    return int(struct.unpack_from("l", buffer)[0])
