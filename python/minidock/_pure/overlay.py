"""The overlay: layers below, one writable folder on top, one tree to see (kernel filesystems/overlayfs).

Since Linux 6.8 each layer is handed over alone (``lowerdir+``), 500 at most. Older kernels take one string of all
layers through mount(2), one page at most; there the layers are named by descriptor, which is short and has nothing to
escape. That older way can only mount at a place, so it is done in a mount namespace that a child has for itself, and
the mount is taken out of it as a descriptor.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence

from minidock._pure import syscalls
from minidock._pure.options import Options
from minidock._pure.syscalls import O_PATH

_LONGEST_STRING, _LONGEST_DATA = 255, 4095  # fsconfig(2); mount(2)


def new_overlay(lower: Sequence[str], upper: str | None, work: str | None, words: Sequence[str]) -> int:
    """Return a detached overlay of *lower*, the topmost layer first; without *upper* it is read-only."""
    options = Options(words)
    held: list[int] = []
    folders = [*(("lowerdir+", path) for path in lower), *([("upperdir", upper)] if upper else [])]
    folders += [("workdir", work)] if work else []
    try:
        parameters: list[tuple[str, str | int | None]] = [("source", "overlay")]
        for name, path in folders:
            parameters.append((name, path if len(os.fsencode(path)) <= _LONGEST_STRING else _by_descriptor(path, held)))
        return syscalls.new_mount("overlay", [*parameters, *options.data], options.own[0])
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return _as_one_string(folders, options)
    finally:
        for fd in held:
            os.close(fd)


def _as_one_string(folders: list[tuple[str, str]], options: Options) -> int:
    """Mount in a mount namespace that only a child has; return the mount that it hands over."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            syscalls.unshare(syscalls.CLONE["mount"])
            syscalls.mount_setattr(syscalls.AT_FDCWD, "/", propagation=syscalls.MS_PRIVATE, recursive=True)
            place = folders[0][1]  # any folder will do
            syscalls.mount("overlay", place, "overlay", _data(folders, options))
            socket.send_fds(theirs, [b"."], [syscalls.open_tree(syscalls.AT_FDCWD, place, recursive=False)])
            code = 0
        except OSError as error:
            code = error.errno or code
        finally:
            os._exit(code)
    theirs.close()
    with ours:
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not fds:
        raise OSError(code, os.strerror(code), "overlay")
    os.set_inheritable(fds[0], False)
    options.change(fds[0])
    return fds[0]


def _data(folders: list[tuple[str, str]], options: Options) -> str:
    """Return the one string. The descriptors are opened here, after the child has its own mounts, and stay open."""
    named = [(name, _by_descriptor(path, [])) for name, path in folders]
    layers = ":".join(path for name, path in named if name == "lowerdir+")
    rest = [*((name, path) for name, path in named if name != "lowerdir+"), *options.data]
    data = ",".join([f"lowerdir={layers}", *(key if value is None else f"{key}={value}" for key, value in rest)])
    if len(data) > _LONGEST_DATA:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG), "overlay")
    return data


def _by_descriptor(path: str, held: list[int]) -> str:
    held.append(os.open(path, O_PATH | os.O_DIRECTORY))
    return f"/proc/self/fd/{held[-1]}"
