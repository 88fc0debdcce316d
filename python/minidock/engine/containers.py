"""Containers of one engine: :class:`minidock.api.Containers` over the feature's parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from minidock.api import ContainerSummary, CreateRequest, Progress, Ran, RunOptions, Streams
from minidock.containers.create import Creation, Creator, UsableImage
from minidock.containers.find import find_container
from minidock.containers.inspection import inspect_container
from minidock.containers.listing import Status, check_filters, matches, status_of, summary_of
from minidock.containers.operation import OperationParts
from minidock.containers.records import Container, from_row
from minidock.containers.remove import await_end, remove_container
from minidock.containers.settle import is_running, read_exit, settle, settle_unstarted
from minidock.containers.start import Starter
from minidock.engine.images import ImageSource
from minidock.engine.run import run
from minidock.kernel.dry import DryRunEnd
from minidock.oci.platform import Platform
from minidock.runtime.monitor import Launching
from minidock.store.leases import Lease
from minidock.store.store import Store


class EngineContainers:
    """What an engine can do with containers."""

    def __init__(
        self,
        store: Store,
        parts: OperationParts,
        creator: Creator,
        starter: Starter,
        images: ImageSource,
        release: Callable[[str], None],
    ) -> None:
        self._release = release
        self._store = store
        self._parts = parts
        self._creator = creator
        self._starter = starter
        self._images = images

    # --- the parts of run ---

    def lease(self, why: str) -> Lease:
        return self._store.lease(why)

    def usable_image(
        self, name: str, platform: Platform | None, pull: str, progress: Progress, lease: Lease
    ) -> UsableImage:
        return self._images.usable(name, platform, pull, progress, lease)

    def create(self, request: CreateRequest, image: UsableImage) -> Creation:
        return self._creator.create(request, image, transient=request.host.auto_remove)

    def start(self, container: Container) -> Launching:
        return self._starter.start(container)

    def ended(self, container: Container, started: bool) -> None:
        row = self._store.state.running.get(container.id)
        if not started:
            settle_unstarted(self._store, self._parts, container.id)
        elif row is not None:
            if is_running(self._store, row):
                await_end(row, force=False)  # its monitor was killed, and is on its way out
            settle(self._store, self._parts, row, keep_row=container.host.auto_remove)
        if not self._parts.dry:
            self._release(container.id)

    def discard(self, container: Container) -> None:
        remove_container(self._store, self._parts, container, force=True, volumes=True)

    # --- api.Containers ---

    def run(self, request: CreateRequest, options: RunOptions, streams: Streams, progress: Progress) -> Ran:
        try:
            return run(self, request, options, streams, progress)
        except DryRunEnd as end:
            progress.status("", f"dry run: {end}")
            return Ran("")

    def list(
        self, all: bool, filters: Mapping[str, Sequence[str]], limit: int, size: bool
    ) -> Sequence[ContainerSummary]:
        check_filters(filters)
        containers = sorted((from_row(row) for row in self._store.rows.containers.all()), key=lambda c: c.created)
        order = [container.id for container in containers]
        now = time.time_ns()
        rows = []
        for container in reversed(containers):
            status = self._status(container)
            shown = all or limit > 0 or "status" in filters or status.state == "running"
            if shown and matches(container, status, filters, order):
                rows.append(summary_of(container, status, now, self._sizes(container) if size else None))
        return rows[:limit] if limit > 0 else rows

    def remove(self, container: str, force: bool, volumes: bool) -> None:
        found = find_container(self._store, container)
        remove_container(self._store, self._parts, found, force, volumes)
        if not self._parts.dry:
            self._release(found.id)  # of one that ran: its address and ports can be somebody else's now

    def inspect(self, container: str, size: bool = False) -> dict[str, object]:
        found = find_container(self._store, container)
        exited = read_exit(self._store, found.id)
        shown = inspect_container(found, self._store.state.running.get(found.id), exited, self._store.layout)
        return shown | dict(zip(("SizeRw", "SizeRootFs"), self._sizes(found), strict=True)) if size else shown

    def _status(self, container: Container) -> Status:
        running = self._store.state.running.get(container.id)
        return status_of(container, running.began if running else None, read_exit(self._store, container.id))

    def _sizes(self, container: Container) -> tuple[int, int]:
        """The bytes of the writable folder, and of all layers below it."""
        from minidock.store.tree import measure_tree

        own = measure_tree(f"{self._store.layout.snapshot(container.snapshot)}/fs").size
        row = self._store.rows.snapshots.get(container.snapshot)
        below = 0
        while row is not None and row.parent is not None:
            row = self._store.rows.snapshots.get(row.parent)
            below += row.size if row else 0
        return own, own + below
