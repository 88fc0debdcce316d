"""An ordinary user for tests: made, used, and removed with everything that was its own.

Commands run in a private mount namespace where ``/dev/net/tun`` can be opened, and where the tests' Python can be read
even if it lives in root's home; and in a network namespace that stands for the host's::

    with OrdinaryUser(host) as user:
        user.run("id", "-u")

Nothing of root's environment goes in.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.netlab import Namespace

_ENTER = """
mount -t tmpfs -o mode=755 devnet /dev/net
mknod -m 666 /dev/net/tun c 10 200
if [ -n "$HIDDEN" ]; then
  mount --bind "$PYTHON" /mnt
  mount -t tmpfs -o mode=755 roothome /root
  mkdir -p "$PYTHON"
  mount --move /mnt "$PYTHON"
fi
exec setpriv --reuid "$TEST_USER" --regid "$TEST_USER" --init-groups --reset-env -- env PATH="$USER_PATH" "$@"
"""


class OrdinaryUser:
    """A throw-away user; *home* is on a tmpfs.

    :param host: the network namespace of its commands.
    :param ranges: it has subordinate ids.
    """

    def __init__(self, host: Namespace, ranges: bool = True) -> None:
        self.name = f"md{os.urandom(3).hex()}"
        self.home = f"/dev/shm/{self.name}"
        self._host = host
        self._ranges = ranges

    def __enter__(self) -> OrdinaryUser:
        words = ["useradd", "--create-home", "--home-dir", self.home, "--shell", "/bin/sh", self.name]
        subprocess.run(words, check=True, capture_output=True)
        if not self._ranges:
            for kind in ("uid", "gid"):
                lines = Path(f"/etc/sub{kind}").read_text().splitlines(keepends=True)
                for line in (line for line in lines if line.startswith(f"{self.name}:")):
                    _, first, count = line.strip().split(":")
                    span = f"{first}-{int(first) + int(count) - 1}"
                    subprocess.run(["usermod", f"--del-sub{kind}s", span, self.name], check=True)
        os.chmod(self.home, 0o755)
        os.mkdir(f"{self.home}/run", 0o700)
        os.chown(f"{self.home}/run", self.uid, self.uid)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.end_processes()
        finally:
            subprocess.run(["userdel", self.name], check=True, capture_output=True)
            shutil.rmtree(self.home)

    @property
    def uid(self) -> int:
        return pwd.getpwnam(self.name).pw_uid

    @property
    def first_sub(self) -> int:
        """The first of its subordinate users."""
        lines = (line.strip().split(":") for line in Path("/etc/subuid").read_text().splitlines())
        return next(int(first) for name, first, _ in lines if name == self.name)

    def argv(self, *words: str) -> list[str]:
        """The whole command line."""
        inside = ["nsenter", f"--net={self._host.path}", "unshare", "-m", "--propagation", "private"]
        return [*inside, "sh", "-ec", _ENTER, "sh", *words]

    @property
    def env(self) -> dict[str, str]:
        python = os.path.dirname(os.path.dirname(os.path.realpath(sys.executable)))
        path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        hidden = "1" if python.startswith("/root/") else ""
        return {"PATH": path, "USER_PATH": path, "TEST_USER": self.name, "PYTHON": python, "HIDDEN": hidden}

    def run(self, *words: str, timeout: float = 60, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program as the user."""
        return subprocess.run(
            self.argv(*words),
            env=self.env,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def processes(self) -> list[int]:
        """Return its processes, those of its subordinate users too."""
        first = self.first_sub if self._ranges else -1
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    uid = os.stat(f"/proc/{entry}").st_uid
                    words = Path(f"/proc/{entry}/status").read_text()
                except OSError:
                    continue
                if "State:\tZ" in words:  # ended; init takes notice in its own time
                    continue
                real = int(words.partition("Uid:")[2].split()[0])
                if {uid, real} & {self.uid} or (first > 0 and first <= real < first + 65536):
                    found.append(int(entry))
        return found

    def end_processes(self) -> None:
        """Kill all of them, and wait until they are gone."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 10
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
