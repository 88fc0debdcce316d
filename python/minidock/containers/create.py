"""``create``: from a request and an image to a container that could be started. One durable commit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec

from minidock.api import CreateRequest
from minidock.containers.binds import MountPoint, mount_points
from minidock.containers.devices import device_numbers, devices_of
from minidock.containers.find import find_by_name
from minidock.containers.foreign import find_runtime
from minidock.containers.merge import merge_config
from minidock.containers.mounts import all_mounts
from minidock.containers.names import check_name, made_up_name, new_id
from minidock.containers.operation import OperationParts, operation, promise_removal
from minidock.containers.records import Container, Extra, to_row
from minidock.containers.resources import resources_of
from minidock.containers.security import parse_security_options, security_of
from minidock.containers.users import ResolvedUser, resolve_user
from minidock.containers.validate import check_request
from minidock.errors import Conflict, Unsupported
from minidock.kernel.ports import Mounts
from minidock.oci.digest import Digest
from minidock.oci.image import ExecutionConfig
from minidock.runtime.cgroups.choose import choose_cgroup
from minidock.runtime.cgroups.host import CgroupHost
from minidock.store.metadata import transaction
from minidock.store.rows import VolumeRow
from minidock.store.store import Store
from minidock.trace.journal import Journal

_ATTEMPTS = 8
_LIMIT = 10 << 20


class UsableImage(msgspec.Struct, frozen=True):
    """An image that is in the store with all its layers; *chain* is its topmost layer, ``None`` if it has none."""

    id: Digest
    name: str
    config: ExecutionConfig
    chain: Digest | None


class Creation(msgspec.Struct, frozen=True):
    """A new container, and Docker's warnings about it; for one that is to go with its run, the promise to remove it."""

    container: Container
    warnings: tuple[str, ...]
    promise: Journal | None = None


class PreparedVolumes(Protocol):
    """Volumes that are made: rows to add, a host folder for each destination, and the names that were made up."""

    @property
    def rows(self) -> tuple[VolumeRow, ...]: ...
    @property
    def sources(self) -> dict[str, str]: ...
    @property
    def anonymous(self) -> tuple[str, ...]: ...


class VolumePeer(Protocol):
    """What creation needs of the volumes."""

    def prepare(self, points: Sequence[MountPoint], open_folder: Callable[[str], int | None]) -> PreparedVolumes:
        """Make the folders of all volumes that are new."""


class Creator:
    """Makes containers.

    :param why_single: why this user has one identity only, and with it all containers; empty if there are more.
    """

    def __init__(
        self,
        store: Store,
        mounts: Mounts,
        volumes: VolumePeer,
        cgroups: CgroupHost,
        parts: OperationParts,
        why_single: str = "",
    ) -> None:
        self._store = store
        self._volumes = volumes
        self._mounts = mounts
        self._cgroups = cgroups
        self._parts = parts
        self._why_single = why_single

    def create(self, request: CreateRequest, image: UsableImage, transient: bool = False) -> Creation:
        """Make a container; it is there whole, or not at all.

        :param transient: it is to go with the command that makes it, however that ends; the caller ends the promise.
        :raises InvalidArgument: the request makes no sense.
        :raises Conflict: the name is taken.
        """
        if request.name:
            check_name(request.name)
        points, warnings = self.check(request, image)
        config = merge_config(request.config, image.config)
        id = new_id()
        container = Container(
            id,
            request.name.removeprefix("/"),
            image.id,
            image.name,
            time.time_ns(),
            id,
            config,
            request.host,
            request.networks,
            Extra(self._user(config.user, request.host.group_add, image)),
        )
        promise = promise_removal(self._parts, id) if transient else None
        try:
            with operation(self._parts, "create", id), self._store.locks.shared("gc"):
                return Creation(self._commit(container, image, points), warnings, promise)
        except BaseException:
            if promise is not None:
                promise.leave()  # the next engine looks whether there is anything to remove
            raise

    def check(self, request: CreateRequest, image: UsableImage) -> tuple[Sequence[MountPoint], tuple[str, ...]]:
        """Refuse whatever can be refused before anything is done; return the mount points and Docker's warnings."""
        check_request(request, os.cpu_count() or 1)
        find_runtime(request.host.runtime, os.environ.get("PATH", os.defpath))
        volumes: dict[str, object] = {**(image.config.volumes or {}), **(request.config.volumes or {})}
        points = mount_points(request.host, volumes)
        all_mounts((), {}, points, {point.destination: "" for point in points})
        security_of(request.host, parse_security_options(request.host.security_opt), 0)
        _, rules = devices_of(request.host)
        resources = resources_of(request.host, rules, device_numbers)
        _, warnings = choose_cgroup(self._cgroups, "/check", resources, _read)
        return points, warnings

    def _commit(self, container: Container, image: UsableImage, points: Sequence[MountPoint]) -> Container:
        self._store.disk.folder(self._store.layout.container(container.id))
        snapshot = self._store.snapshots.writable(container.id, image.chain)
        with self._image_root(image) as root:
            volumes = self._volumes.prepare(
                points, lambda path: None if root is None else self._mounts.open_folder(root, path)
            )
        extra = msgspec.structs.replace(
            container.extra, volumes=volumes.sources, anonymous=volumes.anonymous, points=tuple(points)
        )
        container = msgspec.structs.replace(container, extra=extra)
        for attempt in range(_ATTEMPTS):
            named = container if container.name else msgspec.structs.replace(container, name=made_up_name(attempt))
            if container.name:
                self._refuse_taken(container.name)
            try:
                with transaction(self._store.metadata, f"container {named.name}") as rows:
                    for volume in volumes.rows:
                        rows.volumes.add(volume)
                    rows.snapshots.add(snapshot)
                    rows.containers.add(to_row(named))  # the commit point of create
            except Conflict:
                if container.name:
                    self._refuse_taken(named.name)
                    raise
                continue
            return named
        raise Conflict("no free name was found for the container", "give it one with --name")

    def _refuse_taken(self, name: str) -> None:
        if taken := find_by_name(self._store, name):
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{taken.id}". You have to '
                "remove (or rename) that container to be able to reuse that name."
            )

    def _user(self, user: str, groups: tuple[str, ...], image: UsableImage) -> ResolvedUser:
        with self._image_root(image) as root:
            found = resolve_user(
                user, groups, lambda path: None if root is None else self._mounts.read_file(root, path, _LIMIT)
            )
        if self._why_single and (found.uid or found.gid):
            raise Unsupported(
                f"user {found.uid}:{found.gid}: this namespace has one identity only, root",
                f"because {self._why_single}; with a range, end the holder by `minidock system release` first",
            )
        return found

    @contextmanager
    def _image_root(self, image: UsableImage) -> Iterator[int | None]:
        """Open the image's tree for reading, mounted nowhere; ``None`` for an image without layers."""
        if image.chain is None:
            yield None
            return
        options = ("userxattr",) if self._store.snapshots.driver == "userxattr" else ()
        root = self._mounts.view(self._store.snapshots.layers_of(image.chain), options)
        try:
            yield root
        finally:
            os.close(root)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None
