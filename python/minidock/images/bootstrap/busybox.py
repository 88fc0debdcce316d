"""The smallest useful image: one static busybox, and a link to it for each of its commands.

minidock ships no busybox. It takes the one that this machine has, or lets the machine's own package manager fetch
Debian's, so that the user gets it, with its licence, from Debian. In this order:

1. the file that ``MINIDOCK_BUSYBOX`` names
2. a *static* ``busybox`` on ``PATH``, or in ``/usr/lib/initramfs-tools/bin``
3. ``apt-get download busybox-static``, run as an unprivileged user; we unpack the package ourselves
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import msgspec

from minidock.errors import InvalidArgument, Unavailable
from minidock.images.bootstrap.deb import unpack_deb
from minidock.images.bootstrap.elf import read_elf
from minidock.images.bootstrap.recipe import RootFilesystem, Workshop, sha256_file
from minidock.images.bootstrap.tree import PATH, copy_file, default_config, link, make_skeleton, settle

VARIABLE = "MINIDOCK_BUSYBOX"
_INITRAMFS = "/usr/lib/initramfs-tools/bin"
_COPYRIGHT = "usr/share/doc/busybox-static/copyright"
_UNPRIVILEGED = ("_apt", "nobody")
_MINUTE = 60


class Busybox(msgspec.Struct, frozen=True):
    """A static busybox: the program, its copyright file where there is one, and labels that say where it is from."""

    program: str
    copyright: str | None
    labels: dict[str, str]


def make_busybox(workshop: Workshop) -> RootFilesystem:
    """Make the tree of ``minidock.local/busybox``.

    :raises InvalidArgument: ``MINIDOCK_BUSYBOX`` names no static program.
    :raises Unavailable: there is no busybox, and apt-get cannot fetch it.
    """
    return _tree(find_busybox(workshop) or download_busybox(workshop), workshop)


def find_busybox(workshop: Workshop) -> Busybox | None:
    """Return a static busybox of this machine, or ``None``."""
    named = workshop.environ.get(VARIABLE)
    if named:
        if not os.path.isfile(named) or not read_elf(named).static:
            raise InvalidArgument(f"{VARIABLE}={named}: not a static program", "name a statically linked busybox")
        return Busybox(named, None, {})
    for folder in (*workshop.environ.get("PATH", PATH).split(":"), _INITRAMFS):
        path = f"{folder}/busybox"
        if folder.startswith("/") and os.access(path, os.X_OK) and _is_static(path):
            return Busybox(path, f"/{_COPYRIGHT}" if os.path.exists(f"/{_COPYRIGHT}") else None, {})
    return None


def download_busybox(workshop: Workshop) -> Busybox:
    """Let apt-get fetch the package, as an unprivileged user: it needs no rights, so it gets none.

    :raises Unavailable: there is no apt-get, or it fails; the message is its own.
    """
    import tempfile

    deb = f"{workshop.scratch}/busybox-static.deb"
    with tempfile.TemporaryDirectory(prefix="minidock-apt-") as folder:  # in /tmp: that user must reach it
        name = _download(folder)
        copied = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(copied, "rb") as theirs, open(deb, "xb") as ours:  # a copy that only we can change
            shutil.copyfileobj(theirs, ours)
    files = f"{workshop.scratch}/deb"
    unpack_deb(deb, files, workshop.layers)
    labels = {
        "minidock.package": name,
        "minidock.package.digest": sha256_file(deb),
        "org.opencontainers.image.source": "https://sources.debian.org/src/busybox/",
    }
    for program in (f"{files}/bin/busybox", f"{files}/usr/bin/busybox"):
        if os.path.isfile(program) and not os.path.islink(program) and _is_static(program):
            return Busybox(program, f"{files}/{_COPYRIGHT}", labels)
    raise Unavailable(f"{name} holds no static busybox")


def _download(folder: str) -> str:
    identity = _unprivileged() if os.geteuid() == 0 else None
    if identity:
        os.chown(folder, *identity)
    hint = f"install the package busybox-static, or set {VARIABLE} to a static busybox"
    try:
        done = subprocess.run(
            ["apt-get", "download", "busybox-static"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_MINUTE,
            env={"PATH": PATH, "LC_ALL": "C", "HOME": folder},
            user=identity[0] if identity else None,
            group=identity[1] if identity else None,
            extra_groups=() if identity else None,
        )
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise Unavailable(f"apt-get download busybox-static: {failed}", hint) from failed
    packages = [name for name in os.listdir(folder) if name.startswith("busybox-static_") and name.endswith(".deb")]
    if done.returncode != 0 or len(packages) != 1:
        reason = (done.stderr.strip().splitlines() or ["it fetched nothing"])[-1]
        raise Unavailable(f"apt-get download busybox-static: {reason}", hint)
    return packages[0]


def _tree(busybox: Busybox, workshop: Workshop) -> RootFilesystem:
    root = f"{workshop.scratch}/busybox"
    make_skeleton(root)
    copy_file(root, "bin/busybox", busybox.program, 0o755)
    for name in _applets(busybox.program):
        link(root, f"bin/{name}", "busybox")
    link(root, "usr/bin/env", "../../bin/busybox")
    if busybox.copyright and os.path.isfile(busybox.copyright):
        copy_file(root, _COPYRIGHT, busybox.copyright, 0o644)
    settle(root, workshop.epoch)
    labels = {
        "org.opencontainers.image.title": "busybox",
        "org.opencontainers.image.licenses": "GPL-2.0-only",
        "org.opencontainers.image.source": "https://git.busybox.net/busybox",
        "minidock.program.digest": sha256_file(busybox.program),
        **_version(busybox.program),
        **busybox.labels,
    }
    return RootFilesystem("busybox", root, default_config(("sh",), labels), "minidock image bootstrap busybox")


def _applets(program: str) -> Iterator[str]:
    for name in _output(program, "--list").split():
        if name != "busybox" and "/" not in name:
            yield name


def _version(program: str) -> dict[str, str]:
    """The first line of its help is ``BusyBox v1.35.0 (Debian 1:1.35.0-4) multi-call binary.``"""
    words = _output(program).partition("multi-call")[0].split(maxsplit=1)
    known = words[:1] == ["BusyBox"] and len(words) == 2
    return {"org.opencontainers.image.version": words[1].strip()} if known else {}


def _output(program: str, *words: str) -> str:
    try:
        done = subprocess.run(["busybox", *words], executable=program, capture_output=True, text=True, timeout=_MINUTE)
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise Unavailable(f"{program} cannot be run: {failed}", f"set {VARIABLE} to a static busybox") from failed
    if done.returncode != 0:
        raise Unavailable(f"{program} {' '.join(words)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _is_static(path: str) -> bool:
    try:
        return read_elf(path).static
    except (OSError, InvalidArgument):
        return False  # a script, or not for us to read: the next candidate counts


def _unprivileged() -> tuple[int, int]:
    import pwd

    for name in _UNPRIVILEGED:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid
    raise Unavailable(f"no unprivileged user to run apt-get as: neither of {', '.join(_UNPRIVILEGED)} exists")
