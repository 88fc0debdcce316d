"""A slice of the host: its own shell and tools, with the libraries they need, and nothing else.

It answers a lesson's question, "what does a program need to run?": the program, its loader, its libraries. The answer
is computed by :mod:`minidock.images.bootstrap.closure`, and the image is the proof that it was right. Files are copied,
nothing of the host is mounted or changed.

Where the host keeps ``/bin`` as a link to ``usr/bin``, the image does too.
"""

from __future__ import annotations

import os

from minidock.errors import InvalidArgument, Unavailable
from minidock.images.bootstrap.closure import closure
from minidock.images.bootstrap.elf import read_elf
from minidock.images.bootstrap.recipe import RootFilesystem, Workshop
from minidock.images.bootstrap.tree import PATH, copy_file, default_config, link, make_folder, make_skeleton, settle

#: Without these the slice is of no use.
_NEEDED = ("sh", "ls", "cat", "echo", "ps")
#: What lessons use; a tool that the host does not have, or has as a script, is left out.
_TOOLS = (
    *_NEEDED,
    *("awk", "bash", "basename", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "env", "expr"),
    *("false", "find", "free", "getent", "grep", "head", "hostname", "id", "ip", "kill", "ln", "lsns", "mkdir"),
    *("mknod", "mktemp", "mount", "mv", "nproc", "nsenter", "pgrep", "ping", "pidof", "printf", "pwd", "readlink"),
    *("rm", "rmdir", "sed", "seq", "sleep", "sort", "ss", "stat", "stty", "sync", "tail", "tee", "test", "timeout"),
    *("top", "touch", "tr", "true", "tty", "umount", "uname", "uniq", "unshare", "wc", "whoami", "xargs"),
)
#: Folders of the root that are links on a host with a merged /usr.
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def make_host(workshop: Workshop) -> RootFilesystem:
    """Make the tree of ``minidock.local/host``.

    :raises Unavailable: the host lacks a needed tool.
    :raises NotFound: a tool needs a library that is nowhere.
    """
    tools = _find_tools(workshop.environ.get("MINIDOCK_HOST_PATH", PATH).split(":"))
    missing = [name for name in _NEEDED if name not in tools]
    if missing:
        raise Unavailable(f"this host has no {', '.join(missing)} as programs", "install them, or use the image tiny")
    root = f"{workshop.scratch}/host"
    make_skeleton(root)
    _merge(root)
    for real in sorted(set(tools.values())):
        _copy_once(root, _tool_path(real), real, 0o755)
    for name, real in sorted(tools.items()):
        path = f"usr/bin/{name}"
        if not os.path.lexists(f"{root}/{path}"):
            link(root, path, os.path.basename(real))
    for library in closure(sorted(set(tools.values()))):
        target = os.path.realpath(root + os.path.dirname(library.target))
        _copy_once(root, f"{target}/{os.path.basename(library.target)}".removeprefix(f"{root}/"), library.source, 0o755)
    _shell(root)
    settle(root, workshop.epoch)
    labels = {
        "org.opencontainers.image.title": "host",
        "org.opencontainers.image.description": "Tools of the machine that made this image, with their libraries",
        "minidock.host": _os_name(),
    }
    return RootFilesystem("host", root, default_config(("sh",), labels), "minidock image bootstrap host")


def _find_tools(folders: list[str]) -> dict[str, str]:
    """Return each tool's name and the real program behind it."""
    found = {}
    for name in _TOOLS:
        for folder in folders:
            path = f"{folder}/{name}"
            if os.path.isfile(path) and os.access(path, os.X_OK):
                real = os.path.realpath(path)
                if _is_program(real):
                    found[name] = real
                break
    return found


def _is_program(path: str) -> bool:
    try:
        read_elf(path)
    except (OSError, InvalidArgument):
        return False
    return True


def _tool_path(real: str) -> str:
    return f"usr/bin/{os.path.basename(real)}"


def _merge(root: str) -> None:
    for name in _MERGED:
        if os.path.islink(f"/{name}"):
            target = os.readlink(f"/{name}").lstrip("/")
            if os.path.isdir(f"{root}/{name}"):
                os.rmdir(f"{root}/{name}")
            link(root, name, target)
            if not os.path.isdir(f"{root}/{target}"):
                make_folder(f"{root}/{target}")


def _shell(root: str) -> None:
    """``#!/bin/sh`` must work whether /bin is merged or not."""
    if not os.path.lexists(f"{root}/bin/sh"):
        link(root, "bin/sh", "../usr/bin/sh")


def _copy_once(root: str, path: str, source: str, mode: int) -> None:
    if not os.path.lexists(f"{root}/{path}"):
        copy_file(root, path, source, mode)


def _os_name() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            fields = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    except FileNotFoundError:
        return "Linux"
    return fields.get("PRETTY_NAME", "Linux").strip("\"'")
