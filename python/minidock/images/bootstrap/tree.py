"""The folder tree that becomes an image's one layer: made the same way each time.

Equal trees give equal archives (``Layers.make``), and this module makes the trees equal: modes are set, whatever the
umask; every owner is root; every time is ``SOURCE_DATE_EPOCH`` or 0 (https://reproducible-builds.org/specs/source-date-epoch/).
So the image's id depends on the files only, and a test can compare it.
"""

from __future__ import annotations

import os
import shutil

from minidock.errors import InvalidArgument
from minidock.oci.image import ExecutionConfig

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: What every root file system has, with its mode. Mount points are there, so that the engine need not make them.
_FOLDERS = {
    "bin": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr": 0o755,
    "usr/bin": 0o755,
    "var": 0o755,
    "var/tmp": 0o1777,
}
_USERS = (
    ("root", 0, 0, "/root", "/bin/sh"),
    ("daemon", 1, 1, "/usr/sbin", "/bin/false"),
    ("bin", 2, 2, "/bin", "/bin/false"),
    ("www-data", 33, 33, "/var/www", "/bin/false"),
    ("nobody", 65534, 65534, "/home", "/bin/false"),
)
_GROUPS = (("tty", 5), ("disk", 6), ("www-data", 33), ("users", 100), ("nogroup", 65534))


def make_skeleton(root: str) -> None:
    """Make the new folder *root* with what programs expect of a root file system."""
    make_folder(root)
    for folder, mode in _FOLDERS.items():
        make_folder(f"{root}/{folder}", mode)
    passwd = "".join(f"{name}:x:{uid}:{gid}:{name}:{home}:{shell}\n" for name, uid, gid, home, shell in _USERS)
    names = {**{name: gid for name, _, gid, _, _ in _USERS if name != "nobody"}, **dict(_GROUPS)}
    group = "".join(f"{name}:x:{gid}:\n" for name, gid in sorted(names.items(), key=lambda item: item[1]))
    write_file(root, "etc/passwd", passwd.encode())
    write_file(root, "etc/group", group.encode())


def make_folder(path: str, mode: int = 0o755) -> None:
    """Make the new folder *path* with exactly this *mode*."""
    os.mkdir(path, mode)
    os.chmod(path, mode)  # the umask has no say


def write_file(root: str, path: str, data: bytes, mode: int = 0o644) -> None:
    """Write a new file at *path* below *root*; its folders are made."""
    target = _new(root, path)
    with open(target, "xb") as file:
        file.write(data)
    os.chmod(target, mode)


def copy_file(root: str, path: str, source: str, mode: int) -> None:
    """Copy the regular file *source* (a link is followed) to *path* below *root*; its folders are made."""
    target = _new(root, path)
    with open(source, "rb") as old, open(target, "xb") as new:
        shutil.copyfileobj(old, new, 1 << 20)
    os.chmod(target, mode)


def link(root: str, path: str, target: str) -> None:
    """Make the symbolic link *path* below *root*."""
    os.symlink(target, _new(root, path))


def settle(root: str, epoch: int) -> None:
    """Give every entry below *root* the same owner (if we may) and no time later than *epoch*, in seconds."""
    mine = os.geteuid() == 0
    for folder, _, files in os.walk(root, topdown=False, onerror=_fail):
        links = [name for name in os.listdir(folder) if os.path.islink(f"{folder}/{name}")]
        for path in (*(f"{folder}/{name}" for name in {*files, *links}), folder):
            if mine:
                os.chown(path, 0, 0, follow_symlinks=False)
            clamp_time(path, epoch)


def clamp_time(path: str, epoch: int) -> None:
    """Set the modification time of *path* itself back to *epoch*, if it is later."""
    if os.lstat(path).st_mtime_ns > epoch * 10**9:
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def source_date() -> int:
    """Return ``SOURCE_DATE_EPOCH``, in seconds, or 0.

    :raises InvalidArgument: it is not a number.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidArgument(f"SOURCE_DATE_EPOCH={text}: not a number of seconds")
    return int(text)


def default_config(command: tuple[str, ...], labels: dict[str, str]) -> ExecutionConfig:
    """Return how a container of the new image runs."""
    return ExecutionConfig(env=(f"PATH={PATH}",), cmd=command, labels=dict(sorted(labels.items())))


def _new(root: str, path: str) -> str:
    target = f"{root}/{path}"
    folder = root
    for part in path.split("/")[:-1]:
        folder = f"{folder}/{part}"
        if not os.path.isdir(folder):
            make_folder(folder)
    return target


def _fail(error: OSError) -> None:
    raise error
