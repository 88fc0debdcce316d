"""Mounts and pinned namespaces of the host side (``mount(2)`` by the new mount API, ``namespaces(7)``)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from minidock._pure import syscalls
from minidock._pure.failing import failing
from minidock._pure.overlay import new_overlay
from minidock._pure.steps.mounts import RDONLY, attach_at, bind
from minidock.errors import InvalidArgument, StepFailed

_NOTHING_THERE = (errno.EINVAL, errno.ENOENT)
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


class PureMounts:
    """The port :class:`~minidock.kernel.ports.Mounts`."""

    def overlay(
        self, target: str, lower: Sequence[str], upper: str | None, work: str | None, options: Sequence[str]
    ) -> None:
        with failing("mount.overlay", f"mount an overlay at {target}"):
            mount = new_overlay(list(lower), upper, work, list(options))
            try:
                attach_at(mount, target)
            finally:
                os.close(mount)

    def bind(self, source: str, target: str, options: Sequence[str]) -> None:
        with failing("mount.bind", f"bind {source} at {target}"):
            bind(None, {"source": source, "target": target, "options": list(options)})

    def unmount(self, target: str) -> None:
        with failing("mount.unmount", f"unmount {target}"):
            try:
                syscalls.umount(target)
            except OSError as error:
                if error.errno not in _NOTHING_THERE:
                    raise

    def pin_network(self, path: str) -> None:
        """Fork a child that makes the namespace: a process that has threads must not change its own."""
        with failing("ns.pin", f"pin a network namespace at {path}"):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o600))
            try:
                _pin(path)
            except OSError:
                os.unlink(path)
                raise

    def unpin_network(self, path: str) -> None:
        self.unmount(path)
        with failing("ns.unpin", f"remove {path}"), suppress(FileNotFoundError):
            os.unlink(path)

    def view(self, lower: Sequence[str], options: Sequence[str]) -> int:
        with failing("mount.overlay", "make a view of layers"):
            if len(lower) > 1:
                mount = new_overlay(list(lower), None, None, list(options))
            else:
                mount = syscalls.open_tree(syscalls.AT_FDCWD, lower[0], recursive=False)
            syscalls.mount_setattr(mount, set=RDONLY)
            return mount

    def read_file(self, root: int, path: str, limit: int) -> bytes | None:
        seen = _within(root, path, syscalls.O_PATH)
        if seen is None:
            return None
        try:
            if not stat.S_ISREG(os.fstat(seen).st_mode):
                return None  # a fifo would make us wait, a device could do anything
            with open(f"/proc/self/fd/{seen}", "rb") as file:
                data = file.read(limit + 1)
        finally:
            os.close(seen)
        if len(data) > limit:
            raise InvalidArgument(f"{path} has more than {limit} bytes")
        return data

    def open_folder(self, root: int, path: str) -> int | None:
        return _within(root, path, os.O_RDONLY | os.O_DIRECTORY)

    def probe_overlay(self, folder: str) -> str:
        """Try with real layers in a scratch folder: what is not tried is not known."""
        scratch = f"{folder}/.probe-{os.getpid()}"
        parts = [f"{scratch}/{name}" for name in ("a", "b", "upper", "work")]
        try:
            for path in (scratch, *parts):
                os.mkdir(path, 0o700)
            for words, answer in (([], "overlay"), (["userxattr"], "userxattr")):
                if _works(parts, words):
                    return answer
            return "none"
        finally:
            import shutil

            shutil.rmtree(scratch)


def _within(root: int, path: str, flags: int) -> int | None:
    """Open *path* inside the tree *root*, never leaving it; ``None`` if there is no such thing."""
    try:
        return syscalls.openat2(root, path, flags)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise StepFailed("mount.overlay", error.errno or 0, f"open {path} of an image") from error


def _works(parts: list[str], options: list[str]) -> bool:
    """Say whether such an overlay can be made, and keeps a deletion: a whiteout needs mknod or an attribute."""
    lower, upper, work = parts[:2], parts[2], parts[3]
    attribute = "user.overlay.opaque" if options else "trusted.overlay.opaque"
    try:  # first, since a form that keeps no attributes must leave nothing behind for the next
        os.setxattr(lower[0], attribute, b"x")
        os.removexattr(lower[0], attribute)
        mount = new_overlay(lower, upper, work, options)
    except OSError:
        return False
    try:
        os.mkdir("folder", dir_fd=mount)
        os.rmdir("folder", dir_fd=mount)
        return True
    except OSError:
        return False
    finally:
        os.close(mount)


def _pin(path: str) -> None:
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            syscalls.unshare(syscalls.CLONE["network"])
            _loopback_up()
            namespace = os.open("/proc/self/ns/net", syscalls.O_PATH)
            attach_at(syscalls.open_tree(namespace, "", recursive=False), path)
            code = 0
        except OSError as error:
            code = error.errno or 255
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise OSError(code, os.strerror(code))


def _loopback_up() -> None:
    """Switch ``lo`` on: netdevice(7), SIOCSIFFLAGS with IFF_UP."""
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 1))
