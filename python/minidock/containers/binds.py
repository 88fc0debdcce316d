"""``-v`` strings, ``--mount`` and ``--tmpfs`` → mount points, by Docker's grammar. Pure.

``-v [source:]destination[:options]``: a source that begins with ``/`` is a folder or file of the host (a bind), another
one names a volume, none at all asks for a new volume without a name.
"""

from __future__ import annotations

import posixpath
import re

import msgspec

from minidock.api import HostConfig, MountRequest
from minidock.errors import InvalidArgument, Unsupported

_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}")
_PROPAGATION = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
_TMPFS_WORDS = """
exec noexec suid nosuid dev nodev ro rw atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime
sync async dirsync mand nomand size mode uid gid nr_inodes nr_blocks mpol private rprivate shared rshared slave rslave
unbindable runbindable huge inode32 inode64
"""
_TMPFS_OPTIONS = frozenset(_TMPFS_WORDS.split())
_MODES = frozenset({"ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated"})


class MountPoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mount that the user asked for.

    ``kind`` is bind, volume or tmpfs; ``source`` a host path, or a volume's name (empty: make one up).
    ``options`` are those of a tmpfs.
    """

    kind: str
    destination: str
    source: str = ""
    readonly: bool = False
    propagation: str = ""
    recursive: bool = True
    create_source: bool = False
    copy: bool = True
    subpath: str = ""
    labels: dict[str, str] | None = None
    options: tuple[str, ...] = ()


def mount_points(host: HostConfig, volumes: dict[str, object]) -> tuple[MountPoint, ...]:
    """Return all mount points of a request, parents before children.

    :param volumes: the image's and the user's ``VOLUME`` paths.
    :raises InvalidArgument: a spec that Docker refuses, with its words; two mounts at one place.
    """
    points = [parse_bind(text) for text in host.binds]
    points += [_from_mount(mount) for mount in host.mounts]
    points += [_tmpfs(path, options) for path, options in host.tmpfs.items()]
    taken: set[str] = set()
    for point in points:
        if point.destination in taken:
            raise InvalidArgument(f"Duplicate mount point: {point.destination}")
        taken.add(point.destination)
    for path in volumes:
        clean = _destination(path, path)
        if clean not in taken:
            taken.add(clean)
            points.append(MountPoint("volume", clean))
    return tuple(sorted(points, key=lambda point: (point.destination.count("/"), point.destination)))


def parse_bind(text: str) -> MountPoint:
    """Parse one ``-v`` value.

    :raises InvalidArgument: with Docker's words.
    """
    bad = InvalidArgument(f"invalid volume specification: '{text}'")
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise bad
    if len(parts) == 1:
        return MountPoint("volume", _destination(parts[0], text))
    source, destination = parts[0], _destination(parts[1], text)
    modes = parts[2].split(",") if len(parts) == 3 else []
    is_bind = source.startswith("/")
    for mode in modes:
        if mode not in _MODES | (_PROPAGATION if is_bind else set()):
            raise InvalidArgument(f"invalid mode: {parts[2]}")
    if {"ro", "rw"} <= set(modes) or len(_PROPAGATION & set(modes)) > 1:
        raise InvalidArgument(f"invalid mode: {parts[2]}")
    if {"z", "Z"} & set(modes):
        raise Unsupported("SELinux labels (:z, :Z) are not supported", "leave the option out")
    propagation = next((mode for mode in modes if mode in _PROPAGATION), "")
    if is_bind:
        return MountPoint(
            "bind", destination, posixpath.normpath(source), "ro" in modes, propagation, create_source=True
        )
    check_volume_name(source)
    return MountPoint("volume", destination, source, "ro" in modes, copy="nocopy" not in modes)


def check_volume_name(name: str) -> None:
    """Refuse what cannot be a volume's name: it becomes a folder's name.

    :raises InvalidArgument: with Docker's words.
    """
    if len(name) == 1:
        raise InvalidArgument("volume name is too short, names should be at least two alphanumeric characters")
    if not _VOLUME_NAME.fullmatch(name):
        raise InvalidArgument(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )


def _from_mount(mount: MountRequest) -> MountPoint:
    destination = _destination(mount.target, mount.target)
    if mount.type == "bind":
        options = mount.bind_options
        if not mount.source.startswith("/"):
            raise InvalidArgument(
                'invalid mount config for type "bind": invalid mount path: '
                f"'{mount.source}' mount path must be absolute"
            )
        if options and options.propagation and options.propagation not in _PROPAGATION:
            raise InvalidArgument(f'invalid mount config for type "bind": invalid propagation: {options.propagation}')
        return MountPoint(
            "bind",
            destination,
            posixpath.normpath(mount.source),
            mount.read_only,
            options.propagation if options else "",
            recursive=not (options and options.non_recursive),
            create_source=bool(options and options.create_mountpoint),
        )
    if mount.type == "volume":
        volume = mount.volume_options
        if mount.source:
            check_volume_name(mount.source)
        if volume and volume.driver_config and volume.driver_config.get("Name") not in (None, "", "local"):
            raise Unsupported("only the local volume driver is supported", "leave volume-driver out")
        return MountPoint(
            "volume",
            destination,
            mount.source,
            mount.read_only,
            copy=not (volume and volume.no_copy),
            subpath=_subpath(volume.subpath) if volume else "",
            labels=volume.labels if volume else None,
        )
    if mount.type == "tmpfs":
        if mount.source:
            raise InvalidArgument('invalid mount config for type "tmpfs": field Source must not be specified')
        tmpfs = mount.tmpfs_options
        options_list = [f"size={tmpfs.size_bytes}"] if tmpfs and tmpfs.size_bytes else []
        options_list += [f"mode={tmpfs.mode:o}"] if tmpfs and tmpfs.mode else []
        return MountPoint("tmpfs", destination, readonly=mount.read_only, options=tuple(options_list))
    if mount.type in ("image", "npipe", "cluster"):
        raise Unsupported(f"mounts of type {mount.type} are not supported", "use bind, volume or tmpfs")
    raise InvalidArgument(f"invalid mount config for type {mount.type!r}: mount type unknown")


def _tmpfs(path: str, options: str) -> MountPoint:
    words = tuple(word for word in options.split(",") if word)
    for word in words:
        name = word.partition("=")[0]
        if name not in _TMPFS_OPTIONS:
            raise InvalidArgument(f"invalid tmpfs option [{word!r}]".replace("'", '"'))
    return MountPoint("tmpfs", _destination(path, path), readonly="ro" in words, options=words)


def _destination(path: str, text: str) -> str:
    if not path.startswith("/"):
        raise InvalidArgument(
            f"invalid volume specification: '{text}': invalid mount config for type \"volume\": invalid mount path: "
            f"'{path}' mount path must be absolute"
        )
    if "\0" in path:
        raise InvalidArgument("a mount path cannot hold a NUL byte")
    clean = posixpath.normpath(path)
    clean = clean[1:] if clean.startswith("//") else clean
    if clean == "/":
        raise InvalidArgument(f"invalid volume specification: '{text}': destination can't be '/'")
    return clean


def _subpath(path: str) -> str:
    """A volume's subpath stays inside the volume: relative, without ``..``."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InvalidArgument(f'invalid mount config for type "volume": subpath must be a relative path: {path}')
    return posixpath.normpath(path) if path else ""
