"""A container as it is kept: the request with everything filled in, and what was decided when it was created.

The row's columns are the store's (:class:`~minidock.store.rows.ContainerRow`); its JSON documents are read and written
here and nowhere else.
"""

from __future__ import annotations

import msgspec

from minidock.api import ContainerConfig, CreateRequest, EndpointRequest, HostConfig
from minidock.containers.binds import MountPoint
from minidock.containers.users import ResolvedUser
from minidock.errors import StoreDamaged
from minidock.oci.codec import decode, encode
from minidock.store.rows import ContainerRow

Networks = dict[str, EndpointRequest]


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What ``create`` found out: the user, the mount points, and where each volume's files are on the host."""

    user: ResolvedUser
    points: tuple[MountPoint, ...] = ()
    volumes: dict[str, str] = {}
    anonymous: tuple[str, ...] = ()


class Container(msgspec.Struct, frozen=True):
    """One container. ``created`` is in nanoseconds since the epoch, ``image`` the image's id."""

    id: str
    name: str
    image: str
    image_name: str
    created: int
    snapshot: str
    config: ContainerConfig
    host: HostConfig
    networks: Networks
    extra: Extra

    @property
    def request(self) -> CreateRequest:
        """The request that would make this container again."""
        return CreateRequest(self.config, self.host, self.name, None, self.networks)

    @property
    def hostname(self) -> str:
        """The host name inside: the one asked for, or the first 12 digits of the id."""
        return self.config.hostname or self.id[:12]


def to_row(container: Container) -> ContainerRow:
    """Return the container's row."""
    return ContainerRow(
        id=container.id,
        name=container.name,
        image=container.image,
        image_name=container.image_name,
        created=container.created,
        snapshot=container.snapshot,
        config=encode(container.config),
        host=encode(container.host),
        networks=encode(container.networks),
        extra=encode(container.extra),
    )


def from_row(row: ContainerRow) -> Container:
    """Return the container of a row.

    :raises StoreDamaged: a document of the row is not what this version writes.
    """
    what = f"container {row.id}"
    return Container(
        row.id,
        row.name,
        row.image,
        row.image_name,
        row.created,
        row.snapshot or row.id,
        decode(row.config, ContainerConfig, what, error=StoreDamaged),
        decode(row.host, HostConfig, what, error=StoreDamaged),
        decode(row.networks, Networks, what, error=StoreDamaged),
        decode(row.extra, Extra, what, error=StoreDamaged),
    )
