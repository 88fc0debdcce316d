"""Mounts: the interface, overlays on the file system of the engine's folder, device nodes."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from minidock.doctor import syscalls
from minidock.doctor.fixes import as_root
from minidock.doctor.probe import DEGRADED, Finding
from minidock.store.layout import find_layout


def mount_api(_: str) -> str:
    """fsopen, fsconfig, fsmount, move_mount and mount_setattr of a tmpfs; then lowerdir+ of an overlay."""
    _enter()
    try:
        context = syscalls.call(syscalls.FSOPEN, b"tmpfs", 0)
        syscalls.call(syscalls.FSCONFIG, context, 6, None, None, 0)
        detached = syscalls.call(syscalls.FSMOUNT, context, 0, 0)
        syscalls.call(syscalls.MOVE_MOUNT, detached, b"", -100, b"/tmp", 4)
        attributes = ctypes.create_string_buffer((1).to_bytes(8, "little") + bytes(24), 32)
        syscalls.call(syscalls.MOUNT_SETATTR, -100, b"/tmp", 0, attributes, 32)
    except OSError as error:
        raise Finding(
            f"the new mount interface does not work: {error.strerror}",
            errno=error.errno or 0,
            fix="use Linux 5.12 or newer, and a seccomp filter that knows fsopen and mount_setattr",
        ) from error
    if os.access("/tmp", os.W_OK) and not os.statvfs("/tmp").f_flag & os.ST_RDONLY:
        raise Finding("mount_setattr did not make the mount read-only", fix="use Linux 5.12 or newer")
    try:
        overlay_context = syscalls.call(syscalls.FSOPEN, b"overlay", 0)
        syscalls.call(syscalls.FSCONFIG, overlay_context, 1, b"lowerdir+", b"/proc/self/root/", 0)
    except OSError as error:
        raise Finding(
            "overlay has no lowerdir+: images with very many layers cannot be mounted",
            errno=error.errno or 0,
            fix="use Linux 6.8 or newer",
            state=DEGRADED,
        ) from error
    return "with lowerdir+"


def openat2(_: str) -> str:
    """openat2 with RESOLVE_IN_ROOT: a link that leads out stays inside."""
    with tempfile.TemporaryDirectory(prefix="minidock-doctor-") as folder:
        os.symlink("/etc", f"{folder}/out")
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        how = (os.O_PATH).to_bytes(8, "little") + bytes(8) + (0x10).to_bytes(8, "little")
        try:
            syscalls.call(syscalls.OPENAT2, root, b"out", ctypes.create_string_buffer(how, 24), 24)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return "links cannot lead out of a root"
            raise Finding(
                f"openat2 does not work: {error.strerror}", errno=error.errno or 0, fix="use Linux 5.6 or newer"
            ) from error
        finally:
            os.close(root)
    raise Finding("openat2 followed a link out of the root", fix="use Linux 5.6 or newer")


def _enter() -> None:
    try:
        syscalls.own_namespaces()
    except OSError as error:
        raise Finding("it needs a mount namespace first: see namespaces", errno=error.errno or 0) from error


@contextmanager
def _scratch(root: str) -> Iterator[str]:
    """A folder on the file system that the engine's folder is on, or will be on."""
    place = find_layout(root or None).root
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    if not os.access(place, os.W_OK):
        raise Finding(
            f"{place} cannot be written to, so there is no place for the engine's folder",
            errno=errno.EACCES,
            fix="choose another with --root or MINIDOCK_ROOT",
        )
    folder = tempfile.mkdtemp(prefix=".minidock-doctor-", dir=place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def overlay(root: str) -> str:
    """Mount an overlay on the file system of the engine's folder, write to it, delete a lower file."""
    extra = "" if os.geteuid() == 0 else "userxattr"
    try:
        return _try_overlay(root, extra)
    except Finding as found:
        found.state = DEGRADED  # layers are copied instead
        raise


def overlay_userxattr(root: str) -> str:
    """Mount an overlay with userxattr from within a user namespace."""
    if os.geteuid() == 0:
        return "not needed by root"
    try:
        return _try_overlay(root, "userxattr")
    except Finding as found:
        found.state = DEGRADED
        raise


def _try_overlay(root: str, extra: str) -> str:
    with _scratch(root) as folder:
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(f"{folder}/{name}")
        with open(f"{folder}/lower/file", "w") as file:
            file.write("x")
        kind = _file_system(folder)
        _enter()
        words = [f"lowerdir={folder}/lower", f"upperdir={folder}/upper", f"workdir={folder}/work"]
        data = ",".join([*words, extra] if extra else words)
        try:
            syscalls.mount("overlay", f"{folder}/merged", "overlay", 0, data)
        except OSError as error:
            raise Finding(
                f"no overlay on {kind} ({folder.rpartition('/')[0]}): {error.strerror}; layers are copied instead",
                errno=error.errno or 0,
                fix=_overlay_fix(error, kind),
            ) from error
        try:
            os.unlink(f"{folder}/merged/file")
            with open(f"{folder}/merged/new", "w") as file:
                file.write("y")
            whole = sorted(os.listdir(f"{folder}/merged")) == ["new"] and os.listdir(f"{folder}/lower") == ["file"]
        finally:
            syscalls.umount(f"{folder}/merged")
        if not whole:
            raise Finding(f"the overlay on {kind} does not show what was written to it")
        return f"on {kind}" + (f", with {extra}" if extra else "")


def _file_system(path: str) -> str:
    """The type of the file system that *path* is on (proc(5), mountinfo)."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                return after.split()[0]
    return "this file system"


def _overlay_fix(error: OSError, kind: str) -> str:
    if error.errno == errno.ENODEV:
        return as_root("modprobe overlay")
    if kind == "overlay":
        return "this runs on an overlay already: put the engine's folder on a volume or tmpfs (--root)"
    if error.errno == errno.EPERM and os.geteuid() != 0:
        return "use Linux 5.11 or newer, which lets a user namespace mount overlays"
    return "put the engine's folder (--root) on ext4, xfs, btrfs or a tmpfs"


def device_nodes(_: str) -> str:
    """Mknod of /dev/null on a tmpfs, and open it."""
    if os.geteuid() != 0:
        return "not needed: without root the host's nodes are bound"
    _enter()
    try:
        syscalls.mount("tmpfs", "/tmp", "tmpfs", 0)
        os.mknod("/tmp/null", 0o020666, os.makedev(1, 3))
        os.close(os.open("/tmp/null", os.O_WRONLY))
    except OSError as error:
        raise Finding(
            f"device nodes cannot be made or opened: {error.strerror}",
            errno=error.errno or 0,
            fix="if this is a container: start it with --cap-add MKNOD, or run minidock as an ordinary user",
        ) from error
    return ""
