"""Debian's docker-registry on loopback, for as long as a ``with`` lasts.

It is a registry that we did not write. Each has its own folder, port and log; nothing stays.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: bcrypt of "open sesame"
USER, PASSWORD = "learner", "open sesame"
HTPASSWD = "learner:$2y$05$fvPXvttJI/1TVaxAjbrdTO5a5V7sCxccpTYT3Dp5faKd5iFsDursS\n"

needs_registry = pytest.mark.skipif(
    not (shutil.which("docker-registry") and shutil.which("skopeo")), reason="needs docker-registry and skopeo"
)


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def docker_registry(
    folder: Path, *, auth: str = "", tls: tuple[Path, Path] | None = None, port: int = 0
) -> Iterator[str]:
    """Run a registry whose storage is *folder*; yield its ``host:port``.

    :param auth: the ``auth:`` part of its configuration, YAML.
    :param tls: certificate and key.
    """
    port = port or free_port()
    host = f"127.0.0.1:{port}"
    lines = [
        "version: 0.1",
        "log: {level: warn, accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}",
        "http:",
        f"  addr: {host}",
        "  secret: fixed",
    ]
    if tls:
        lines.append(f"  tls: {{certificate: {tls[0]}, key: {tls[1]}}}")
    if auth:
        lines.append(f"auth: {auth}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text("\n".join(lines) + "\n")
    with open(folder / "registry.log", "ab") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _wait(process, port, folder / "registry.log")
        yield host
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def basic_auth(folder: Path) -> str:
    """Return the configuration that wants :data:`USER` and :data:`PASSWORD`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "htpasswd").write_text(HTPASSWD)
    return f"{{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}"


def skopeo(*words: str) -> None:
    """Run skopeo; its own settings cannot disturb."""
    subprocess.run(["skopeo", "--insecure-policy", *words], check=True, capture_output=True, timeout=60)


def _wait(process: subprocess.Popen[Any], port: int, log: Path) -> None:
    for _ in range(400):
        if process.poll() is not None:
            raise AssertionError(f"docker-registry ended: {log.read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.025)
    raise AssertionError(f"docker-registry does not answer: {log.read_text()}")
