"""Device nodes in the container, and the filter that says which may be opened.

Both are needed: a container with CAP_MKNOD can make any node, and the filter decides whether opening it works.
Source: runtime-spec config-linux.md, "Default Devices" and "Allowed Device list"; Docker's ``--device``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from minidock.api import DeviceMapping, HostConfig
from minidock.errors import InvalidArgument
from minidock.oci.runtime import Device, DeviceRule

_RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})")

#: Every container may use these: the default nodes, terminals, and mknod itself (using the node is another matter).
DEFAULT_RULES = (
    DeviceRule(False, access="rwm"),
    DeviceRule(True, "c", None, None, "m"),
    DeviceRule(True, "b", None, None, "m"),
    DeviceRule(True, "c", 1, 3),  # null
    DeviceRule(True, "c", 1, 5),  # zero
    DeviceRule(True, "c", 1, 7),  # full
    DeviceRule(True, "c", 1, 8),  # random
    DeviceRule(True, "c", 1, 9),  # urandom
    DeviceRule(True, "c", 5, 0),  # tty
    DeviceRule(True, "c", 5, 1),  # console
    DeviceRule(True, "c", 5, 2),  # ptmx
    DeviceRule(True, "c", 136, None),  # terminals: pts/*
)
ALL_DEVICES = (DeviceRule(True, access="rwm"),)


def devices_of(host: HostConfig) -> tuple[tuple[Device, ...], tuple[DeviceRule, ...]]:
    """Return the nodes to make beside the default ones, and the whole filter.

    :raises InvalidArgument: a device that is none, or a rule that cannot be parsed, with Docker's words.
    """
    if host.privileged:
        return tuple(_all_devices()), ALL_DEVICES
    nodes: list[Device] = []
    rules = list(DEFAULT_RULES)
    for mapping in host.devices:
        for device in _mapped(mapping):
            nodes.append(device)
            rules.append(DeviceRule(True, device.type, device.major, device.minor, mapping.cgroup_permissions))
    rules += [parse_rule(text) for text in host.device_cgroup_rules]
    return tuple(nodes), tuple(rules)


def parse_rule(text: str) -> DeviceRule:
    """Parse one ``--device-cgroup-rule``, such as ``c 13:* rwm``."""
    match = _RULE.fullmatch(text)
    if not match:
        raise InvalidArgument(f"invalid device cgroup rule format: '{text}'")
    kind, major, minor, access = match.groups()
    return DeviceRule(True, kind, _number(major), _number(minor), access)


def device_numbers(path: str) -> tuple[int, int]:
    """Return the numbers of a block device of the host.

    :raises InvalidArgument: there is no such device.
    """
    status = _stat(path)
    return os.major(status.st_rdev), os.minor(status.st_rdev)


def _number(text: str) -> int | None:
    return None if text == "*" else int(text)


def _mapped(mapping: DeviceMapping) -> Iterator[Device]:
    """One device, or every device below a folder of the host."""
    source = os.path.realpath(mapping.path_on_host)
    if not os.path.isdir(source):
        yield _device(source, mapping.path_in_container)
        return
    for folder, _, names in os.walk(source):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if _is_device(path):
                yield _device(path, mapping.path_in_container + path[len(source) :])


def _all_devices() -> Iterator[Device]:
    """Every device of the host, for ``--privileged``; terminals and mounts below /dev are the container's own."""
    own = {"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd"}
    single = {
        "/dev/console",
        "/dev/ptmx",
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/dev/urandom",
        "/dev/tty",
    }
    for folder, folders, names in os.walk("/dev"):
        folders[:] = [name for name in sorted(folders) if f"{folder}/{name}" not in own]
        for name in sorted(names):
            path = f"{folder}/{name}"
            if path not in single and _is_device(path):
                yield _device(path, path)


def _is_device(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _device(path: str, inside: str) -> Device:
    status = _stat(path)
    kind = "b" if stat.S_ISBLK(status.st_mode) else "c"
    return Device(
        inside,
        kind,
        os.major(status.st_rdev),
        os.minor(status.st_rdev),
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
    )


def _stat(path: str) -> os.stat_result:
    try:
        status = os.stat(path)
    except OSError as error:
        raise InvalidArgument(
            f'error gathering device information while adding custom device "{path}": {error.strerror}'
        ) from error
    if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        raise InvalidArgument(
            f'error gathering device information while adding custom device "{path}": not a device node'
        )
    return status
