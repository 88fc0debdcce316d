"""Devices of the host inside a container, and rules for devices that it makes itself."""

from __future__ import annotations

import msgspec

from minidock.api import DeviceMapping, HostConfig
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Kind, Values
from minidock.cli.kinds import LIST


def parse_rule(text: str) -> str:
    """Check one rule of the devices cgroup: ``c 1:3 rwm``, ``b *:* r``, ``a 10:229 rwm``."""
    fields = text.split(" ")
    bad = ValueError(f"invalid device cgroup format '{text}'")
    if len(fields) != 3 or fields[0] not in ("a", "b", "c"):
        raise bad
    major, colon, minor = fields[1].partition(":")
    if not colon or not all(part == "*" or (part.isascii() and part.isdigit()) for part in (major, minor)):
        raise bad
    if not _is_access(fields[2]) or len(fields[2]) > 3:
        raise bad
    return text


FLAGS = (
    Flag("device", LIST, "Give the container a device of the host (/dev/fuse, /dev/sda:/dev/xvda:r)"),
    Flag("device-cgroup-rule", Kind("list", parse_rule, repeats=True), "Allow a kind of device (c 1:3 rwm)"),
)


def parse_device(text: str) -> DeviceMapping:
    """Read ``HOST[:INSIDE][:rwm]``.

    :raises BadRequest: too many parts, or an access that is not made of r, w and m.
    """
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise BadRequest(f"bad format for path: {text}")
    source, target, access = parts[0], parts[0], "rwm"
    if len(parts) == 2 and _is_access(parts[1]):
        access = parts[1]
    elif len(parts) >= 2:
        target = parts[1]
    if len(parts) == 3:
        access = parts[2]
    if not _is_access(access):
        raise BadRequest(f"bad mode specified: {access}")
    for path in (source, target):
        if not path.startswith("/"):
            raise BadRequest(f"{path} is not an absolute path")
    return DeviceMapping(source, target, access)


def _is_access(text: str) -> bool:
    return 0 < len(text) == len(set(text)) and set(text) <= set("rwm")


def apply(values: Values, host: HostConfig) -> HostConfig:
    """Return *host* with these devices.

    :raises BadRequest: a device cannot be read, or is named by a CDI name.
    """
    for text in values["device"]:
        if not text.startswith("/") and "/" in text and "=" in text:
            raise BadRequest(
                f"--device {text}: CDI devices are not supported", "give the path of the device, such as /dev/fuse"
            )
    return msgspec.structs.replace(
        host,
        devices=tuple(parse_device(text) for text in values["device"]),
        device_cgroup_rules=tuple(values["device-cgroup-rule"]),
    )
