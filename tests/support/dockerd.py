"""Debian's Docker Engine as an oracle: started by hand, in namespaces of its own, gone at the end.

Most tests want only its images: then it has no network, runs nothing, needs no control group and touches no firewall.
With *containers* it runs them as on anybody's machine: overlay2, a default bridge and its NAT (inside its own network
namespace), and control groups below one parent, which :func:`dockerd` removes.
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

from tests.support.peers import remove_groups

_SCRIPT = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
for folder in /run/docker /run/containerd /var/lib/containerd /etc/docker; do
    mkdir -p $folder
    mount -t tmpfs tmpfs $folder
done
exec dockerd --host unix://$FOLDER/docker.sock --data-root $FOLDER/data --exec-root $FOLDER/exec \
    --pidfile $FOLDER/docker.pid --log-level warn $OPTIONS
"""
_IMAGES_ONLY = "--storage-driver vfs --bridge none --iptables=false"
_CONTAINERS = "--storage-driver overlay2 --userland-proxy=false --bip 172.29.0.1/24 --cgroup-parent "
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
def dockerd(containers: bool = False) -> Iterator[Dockerd]:
    """Start the engine on a folder of a memory file system; it dies with its process namespace.

    :param containers: let it run containers, on a default bridge.
    """
    parent = f"minidock-oracle-{os.getpid()}"
    options = _CONTAINERS + "/" + parent if containers else _IMAGES_ONLY
    folder = tempfile.mkdtemp(prefix="minidock-dockerd-", dir="/dev/shm")
    words = ["unshare", "-m", "-n", "-p", "-i", "-u", "--fork", "--kill-child=KILL", "sh", "-c", _SCRIPT]
    log = Path(folder, "log")
    environment = {"PATH": PATH, "FOLDER": folder, "HOME": folder, "OPTIONS": options}
    with log.open("wb") as output:
        process = subprocess.Popen(words, env=environment, stdout=output, stderr=output)
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
        remove_groups(parent)
