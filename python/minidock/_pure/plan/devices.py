"""Devices twice: the nodes in ``/dev``, and the filter that decides which devices may be opened, whatever nodes exist.

Nodes alone protect nothing, since a container with CAP_MKNOD makes its own. The filter alone would do; the nodes are
there because programs need them. The default nodes are always allowed, else a specification that only says "deny all"
(``runc spec`` writes one) would give a container without a working ``/dev/null``.
"""

from __future__ import annotations

from typing import Any

from minidock._pure.plan.words import Steps, bad, clean, inside, unsupported, whole
from minidock.kernel.launch import LaunchOptions
from minidock.oci.runtime import DeviceRule, Linux, RuntimeSpec

#: runtime-spec config-linux.md, Default Devices: path, major, minor. Console, ptmx and pts come from other steps.
DEFAULT = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)

#: runtime-spec runtime-linux.md, Dev symbolic links; and /dev/ptmx of the container's own devpts.
LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/ptmx": "pts/ptmx",
}

#: Allowed everywhere: to make any node (not to open it), and to open the default ones, terminals included.
_ALLOWED = (
    ("c", None, None, "m"),
    ("b", None, None, "m"),
    *(("c", major, minor, "rwm") for _, major, minor in DEFAULT),
    ("c", 5, 1, "rwm"),
    ("c", 5, 2, "rwm"),
    ("c", 136, None, "rwm"),
)

_NUMBER_LIMIT = (1 << 32) - 1


def nodes(config: RuntimeSpec, linux: Linux, options: LaunchOptions, root: str) -> Steps:
    """The nodes and links of a ``/dev`` of the container's own, and the console."""
    over_dev = [m for m in config.mounts if clean("mounts", m.destination) == "/dev"]
    steps: Steps = []
    if over_dev and not {"bind", "rbind"} & {over_dev[-1].type, *over_dev[-1].options}:
        steps.append(inside("dev.create", root=root, devices=_devices(linux), bind=options.bind_devices))
        steps.append(inside("dev.links", root=root, links=dict(LINKS)))
    elif linux.devices:
        raise unsupported("linux.devices need a file system of the container's own at /dev")
    if config.process is not None and config.process.terminal:
        steps.append(inside("dev.console", root=root))
    return steps


def _devices(linux: Linux) -> list[dict[str, Any]]:
    found = {path: _node(path, "c", major, minor, 0o666, 0, 0) for path, major, minor in DEFAULT}
    for device in linux.devices or ():
        path = clean("linux.devices", device.path)
        if device.type not in ("c", "b", "u", "p"):
            raise bad(f"linux.devices: {device.path}: unknown type {device.type}")
        found[path] = _node(
            path,
            "c" if device.type == "u" else device.type,
            whole("linux.devices: major", device.major, _NUMBER_LIMIT),
            whole("linux.devices: minor", device.minor, _NUMBER_LIMIT),
            whole("linux.devices: fileMode", 0o666 if device.file_mode is None else device.file_mode, 0o177777)
            & 0o7777,
            whole("linux.devices: uid", device.uid or 0, _NUMBER_LIMIT - 1),
            whole("linux.devices: gid", device.gid or 0, _NUMBER_LIMIT - 1),
        )
    return list(found.values())


def _node(path: str, type: str, major: int, minor: int, mode: int, uid: int, gid: int) -> dict[str, Any]:
    return {"path": path, "type": type, "major": major, "minor": minor, "mode": mode, "uid": uid, "gid": gid}


def rules_of(linux: Linux) -> list[dict[str, Any]]:
    """The rules of the filter, later ones winning; then the default devices, where no rule of the list allows all."""
    asked = (linux.resources.devices if linux.resources else None) or ()
    rules = [_rule(rule) for rule in asked]
    last_all = max((i for i, rule in enumerate(rules) if rule["type"] == "a"), default=-1)
    if not rules or (last_all >= 0 and rules[last_all]["allow"]):
        return rules
    for kind, major, minor, access in _ALLOWED:
        rule = {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}
        if rule not in rules[last_all + 1 :]:
            rules.append(rule)
    return rules


def _rule(rule: DeviceRule) -> dict[str, Any]:
    if rule.type not in ("a", "b", "c"):
        raise bad(f"linux.resources.devices: unknown type {rule.type}")
    if not set(rule.access) <= set("rwm"):
        raise bad(f"linux.resources.devices: unknown access {rule.access}")
    major, minor = (
        None if number in (None, -1) else whole("linux.resources.devices", number, _NUMBER_LIMIT)
        for number in (rule.major, rule.minor)
    )
    return {"allow": rule.allow, "type": rule.type, "major": major, "minor": minor, "access": rule.access or "rwm"}
