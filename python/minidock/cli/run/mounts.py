"""``--mount``: one mount in ``key=value`` fields.

==========  =======================================================================================================
all types   ``type`` (volume by default), ``source``/``src``, ``target``/``dst``/``destination``, ``readonly``/``ro``,
            ``consistency`` (ignored on Linux)
bind        ``bind-propagation``, ``bind-recursive`` (enabled, disabled, writable, readonly), ``bind-nonrecursive``
volume      ``volume-nocopy``, ``volume-label``, ``volume-driver``, ``volume-opt``, ``volume-subpath``
tmpfs       ``tmpfs-size``, ``tmpfs-mode`` (octal)
==========  =======================================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Callable

from minidock.api import BindOptions, MountRequest, TmpfsOptions, VolumeOptions
from minidock.cli.run.csv import parse_fields
from minidock.cli.values.numbers import parse_bool
from minidock.cli.values.sizes import parse_size

_ALONE = ("readonly", "ro", "volume-nocopy", "bind-nonrecursive")
_NAMES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
_COMMON = ("type", "source", "target", "readonly", "consistency")
_OWN = {
    "bind": ("bind-propagation", "bind-recursive", "bind-nonrecursive"),
    "volume": ("volume-nocopy", "volume-label", "volume-driver", "volume-opt", "volume-subpath"),
    "tmpfs": ("tmpfs-size", "tmpfs-mode"),
    "image": ("image-subpath",),
}
_KNOWN = (*_COMMON, *(key for keys in _OWN.values() for key in keys))
_SWITCHES = ("readonly", "bind-nonrecursive", "volume-nocopy")
_MAPS = ("volume-label", "volume-opt")
_RECURSION = ("enabled", "disabled", "writable", "readonly")

#: A mount's fields by key: text, or a map for keys that repeat.
Fields = dict[str, str]


def parse_mount(text: str) -> MountRequest:
    """Read one ``--mount``.

    :raises ValueError: with Docker's words.
    """
    fields, maps = _collect(text)
    kind = fields.get("type", "volume").lower()
    if not fields.get("target"):
        raise ValueError("target is required")
    for owner, keys in _OWN.items():
        if owner != kind and any(key in fields or key in maps for key in keys):
            raise ValueError(f"cannot mix '{owner}-*' options with mount type '{kind}'")
    if "image-subpath" in fields:
        raise ValueError("mounts of images are not supported: copy the files into a volume")
    source = fields.get("source", "")
    if kind == "bind" and (source == "." or source.startswith(("./", "../")) or source == ".."):
        source = os.path.abspath(source)
    return MountRequest(
        type=kind,
        source=source,
        target=fields["target"],
        read_only=_switch(fields, "readonly"),
        consistency=fields.get("consistency", ""),
        bind_options=_bind(fields) if kind == "bind" else None,
        volume_options=_volume(fields, maps) if kind == "volume" else None,
        tmpfs_options=_tmpfs(fields) if kind == "tmpfs" else None,
    )


def _collect(text: str) -> tuple[Fields, dict[str, dict[str, str]]]:
    fields: Fields = {}
    maps: dict[str, dict[str, str]] = {}
    for written, value in parse_fields(text, _ALONE):
        key = _NAMES.get(written, written)
        if key not in _KNOWN:
            raise ValueError(f"unexpected key '{written}' in '{written}={value}'")
        if key in _SWITCHES:
            _checked(written, value, parse_bool)
        elif key == "bind-recursive" and value not in _RECURSION:
            raise ValueError(
                f'invalid value for {key}: {value} (must be "enabled", "disabled", "writable", or "readonly")'
            )
        if key in _MAPS:
            name, _, entry = value.partition("=")
            maps.setdefault(key, {})[name] = entry
        else:
            fields[key] = value
    return fields, maps


def _checked(key: str, value: str, parse: Callable[[str], int]) -> int:
    try:
        return parse(value)
    except ValueError:
        raise ValueError(f"invalid value for {key}: {value}") from None


def _switch(fields: Fields, key: str) -> bool:
    return parse_bool(fields.get(key, "false"))


def _bind(fields: Fields) -> BindOptions | None:
    recursion = fields.get("bind-recursive", "enabled")
    if recursion in ("writable", "readonly") and not _switch(fields, "readonly"):
        raise ValueError(f"option 'bind-recursive={recursion}' requires 'readonly' to be specified in conjunction")
    if recursion == "readonly" and fields.get("bind-propagation") != "rprivate":
        raise ValueError(
            "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"
        )
    options = BindOptions(
        propagation=fields.get("bind-propagation", "").lower(),
        non_recursive=recursion == "disabled" or _switch(fields, "bind-nonrecursive"),
        read_only_non_recursive=recursion == "writable",
        read_only_force_recursive=recursion == "readonly",
    )
    return None if options == BindOptions() else options


def _volume(fields: Fields, maps: dict[str, dict[str, str]]) -> VolumeOptions | None:
    driver: dict[str, object] = {}
    if fields.get("volume-driver"):
        driver["Name"] = fields["volume-driver"]
    if "volume-opt" in maps:
        driver["Options"] = maps["volume-opt"]
    options = VolumeOptions(
        no_copy=_switch(fields, "volume-nocopy"),
        labels=maps.get("volume-label"),
        subpath=fields.get("volume-subpath", ""),
        driver_config=driver or None,
    )
    return None if options == VolumeOptions() else options


def _tmpfs(fields: Fields) -> TmpfsOptions | None:
    size = _checked("tmpfs-size", fields["tmpfs-size"], parse_size) if "tmpfs-size" in fields else 0
    mode = _checked("tmpfs-mode", fields["tmpfs-mode"], _octal) if "tmpfs-mode" in fields else 0
    return TmpfsOptions(size, mode) if size or mode else None


def _octal(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        raise ValueError(text)
    return int(text, 8)
