"""What this runs on and in: our own compiled parts, a container, WSL."""

from __future__ import annotations

import os
import platform

from minidock.doctor.fixes import read
from minidock.doctor.probe import Finding
from minidock.errors import MinidockError
from minidock.kernel.choose import load_kernel


def kernel_ports(_: str) -> str:
    """Load the chosen kernel ports, and find the launcher's program."""
    try:
        kernel = load_kernel()
        program = kernel.launch.command("--version")[0]
    except MinidockError as error:
        raise Finding(error.message, fix=error.hint or "") from error
    if not os.access(program, os.X_OK):
        raise Finding(f"{program} is not there, or cannot be run", fix="pip install --force-reinstall minidock")
    return f"{kernel.name}, {program}"


def surroundings(_: str) -> str:
    """Look for signs of a container or of WSL around us."""
    release = platform.release()
    container = (read("/run/systemd/container") or _container_variable()) or (
        "docker" if os.path.exists("/.dockerenv") else "podman" if os.path.exists("/run/.containerenv") else ""
    )
    if "microsoft" in release.lower() and "WSL2" not in release:
        raise Finding(
            f"WSL 1 has no Linux kernel: {release}",
            fix="in PowerShell: wsl --set-version <distribution> 2",
            undo="wsl --set-version <distribution> 1",
        )
    inside = f", in a container ({container}): what works depends on how it was started" if container else ""
    return f"Linux {release}" + (" (WSL 2)" if "microsoft" in release.lower() else "") + inside


def _container_variable() -> str:
    """The variable ``container`` of the first process, where it may be read."""
    for pair in (read("/proc/1/environ") or "").split("\0"):
        if pair.startswith("container="):
            return pair.partition("=")[2]
    return ""
