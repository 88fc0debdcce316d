"""Debian's Docker Engine as an oracle: started by hand, in namespaces of its own, without any network, gone at the end.

Only its images are of interest here: no container is run, so it needs no control group and touches no firewall.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCRIPT = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
for folder in /run/docker /run/containerd /var/lib/containerd /etc/docker; do
    mkdir -p $folder
    mount -t tmpfs tmpfs $folder
done
exec dockerd --host unix://$FOLDER/docker.sock --data-root $FOLDER/data --exec-root $FOLDER/exec \
    --pidfile $FOLDER/docker.pid --storage-driver vfs --bridge none --iptables=false --log-level warn
"""
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


class Dockerd:
    """The engine; :meth:`run` is its own command line client."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def run(self, *words: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        command = ["/usr/bin/docker", "--host", f"unix://{self.folder}/docker.sock", *words]
        return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)

    def ok(self, *words: str, stdin: bytes | None = None) -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


def has_dockerd() -> bool:
    return os.geteuid() == 0 and shutil.which("dockerd", path=PATH) is not None


@contextmanager
def dockerd() -> Iterator[Dockerd]:
    """Start the engine on a folder of a memory file system; it dies with its process namespace."""
    folder = tempfile.mkdtemp(prefix="minidock-dockerd-", dir="/dev/shm")
    words = ["unshare", "-m", "-n", "-p", "-i", "-u", "--fork", "--kill-child=KILL", "sh", "-c", _SCRIPT]
    log = Path(folder, "log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, env={"PATH": PATH, "FOLDER": folder, "HOME": folder}, stdout=output, stderr=output
        )
    engine = Dockerd(folder)
    try:
        deadline = time.monotonic() + 30
        while engine.run("version").returncode != 0:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)
        yield engine
    finally:
        process.kill()
        process.wait(10)
        shutil.rmtree(folder)
