"""Folders that outlive a container, or live in memory: ``-v``, ``--mount``, ``--tmpfs``, and options of the storage.

``-v`` has three forms: ``/inside`` (a new volume without a name), ``NAME:/inside[:options]`` (a volume), and
``/on/host:/inside[:options]`` (a bind mount). The client only tells the first from the others and makes a path that
begins with a dot absolute; all else is checked where the container is made.
"""

from __future__ import annotations

import os

import msgspec

from minidock.api import ContainerConfig, HostConfig
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Kind, Values
from minidock.cli.kinds import LIST, STRING
from minidock.cli.run.files import as_map
from minidock.cli.run.mounts import parse_mount
from minidock.oci.image import Empty

FLAGS = (
    Flag("mount", Kind("mount", parse_mount, repeats=True), "Mount a folder, volume or tmpfs (type=bind,source=...)"),
    Flag("storage-opt", LIST, "Option of the container's writable layer (size=10G)"),
    Flag("tmpfs", LIST, "Mount a tmpfs (/path[:options])"),
    Flag("v,volume", LIST, "Mount a folder or volume (SOURCE:TARGET[:ro])"),
    Flag("volume-driver", STRING, "Driver of the volumes that are made"),
    Flag("volumes-from", LIST, "Mount the volumes of another container"),
)


def split_volumes(specs: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the binds, and the targets of volumes without a name.

    :raises BadRequest: an empty specification, or an empty part of one.
    """
    binds, anonymous = [], []
    for spec in specs:
        if not spec:
            raise BadRequest("invalid empty volume spec")
        parts = spec.split(":")
        if not all(parts):
            raise BadRequest(f"invalid spec: {spec}: empty section between colons")
        if len(parts) == 1:
            anonymous.append(spec)
            continue
        if parts[0].startswith("."):
            parts[0] = os.path.abspath(parts[0])
        binds.append(":".join(parts))
    return tuple(binds), tuple(anonymous)


def apply(values: Values, config: ContainerConfig, host: HostConfig) -> tuple[ContainerConfig, HostConfig]:
    """Return *config* and *host* with what these flags say.

    :raises BadRequest: a volume or an option that makes no sense.
    """
    binds, anonymous = split_volumes(values["volume"])
    if not all("=" in option for option in values["storage-opt"]):
        raise BadRequest("invalid storage option")
    if anonymous:
        config = msgspec.structs.replace(config, volumes={target: Empty() for target in anonymous})
    host = msgspec.structs.replace(
        host,
        binds=binds,
        mounts=tuple(values["mount"]),
        storage_opt=as_map(values["storage-opt"]),
        tmpfs={path: options for path, _, options in (spec.partition(":") for spec in values["tmpfs"])},
        volume_driver=values["volume-driver"],
        volumes_from=tuple(values["volumes-from"]),
    )
    return config, host
