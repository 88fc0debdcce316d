"""A world for end-to-end tests: a root on a tmpfs, a network namespace that stands for the host's, and the real CLI.

::

    with World() as world:
        result = world.cli("run", "--rm", "busybox", "echo", "hello")

At the end of the world every container is killed, and :func:`leftovers` must find nothing of it on the machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.netlab import Namespace

BIN = str(Path(sys.executable).parent / "minidock")
SHM = "/dev/shm"


class World:
    """One engine root and everything around it.

    :param kernel: native or pure.
    :param netns: give the commands a network namespace of their own (needs root).
    """

    def __init__(self, kernel: str = "native", netns: bool = True) -> None:
        self.folder = f"{SHM}/minidock-world-{os.getpid()}-{os.urandom(3).hex()}"
        self.root, self.run_dir = f"{self.folder}/root", f"{self.folder}/run"
        self.kernel = kernel
        self._host = Namespace() if netns else None

    def __enter__(self) -> World:
        os.makedirs(self.folder, 0o755)
        if self._host:
            self._host.__enter__()
            self._host.shell("ip link set lo up")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._end_containers()
        finally:
            if self._host:
                self._host.__exit__()
            shutil.rmtree(self.folder)
        for group in groups_of(self.short_id):  # the empty parent, which an engine keeps for the next container
            os.rmdir(group)
        left = leftovers(self.short_id)
        assert not left, f"the engine left {left}"

    @property
    def short_id(self) -> str:
        return hashlib.sha256(self.root.encode()).hexdigest()[:4]

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "HOME": self.folder,
            "MINIDOCK_ROOT": self.root,
            "MINIDOCK_RUN": self.run_dir,
            "MINIDOCK_KERNEL": self.kernel,
            "MINIDOCK_CONFIG": f"{self.folder}/daemon.json",
            "LC_ALL": "C.UTF-8",
        }

    def argv(self, *words: str) -> list[str]:
        """The whole command line: the CLI in the world's network namespace."""
        inside = ["nsenter", f"--net={self._host.path}"] if self._host else []
        return [*inside, BIN, *words]

    def cli(
        self, *words: str, stdin: str | None = None, env: dict[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; its output is text."""
        return subprocess.run(
            self.argv(*words),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            env={**self.env, **(env or {})},
            timeout=timeout,
            check=False,
        )

    def ok(self, *words: str, stdin: str | None = None, env: dict[str, str] | None = None) -> str:
        """Run one command that must succeed; return its stdout."""
        done = self.cli(*words, stdin=stdin, env=env)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def popen(self, *words: str, **options: object) -> subprocess.Popen[bytes]:
        """Start a command that the test ends."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(self.argv(*words), env=self.env, **pipes)  # type: ignore[call-overload,no-any-return]

    def shell(self, command: str) -> str:
        """Run a shell command in the world's network namespace."""
        assert self._host is not None
        return self._host.shell(command)

    def _end_containers(self) -> None:
        if os.path.isdir(self.root):
            for key in self.cli("ps", "-aq", "--no-trunc").stdout.split():
                self.cli("rm", "-f", key)
        for pid in processes_of(self.folder):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while processes_of(self.folder) and time.monotonic() < deadline:
            time.sleep(0.02)


def processes_of(folder: str) -> list[int]:
    """Return the processes whose command line or root names *folder*: monitors, and what they run."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            if folder.encode() in words and b"pytest" not in words:
                found.append(int(entry))
    return found


def groups_of(short_id: str) -> list[str]:
    """Return the engine's parent control groups, one for each tree."""
    name = f"minidock-{short_id}"
    tops = ["/sys/fs/cgroup", *(entry.path for entry in os.scandir("/sys/fs/cgroup") if entry.is_dir())]
    return [f"{top}/{name}" for top in tops if os.path.isdir(f"{top}/{name}")]


def leftovers(short_id: str) -> list[str]:
    """Return what an engine with this short id has left on the machine: cgroups, links, mounts."""
    found = groups_of(short_id)
    found += [f"link {name}" for name in os.listdir("/sys/class/net") if name.startswith(f"md{short_id}")]
    mounts = Path("/proc/self/mountinfo").read_text()
    found += [line for line in mounts.splitlines() if f"minidock/{short_id}" in line or f"/run/{short_id}/" in line]
    return found
