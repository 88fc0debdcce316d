"""What ``minidock info`` shows of an engine: what it holds, how it is wired, and what it runs on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minidock import __version__
from minidock.api import EngineInfo
from minidock.oci.platform import host_platform

if TYPE_CHECKING:
    from minidock.engine.engine import Engine


def gather_info(engine: Engine) -> EngineInfo:
    """Look at *engine* and its host; change nothing."""
    containers = engine.store.rows.containers.all()
    running = {row.id for row in engine.store.state.running.all()}
    alive = sum(row.id in running for row in containers)
    system = os.uname()
    return EngineInfo(
        containers=len(containers),
        containers_running=alive,
        containers_stopped=len(containers) - alive,
        images=len(engine.store.rows.images.all()),
        driver=engine.kernel.mounts.probe_overlay(engine.layout.root),
        docker_root_dir=engine.layout.root,
        run_dir=engine.layout.run,
        kernel_ports=engine.kernel.name,
        cgroup_version=engine.cgroups.mode,
        cgroup_controllers=tuple(sorted(name for name in engine.cgroups.roots if name)),
        rootless=engine.user != 0,
        kernel_version=system.release,
        operating_system=_operating_system(),
        os_type=system.sysname.lower(),
        architecture=host_platform().architecture,
        n_cpu=len(os.sched_getaffinity(0)),
        mem_total=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        name=system.nodename,
        server_version=__version__,
    )


def _operating_system() -> str:
    """The host's name for itself (os-release(5))."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = dict(line.rstrip("\n").partition("=")[::2] for line in file if "=" in line)
        except FileNotFoundError:
            continue
        return lines.get("PRETTY_NAME", "Linux").strip('"')
    return "Linux"
