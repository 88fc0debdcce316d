"""Another OCI runtime, such as runc, starts the container from the same bundle (runtime-spec runtime.md, Lifecycle)::

    runtime create --bundle B --pid-file P [--console-socket S] ID     before "go": the process exists and waits
    runtime start ID                                                   "go"
    runtime delete --force ID                                          the end, or a launch that failed

The runtime leaves when it has created the process, whose next parent is then the monitor (a subreaper), so the monitor
gets its exit status. The runtime keeps its own state in a folder of the container's runtime folder.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from minidock.errors import StepFailed


class Foreign:
    """A container that another runtime starts.

    :param runtime_dir: the container's runtime folder.
    """

    def __init__(self, runtime_dir: str) -> None:
        self._folder = runtime_dir
        self._args: dict[str, Any] = {}

    def create(self, args: dict[str, Any], streams: list[int]) -> tuple[int, int | None]:
        """Create the container's process; return its id, and its terminal if it has no *streams*."""
        self._args = args  # also a half-made container must be deleted
        pid_file = f"{self._folder}/runtime.pid"
        words = ["create", "--bundle", args["bundle"], "--pid-file", pid_file]
        if streams:
            self._run([*words, args["id"]], streams)
            terminal = None
        else:
            terminal = self._create_with_terminal(words)
        with open(pid_file) as file:
            return int(file.read()), terminal

    def start(self) -> None:
        """Let the container's program start."""
        self._run(["start", self._args["id"]], [])

    def delete(self) -> None:
        """Take away what the runtime keeps of the container; it may not even exist."""
        if self._args:
            self._command(["delete", "--force", self._args["id"]], [])

    def _create_with_terminal(self, words: list[str]) -> int:
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        path = f"/proc/{os.getpid()}/fd/{folder}/console.sock"  # a socket's path has 107 bytes at most (unix(7))
        try:
            with socket.socket(socket.AF_UNIX) as door:
                door.bind(path)
                door.listen(1)
                self._run([*words, "--console-socket", path, self._args["id"]], [])
                door.setblocking(False)  # the runtime has connected and sent it before it left
                with door.accept()[0] as connection:
                    _, fds, _, _ = socket.recv_fds(connection, 256, 1)
                os.unlink(path)
        finally:
            os.close(folder)
        if not fds:
            raise StepFailed("runtime.run", 0, "the runtime sent no terminal")
        return fds[0]

    def _run(self, words: list[str], streams: list[int]) -> None:
        status = self._command(words, streams)
        if status:
            raise self._reason(f"{self._args['runtime']} {words[0]}", status)

    def _command(self, words: list[str], streams: list[int]) -> int:
        import subprocess

        options = ["--root", f"{self._folder}/runtime", "--log", self._log, "--log-format", "json"]
        stdin, stdout, stderr = streams or [subprocess.DEVNULL] * 3
        try:
            return subprocess.run(
                [self._args["runtime"], *options, *words],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                check=False,
                cwd="/",
            ).returncode
        except FileNotFoundError as error:
            raise StepFailed("runtime.run", errno.ENOENT, f"start {self._args['runtime']}") from error

    @property
    def _log(self) -> str:
        return f"{self._folder}/runtime.log"

    def _reason(self, what: str, status: int) -> StepFailed:
        """Return the last words in the runtime's log; only their text tells a missing program from other failures."""
        import json

        words = f"exit status {status}"
        try:
            with open(self._log) as file:
                for line in file:
                    entry = json.loads(line)
                    words = entry["msg"] if entry.get("level") == "error" else words
        except (OSError, ValueError, KeyError) as error:
            words = f"{words}, and its log cannot be read: {error}"
        text = words.lower()
        missing = "executable file not found" in text or "no such file or directory" in text
        number = errno.ENOENT if missing else errno.EACCES if "permission denied" in text else 0
        return StepFailed("runtime.run", number, f"{what}: {words}")
