"""``inspect``: Docker's JSON of a container. Pure."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from minidock.containers.merge import command_line
from minidock.containers.records import Container
from minidock.containers.state import CREATED, EXITED, RUNNING
from minidock.kernel.protocol import Exited
from minidock.store.layout import Layout
from minidock.store.rows import RunningRow

_NEVER = "0001-01-01T00:00:00Z"


def inspect_container(
    container: Container, running: RunningRow | None, exited: Exited | None, layout: Layout
) -> dict[str, object]:
    """Return what ``docker inspect`` shows, with the same keys."""
    argv = command_line(container.config)
    folder = layout.container(container.id)
    log = "" if container.host.log_config.type == "none" else f"{folder}/{container.id}-json.log"
    return {
        "Id": container.id,
        "Created": timestamp(container.created),
        "Path": argv[0] if argv else "",
        "Args": list(argv[1:]),
        "State": _state(running, exited),
        "Image": container.image,
        "ResolvConfPath": f"{folder}/resolv.conf",
        "HostnamePath": f"{folder}/hostname",
        "HostsPath": f"{folder}/hosts",
        "LogPath": log,
        "Name": f"/{container.name}",
        "RestartCount": 0,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "HostConfig": msgspec.to_builtins(container.host),
        "GraphDriver": {"Data": {"UpperDir": f"{layout.snapshot(container.snapshot)}/fs"}, "Name": "overlay2"},
        "Mounts": [_mount(container, point.destination) for point in container.extra.points],
        "Config": _config(container),
        "NetworkSettings": {"Networks": {container.host.network_mode or "bridge": {}}},
    }


def timestamp(nanoseconds: int) -> str:
    """Return RFC 3339 with nanoseconds in UTC, as Go writes it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    when = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{when}{fraction}Z"


def _state(running: RunningRow | None, exited: Exited | None) -> dict[str, Any]:
    status = RUNNING if running else EXITED if exited else CREATED
    return {
        "Status": status,
        "Running": running is not None,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": bool(exited and not running and exited.oom),
        "Dead": False,
        "Pid": running.pid if running else 0,
        "ExitCode": exited.code if exited and not running else 0,
        "Error": exited.error if exited and not running else "",
        "StartedAt": timestamp(running.began) if running else timestamp(exited.began) if exited else _NEVER,
        "FinishedAt": timestamp(exited.ended) if exited and not running else _NEVER,
    }


def _config(container: Container) -> dict[str, Any]:
    config: dict[str, Any] = msgspec.to_builtins(container.config)
    config["Hostname"] = container.hostname
    return config


def _mount(container: Container, destination: str) -> dict[str, Any]:
    point = next(p for p in container.extra.points if p.destination == destination)
    source = container.extra.volumes.get(destination, point.source)
    shown: dict[str, Any] = {"Type": point.kind}
    if point.kind == "volume":
        shown |= {"Name": source.split("/")[-2] if source.endswith("/_data") else point.source, "Driver": "local"}
    return shown | {
        "Source": source,
        "Destination": destination,
        "Mode": "ro" if point.readonly else "",
        "RW": not point.readonly,
        "Propagation": point.propagation or ("rprivate" if point.kind == "bind" else ""),
    }
