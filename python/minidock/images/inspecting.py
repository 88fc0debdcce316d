"""``minidock image inspect`` and ``minidock history``: an image in Docker's words. Pure.

Shapes: Engine API 1.50, ``ImageInspect`` and ``HistoryResponseItem``, as Docker 28.2 answers. Of the configuration's
fields some are always there, null or empty if not set, since clients look for them without asking.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from minidock.api import HistoryItem
from minidock.errors import InvalidArgument
from minidock.images.catalog import Extras, StoredImage
from minidock.images.times import created_ns, format_time
from minidock.oci.image import ExecutionConfig, ImageConfig

_ALWAYS: dict[str, object] = {
    "Cmd": None,
    "Entrypoint": None,
    "Env": None,
    "Labels": None,
    "OnBuild": None,
    "User": "",
    "Volumes": None,
    "WorkingDir": "",
}


class Storage(msgspec.Struct, frozen=True):
    """Where the image is: the snapshots' driver, the layers' folders with the topmost first, and when it last got a
    name, in nanoseconds since the epoch, or 0.
    """

    driver: str
    folders: Sequence[str]
    tagged: int


def inspect_image(image: StoredImage, config: ImageConfig, extras: Extras, storage: Storage) -> dict[str, object]:
    """Return Docker's JSON of an image."""
    row = image.row
    found: dict[str, object] = {
        "Id": str(row.id),
        "RepoTags": [reference.familiar for reference in image.tags],
        "RepoDigests": [reference.familiar for reference in image.digests],
        "Parent": "",
        "Comment": config.history[-1].comment if config.history else "",
    }
    if config.created:
        found["Created"] = config.created
    found |= {
        "DockerVersion": extras.docker_version or "",
        "Author": config.author,
        "Config": execution_config(config.config or ExecutionConfig()),
        "Architecture": config.architecture,
    }
    if config.variant:
        found["Variant"] = config.variant
    found["Os"] = config.os
    if extras.os_version:
        found["OsVersion"] = extras.os_version
    return found | {
        "Size": row.size,
        "GraphDriver": {"Data": _driver_data(storage.folders), "Name": storage.driver},
        "RootFS": {"Type": "layers", "Layers": [str(diff_id) for diff_id in config.rootfs.diff_ids]},
        "Metadata": {"LastTagTime": format_time(storage.tagged) if storage.tagged else "0001-01-01T00:00:00Z"},
    }


def execution_config(config: ExecutionConfig) -> dict[str, object]:
    """Return an image's ``Config`` in Docker's JSON, its fields sorted."""
    said: dict[str, object] = msgspec.json.decode(msgspec.json.encode(config))
    fields = {**_ALWAYS, **said}
    return dict(sorted(fields.items()))


def image_history(image: StoredImage, config: ImageConfig, sizes: Sequence[int]) -> list[HistoryItem]:
    """Return one row for each instruction that made the image, the newest first.

    :param sizes: what each layer adds, the lowest first.
    :raises InvalidArgument: the history names more layers than there are.
    """
    items: list[HistoryItem] = []
    layers = iter(sizes)
    for entry in config.history or ():
        size = 0 if entry.empty_layer else next(layers, None)
        if size is None:
            raise InvalidArgument("too many non-empty layers in History section")
        created = created_ns(entry.created) // 10**9
        items.append(HistoryItem("<missing>", created, entry.created_by, None, size, entry.comment))
    items.reverse()
    if items:
        tags = tuple(reference.familiar for reference in image.tags)
        items[0] = msgspec.structs.replace(items[0], id=image.row.id, tags=tags or None)
    return items


def _driver_data(folders: Sequence[str]) -> dict[str, str]:
    if not folders:
        return {}
    data = {"UpperDir": folders[0]}
    if len(folders) > 1:
        data["LowerDir"] = ":".join(folders[1:])
    return data
