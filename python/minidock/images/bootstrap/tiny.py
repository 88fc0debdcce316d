"""The image that is always there: our own static multicall program, ``rust/tiny``, which the wheel carries."""

from __future__ import annotations

import os
import subprocess

import minidock
from minidock.errors import Unavailable
from minidock.images.bootstrap.recipe import RootFilesystem, Workshop, sha256_file
from minidock.images.bootstrap.tree import copy_file, default_config, link, make_skeleton, settle


def make_tiny(workshop: Workshop) -> RootFilesystem:
    """Make the tree of ``minidock.local/tiny``.

    :raises Unavailable: the program is not in this installation.
    """
    program = tiny_program()
    root = f"{workshop.scratch}/tiny"
    make_skeleton(root)
    copy_file(root, "bin/tiny", program, 0o755)
    for name in subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split():
        link(root, f"bin/{name}", "tiny")
    link(root, "usr/bin/env", "../../bin/tiny")
    settle(root, workshop.epoch)
    labels = {
        "org.opencontainers.image.title": "tiny",
        "org.opencontainers.image.description": "A dozen small commands, no shell: tiny --list names them",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": minidock.__version__,
        "minidock.program.digest": sha256_file(program),
    }
    return RootFilesystem(
        "tiny", root, default_config(("/bin/tiny", "--list"), labels), "minidock image bootstrap tiny"
    )


def tiny_program() -> str:
    """Return the path of the static program inside the installed package."""
    path = os.path.join(os.path.dirname(os.path.abspath(minidock.__file__)), "bin", "minidock-tiny")
    if not os.access(path, os.X_OK):
        raise Unavailable(
            f"{path} is missing", "install minidock with `pip install .`, which builds it (it needs Rust)"
        )
    return path
