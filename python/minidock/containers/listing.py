"""What ``ps`` shows: rows of the metadata, what runs, and how the others ended, joined. Pure, but for two readers."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence

import msgspec

from minidock.api import ContainerSummary
from minidock.containers.ages import show_age
from minidock.containers.merge import command_line, quoted_command
from minidock.containers.records import Container
from minidock.containers.state import CREATED, EXITED, RUNNING
from minidock.errors import InvalidArgument
from minidock.kernel.protocol import Exited

_SECOND = 1_000_000_000


class Status(msgspec.Struct, frozen=True):
    """A container's state: since when (ns since the epoch), with which exit code."""

    state: str
    since: int
    exit_code: int = 0


def status_of(container: Container, running_since: int | None, exited: Exited | None) -> Status:
    """Decide a container's state from what runs and how it last ended."""
    if running_since is not None:
        return Status(RUNNING, running_since)
    if exited is not None:
        return Status(EXITED, exited.ended, exited.code)
    return Status(CREATED, container.created)


def status_text(status: Status, now: int) -> str:
    """Return Docker's words: ``Up 3 minutes``, ``Exited (0) 2 hours ago``, ``Created``."""
    ago = show_age((now - status.since) / _SECOND)
    if status.state == RUNNING:
        return f"Up {ago}"
    if status.state == EXITED:
        return f"Exited ({status.exit_code}) {ago} ago"
    return status.state.capitalize()


def summary_of(
    container: Container, status: Status, now: int, sizes: tuple[int, int] | None = None
) -> ContainerSummary:
    """Return one row of ``ps``; *sizes* are the bytes of its own files, and of all its files."""
    return ContainerSummary(
        id=container.id,
        names=(f"/{container.name}",),
        image=container.image_name,
        image_id=container.image,
        command=quoted_command(command_line(container.config)),
        created=container.created // _SECOND,
        state=status.state,
        status=status_text(status, now),
        labels=container.config.labels or {},
        network_mode=container.host.network_mode or "default",
        mounts=tuple({"Type": "volume", "Destination": path} for path in container.extra.volumes),
        size_rw=sizes[0] if sizes else None,
        size_root_fs=sizes[1] if sizes else None,
    )


#: The filters of ``ps`` that this engine knows.
FILTERS = frozenset({"id", "name", "label", "status", "ancestor", "exited", "before", "since", "volume", "network"})


def check_filters(filters: Mapping[str, Sequence[str]]) -> None:
    """Refuse unknown filters, in Docker's words.

    :raises InvalidArgument: one is unknown.
    """
    for name in filters:
        if name not in FILTERS:
            raise InvalidArgument(f"invalid filter '{name}'")


def matches(container: Container, status: Status, filters: Mapping[str, Sequence[str]], order: Sequence[str]) -> bool:
    """Say whether the container passes all filters; several values of one filter are alternatives, but of labels.

    :param order: the ids of all containers, the oldest first, for ``before`` and ``since``.
    """
    labels = container.config.labels or {}
    for name, values in filters.items():
        if name == "label":
            passed = all(_has_label(labels, value) for value in values)
        else:
            passed = any(_matches(container, status, name, value, order) for value in values)
        if not passed:
            return False
    return True


def _has_label(labels: Mapping[str, str], value: str) -> bool:
    key, equals, wanted = value.partition("=")
    return key in labels and (not equals or labels[key] == wanted)


def _matches(container: Container, status: Status, name: str, value: str, order: Sequence[str]) -> bool:
    if name == "id":
        return container.id.startswith(value)
    if name == "name":
        return value.lstrip("/") in container.name or fnmatch.fnmatch(container.name, value.lstrip("/"))
    if name == "status":
        return status.state == value
    if name == "exited":
        return status.state == EXITED and str(status.exit_code) == value
    if name == "ancestor":
        return value in (container.image_name, container.image, container.image.removeprefix("sha256:")[: len(value)])
    if name == "volume":
        return value in container.extra.volumes or any(value in path for path in container.extra.volumes.values())
    if name == "network":
        return value == (container.host.network_mode or "default") or value in container.networks
    at = next((i for i, key in enumerate(order) if key.startswith(value)), None)
    if at is None:
        raise InvalidArgument(f"No such container: {value}")
    own = order.index(container.id)
    return own < at if name == "before" else own > at
