"""What is refused: fields of the runtime specification that change a container and that no step of ours carries out.

A runtime must ignore properties that it does not *know* (runtime-spec config.md, Extensibility). These it knows, and
ignoring them would start a container that is less than what was asked for: with hooks that do not run, or limits that
do not hold. An empty value (``{}``, ``null``, ``false``) asks for nothing and passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minidock._pure.plan.words import unsupported

#: Paths into ``config.json``; ``[]`` is "each element of the list".
REFUSED = (
    *("hooks", "solaris", "windows", "vm", "zos", "freebsd"),
    *("process.commandLine", "process.scheduler", "process.ioPriority", "process.execCPUAffinity"),
    *("process.selinuxLabel", "linux.mountLabel"),
    *("linux.intelRdt", "linux.timeOffsets", "linux.personality", "linux.memoryPolicy", "linux.netDevices"),
    *("linux.resources.unified", "linux.resources.hugepageLimits", "linux.resources.rdma", "linux.resources.network"),
    *("linux.resources.memory.kernelTCP", "linux.resources.memory.useHierarchy"),
    *("linux.resources.memory.checkBeforeUpdate", "linux.resources.cpu.burst", "linux.resources.cpu.idle"),
    *("linux.resources.blockIO.leafWeight", "linux.resources.blockIO.weightDevice[].leafWeight"),
    *("linux.seccomp.listenerPath", "linux.seccomp.listenerMetadata"),
    *("mounts[].uidMappings", "mounts[].gidMappings"),
)


def refuse(raw: dict[str, Any]) -> None:
    """Raise Unsupported for the first field of :data:`REFUSED` that asks for something."""
    for path in REFUSED:
        for value in values_at(raw, path.split(".")):
            if asks(value):
                raise unsupported(f"{path} is not supported")
    for profile in values_at(raw, ["process", "apparmorProfile"]):
        if asks(profile) and profile != "unconfined":
            raise unsupported("process.apparmorProfile is not supported; leave it out, or say unconfined")


def values_at(value: Any, path: list[str]) -> Iterator[Any]:
    """Yield what stands in *value* at *path*; nothing where the shape is another one (decoding tells that)."""
    if not path:
        yield value
        return
    name, each = path[0].removesuffix("[]"), path[0].endswith("[]")
    if isinstance(value, dict) and name in value:
        found = value[name]
        for item in found if each and isinstance(found, list) else [found]:
            yield from values_at(item, path[1:])


def asks(value: Any) -> bool:
    """Say whether *value* asks for anything: 0 and -1 are "no limit", empty values are nothing."""
    if isinstance(value, dict):
        return any(asks(item) for item in value.values())
    if isinstance(value, list):
        return bool(value)
    return value not in (None, False, 0, -1, "")
