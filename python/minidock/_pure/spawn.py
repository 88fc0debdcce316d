"""The interpreter as a file that nobody can write to: what a pure monitor is executed from.

A process that is about to become a container's program is still *our* program, and ``/proc/self/exe`` leads to its
file. An image whose program begins with ``#!/proc/self/exe`` runs that file inside the container; root there could then
open it, and overwrite the host's Python (CVE-2019-5736). So it runs from a read-only mount of that one file, attached
nowhere; where such a mount is not allowed (an ordinary user), from a sealed copy in memory. Twin:
``rust/core/src/spawn.rs``. Source: open_tree(2), memfd_create(2), fcntl(2) "File Sealing".
"""

from __future__ import annotations

import errno
import fcntl
import os

from minidock._pure import syscalls

_RDONLY, _NOSUID, _NODEV = 0x1, 0x2, 0x4  # MOUNT_ATTR_…: mount_setattr(2)
_MFD_EXEC = 0x10
_ADD_SEALS, _SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8  # F_ADD_SEALS; SEAL, SHRINK, GROW, WRITE
_NOT_ALLOWED = (errno.EPERM, errno.EINVAL, errno.ENOSYS)


def safe_program(path: str) -> int:
    """Return a descriptor of the program *path* that is good for exec, as ``/proc/self/fd/N``, and for nothing else.

    :raises OSError: the program cannot be read.
    """
    try:
        return _read_only_mount(path)
    except OSError as error:
        if error.errno not in _NOT_ALLOWED:
            raise
    return _sealed_copy(path)


def _read_only_mount(path: str) -> int:
    mount = syscalls.open_tree(syscalls.AT_FDCWD, os.path.realpath(path), recursive=False)
    try:
        syscalls.mount_setattr(mount, set=_RDONLY | _NOSUID | _NODEV)
    except OSError:
        os.close(mount)
        raise
    return mount


def _sealed_copy(path: str) -> int:
    copy = _new_file(os.path.basename(path))
    with open(path, "rb", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= os.sendfile(copy, file.fileno(), None, left) or left
    fcntl.fcntl(copy, _ADD_SEALS, _SEALS)
    return copy


def _new_file(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:  # before Linux 6.3 all can be executed
            raise
    return os.memfd_create(name, flags)


def library_folder() -> str | None:
    """Return the folder of a shared libpython, if this interpreter has one.

    Its file names the library by a place relative to itself (``$ORIGIN``), which a file without a place does not have.
    """
    with open("/proc/self/maps") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if os.path.basename(path).startswith("libpython"):
                return "/" + os.path.dirname(path)
    return None
