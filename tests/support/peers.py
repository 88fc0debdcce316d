"""Namespaces that stay while a peer's commands come and go, so that it leaves nothing in the host's.

Podman binds mounts under /run and makes a bridge; crun looks at how the host's control groups
are mounted. Each command of theirs enters the same namespaces by ``nsenter``, which costs a millisecond.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def namespaces(kinds: str, script: str) -> Iterator[list[str]]:
    """Run a shell script in new namespaces that live until the block ends; yield the words that enter them.

    :param kinds: letters of unshare and nsenter, as ``mni`` for mount, network and ipc.
    :raises AssertionError: the script failed.
    """
    letters = [f"-{kind}" for kind in kinds]
    words = ["unshare", *letters, "sh", "-c", f"set -e; {script}\necho ready; exec cat"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        assert holder.stdin is not None
        line = holder.stdout.readline()
        assert line == "ready\n", holder.stderr.read()
        yield ["nsenter", f"--target={holder.pid}", *letters]
        holder.stdin.close()  # cat ends, and the namespaces with it


def remove_groups(parent: str) -> None:
    """Remove a parent control group from every tree, deepest first; the last processes may need a moment to go."""
    deadline = time.monotonic() + 5
    for top in Path("/sys/fs/cgroup").glob(f"*/{parent}"):
        for group in sorted((found for found, _, _ in os.walk(top)), key=len, reverse=True):
            while True:
                try:
                    os.rmdir(group)
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
