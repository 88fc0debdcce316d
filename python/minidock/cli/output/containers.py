"""The rows of ``ps``: what the engine lists → what people read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from minidock.api import ContainerSummary
from minidock.cli.gotemplate import Record
from minidock.cli.output.table import short_id, shorten
from minidock.cli.values.durations import show_age
from minidock.cli.values.quoting import quote
from minidock.cli.values.sizes import show_size
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
        Platform="",
        Ports=show_ports(summary.ports),
        RunningFor=f"{show_age(now - summary.created)} ago",
        Size=_size(summary),
        State=summary.state,
        Status=summary.status,
    )
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
    """Return ``0.0.0.0:8080-8081->80-81/tcp, 90/udp``: neighbouring ports as ranges."""
    groups: list[list[int | str]] = []  # address, first and last private port, first and last public port, protocol
    for port in sorted(ports, key=_order):
        address, private = str(port.get("IP") or ""), _number(port, "PrivatePort")
        public, protocol = _number(port, "PublicPort"), str(port.get("Type") or "tcp")
        for group in groups:
            steps = private - int(group[2]) == 1 and (not public or public - int(group[4]) == 1)
            if [group[0], group[5]] == [address, protocol] and steps and bool(public) == bool(group[4]):
                group[2], group[4] = private, public
                break
        else:
            groups.append([address, private, private, public, public, protocol])
    return ", ".join(_range(*group) for group in groups)


def _order(port: Port) -> tuple[int, str, int, str]:
    return _number(port, "PrivatePort"), str(port.get("IP") or ""), _number(port, "PublicPort"), str(port.get("Type"))


def _number(port: Port, name: str) -> int:
    value = port.get(name) or 0
    return value if isinstance(value, int) else 0


def _range(*group: int | str) -> str:
    address, first, last, public_first, public_last, protocol = group
    inside = f"{first}" if first == last else f"{first}-{last}"
    if not public_first:
        return f"{inside}/{protocol}"
    outside = f"{public_first}" if public_first == public_last else f"{public_first}-{public_last}"
    shown = f"[{address}]" if ":" in str(address) else address
    return f"{shown}:{outside}->{inside}/{protocol}"
