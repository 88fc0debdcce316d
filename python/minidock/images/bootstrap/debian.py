"""A whole Debian root, made by mmdebstrap from the machine's own package sources (mmdebstrap(1)).

This one is realistic and large (about 100 MiB): for tests, benchmarks, and for building on. It needs root, or a user
namespace, and package lists that apt-get can reach.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Mapping

from minidock.errors import SystemFault, Unavailable
from minidock.images.bootstrap.recipe import RootFilesystem, Workshop
from minidock.images.bootstrap.tree import PATH, clamp_time, default_config

SUITE = "bookworm"
#: What a run of apt leaves and no container needs; without it equal package versions give equal images.
_LEFTOVERS = ("var/cache/apt", "var/lib/apt/lists", "var/log", "var/cache/ldconfig", "run", "tmp")


def make_debian(workshop: Workshop) -> RootFilesystem:
    """Make the tree of ``minidock.local/debian``.

    :raises Unavailable: there is no mmdebstrap.
    :raises SystemFault: it fails; the message is its own.
    """
    program = shutil.which("mmdebstrap", path=workshop.environ.get("PATH", PATH))
    if program is None:
        raise Unavailable("mmdebstrap is not installed", "install it with `apt-get install mmdebstrap`")
    root = f"{workshop.scratch}/debian"
    suite = workshop.environ.get("MINIDOCK_DEBIAN_SUITE", SUITE)
    sources = _sources(workshop.environ, suite)
    command = [program, "--quiet", "--variant=minbase", "--mode=auto", "--format=directory", suite, root, *sources]
    environ = {**workshop.environ, "SOURCE_DATE_EPOCH": str(workshop.epoch), "LC_ALL": "C"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environ)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E: ")] or done.stderr.splitlines()
        raise SystemFault(f"mmdebstrap: {lines[0] if lines else f'exit code {done.returncode}'}")
    _clean(root, workshop.epoch)
    labels = {
        "org.opencontainers.image.title": "debian",
        "org.opencontainers.image.version": _read(f"{root}/etc/debian_version"),
        "org.opencontainers.image.source": "https://sources.debian.org/",
        "org.opencontainers.image.licenses": "LicenseRef-Debian: see /usr/share/doc/*/copyright",
    }
    return RootFilesystem("debian", root, default_config(("bash",), labels), f"mmdebstrap --variant=minbase {suite}")


def _sources(environ: Mapping[str, str], suite: str) -> tuple[str, ...]:
    """Return where to fetch from: what the variable says, else this machine's own sources if they have the suite."""
    named = environ.get("MINIDOCK_DEBIAN_MIRROR")
    if named:
        return (named,)
    files = ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*.list")]
    files += glob.glob("/etc/apt/sources.list.d/*.sources")
    own = [path for path in files if os.path.isfile(path) and suite in _read(path)]
    return tuple(own)


def _clean(root: str, epoch: int) -> None:
    for name in _LEFTOVERS:
        folder = f"{root}/{name}"
        for entry in os.scandir(folder) if os.path.isdir(folder) else ():
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
    for folder, folders, files in os.walk(root, topdown=False):
        for name in (*folders, *files):
            clamp_time(f"{folder}/{name}", epoch)
    clamp_time(root, epoch)


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()
