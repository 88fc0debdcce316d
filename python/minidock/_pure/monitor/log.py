r"""The container's output in Docker's json-file format: one JSON object for each line, in files that rotate.

::

    {"log":"hello\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}

A line longer than 16 KiB becomes several entries, of which only the last ends in ``\n``; so does the rest of a line
when the container ends. Full files are renamed: ``x-json.log`` → ``x-json.log.1`` → ``.2`` …
"""

from __future__ import annotations

import os
import time

import msgspec

from minidock.kernel.protocol import LogConfig

LONGEST = 16 << 10


class Log:
    """The log of one container.

    :raises OSError: the file cannot be opened.
    """

    def __init__(self, config: LogConfig) -> None:
        self._config = config
        self._open_lines: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self._fd = -1
        self._size = 0
        self.error = ""  # the first one
        if config.driver != "none":
            self._open(os.O_APPEND)

    def write(self, stream: str, data: bytes) -> None:
        """Take what the container wrote; *stream* is ``stdout`` or ``stderr``."""
        if self._fd < 0:
            return
        line = self._open_lines[stream]
        line += data
        done, texts = 0, []
        while True:
            end = line.find(b"\n", done, done + LONGEST)
            if end < 0 and len(line) - done < LONGEST:
                break
            texts.append(bytes(line[done : end + 1 if end >= 0 else done + LONGEST]))
            done += len(texts[-1])
        del line[:done]
        self._append(stream, texts)

    def close(self) -> None:
        """Write what is left of unfinished lines, and close."""
        if self._fd >= 0:
            for stream, line in self._open_lines.items():
                self._append(stream, [bytes(line)] if line else [])
            os.close(self._fd)
            self._fd = -1

    def _append(self, stream: str, texts: list[bytes]) -> None:
        """Write entries, as many at once as the file still takes."""
        now = timestamp(time.time_ns())
        batch, most = bytearray(), self._config.max_size
        for text in texts:
            if 0 < most <= self._size + len(batch):
                self._write(batch)
                self._rotate()
                batch = bytearray()
            fields = {"log": text.decode("utf-8", "replace"), "stream": stream, "time": now}
            batch += msgspec.json.encode(fields) + b"\n"
        self._write(batch)

    def _write(self, batch: bytearray) -> None:
        try:
            while batch:
                written = os.write(self._fd, batch)
                self._size += written
                del batch[:written]
        except OSError as error:  # a full disk loses lines of the log, not the container
            self.error = self.error or f"write {self._config.path}: {error.strerror}"

    def _rotate(self) -> None:
        os.close(self._fd)
        path, files = self._config.path, self._config.max_files
        for number in range(files - 1, 0, -1):
            source = f"{path}.{number - 1}" if number > 1 else path
            if os.path.exists(source):
                os.rename(source, f"{path}.{number}")
        self._open(os.O_TRUNC)

    def _open(self, how: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND
        self._fd = os.open(self._config.path, flags | how, 0o640)
        self._size = os.fstat(self._fd).st_size


def timestamp(now: int) -> str:
    """Return nanoseconds since the epoch as Docker writes them: RFC 3339 without trailing zeros, in UTC."""
    seconds, rest = divmod(now, 1_000_000_000)
    fraction = f".{rest:09}".rstrip("0").rstrip(".")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"
