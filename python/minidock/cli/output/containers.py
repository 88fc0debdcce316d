"""The rows of ``ps``: what the engine lists → what people read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from minidock.api import ContainerSummary
from minidock.cli.gotemplate import Record
from minidock.cli.output.table import short_id, shorten
from minidock.cli.values.quoting import quote
from minidock.cli.values.sizes import show_size
from minidock.containers.ages import show_age
from minidock.oci.reference import parse_reference

USUAL = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

HEADINGS = {
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Mounts": "MOUNTS",
    "Names": "NAMES",
    "Networks": "NETWORKS",
    "Platform": "PLATFORM",
    "Ports": "PORTS",
    "RunningFor": "CREATED",
    "Size": "SIZE",
    "State": "STATE",
    "Status": "STATUS",
}


def row(summary: ContainerSummary, *, cut: bool, now: float) -> Record:
    """Return the fields of one container; ids, commands and names are shortened if *cut*."""
    command = shorten(summary.command, 20) if cut else summary.command
    names = [name.removeprefix("/") for name in summary.names]
    if cut:
        names = [name for name in names if "/" not in name]  # names that links gave it
    record = Record(
        Command=quote(command),
        CreatedAt=when(summary.created),
        ID=short_id(summary.id) if cut else summary.id,
        Image=_image(summary, cut),
        Labels=",".join(f"{name}={value}" for name, value in sorted(summary.labels.items())),
        LocalVolumes=str(sum(mount.get("Driver") == "local" for mount in summary.mounts)),
        Mounts=",".join(_mount(mount, cut) for mount in summary.mounts),
        Names=",".join(names),
        Networks=summary.network_mode,
        Platform=None,
        Ports=show_ports(summary.ports),
        RunningFor=f"{show_age(now - summary.created)} ago",
        Size=_size(summary),
        State=summary.state,
        Status=summary.status,
    )
    record.kind = "*formatter.ContainerContext"
    record.methods = {"Label": lambda name: summary.labels.get(name, "")}
    return record


def when(created: float) -> str:
    """Return a time as Go prints it: ``2026-01-31 12:00:00 +0000 UTC``, in the local time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(created))


def _image(summary: ContainerSummary, cut: bool) -> str:
    if not summary.image:
        return "<no image>"
    if not cut:
        return summary.image
    if summary.image.startswith("sha256:") or short_id(summary.image_id) == short_id(summary.image):
        return short_id(summary.image)
    if "@" in summary.image:  # without the digest
        reference = parse_reference(summary.image, default_tag=False)
        return reference.familiar_name + (f":{reference.tag}" if reference.tag else "")
    return summary.image


def _mount(mount: Mapping[str, object], cut: bool) -> str:
    name = str(mount.get("Name") or mount.get("Source") or "")
    return shorten(name, 15) if cut else name


def _size(summary: ContainerSummary) -> str:
    size = show_size(summary.size_rw or 0, 3)
    return f"{size} (virtual {show_size(summary.size_root_fs, 3)})" if summary.size_root_fs else size


Port = Mapping[str, object]


def show_ports(ports: Sequence[Port]) -> str:
    """Return ``80-81/tcp, 0.0.0.0:53->53/udp, 0.0.0.0:8080->80/tcp``.

    Neighbouring ports become a range, if they are not published or keep their numbers; the others come last.
    """
    ranges: dict[tuple[str, str], list[tuple[int, int]]] = {}  # (address, protocol) → first and last
    moved = []
    for port in sorted(ports, key=_order):
        address, private = str(port.get("IP") or ""), _number(port, "PrivatePort")
        public, protocol = _number(port, "PublicPort"), str(port.get("Type"))
        if address and public != private:
            moved.append(f"{_outside(address)}{public}->{private}/{protocol}")
            continue
        found = ranges.setdefault((address, protocol), [])
        if found and found[-1][1] == private - 1:
            found[-1] = found[-1][0], private
        else:
            found.append((private, private))
    finished = [_range(key, *group) for key, groups in ranges.items() for group in groups[:-1]]
    return ", ".join([*finished, *(_range(key, *groups[-1]) for key, groups in ranges.items()), *moved])


def _order(port: Port) -> tuple[int, str, int, str]:
    return _number(port, "PrivatePort"), str(port.get("IP") or ""), _number(port, "PublicPort"), str(port.get("Type"))


def _number(port: Port, name: str) -> int:
    value = port.get(name) or 0
    return value if isinstance(value, int) else 0


def _outside(address: str) -> str:
    return f"[{address}]:" if ":" in address else f"{address}:" if address else ""


def _range(key: tuple[str, str], first: int, last: int) -> str:
    address, protocol = key
    numbers = f"{first}" if first == last else f"{first}-{last}"
    return f"{_outside(address)}{numbers}->{numbers}/{protocol}" if address else f"{numbers}/{protocol}"
