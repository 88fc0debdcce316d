"""``rm``: the row goes first, and with it the name; then the files. A second ``rm`` finishes what a crash left."""

from __future__ import annotations

import os
import select
import signal

from minidock.containers.operation import OperationParts, operation
from minidock.containers.records import Container
from minidock.containers.settle import forget, is_running, settle
from minidock.errors import Conflict, SystemFault
from minidock.store.rows import RunningRow
from minidock.store.state import is_alive
from minidock.store.store import Store

_PATIENCE_MS = 10_000


def remove_container(store: Store, parts: OperationParts, container: Container, force: bool, volumes: bool) -> None:
    """Remove a container, its writable folder, its log, and with *volumes* the volumes that have no name.

    :param force: kill it first, if it runs.
    :raises Conflict: it runs, in Docker's words.
    """
    row = store.state.running.get(container.id)
    if row is not None and is_running(store, row):
        if not force:
            raise Conflict(
                f'cannot remove container "/{container.name}": container is running: '
                "stop the container before removing or force remove"
            )
        await_end(row, force)
    if row is not None:
        errors = settle(store, parts, row, keep_row=True)
        if errors:
            raise errors[0]  # the container stays: it knows what is left of it
    gone = container.extra.anonymous if volumes else ()
    with operation(parts, "remove", container.id):
        for path in (store.layout.container(container.id), store.layout.snapshot(container.snapshot)):
            announce(parts, path)
        for name in gone:
            announce(parts, store.layout.volume(name))
        with store.transaction(f"container {container.name} goes") as rows:
            rows.containers.remove(container.id)
            rows.snapshots.remove(container.snapshot)
            for name in gone:
                rows.volumes.remove(name)  # the commit point of rm
        store.disk.remove(store.layout.container(container.id))
        store.snapshots.discard(container.snapshot)
        for name in gone:
            store.disk.remove(store.layout.volume(name))
        if row is not None and not parts.dry:
            forget(store, container.id)


def announce(parts: OperationParts, path: str) -> None:
    """Write into the journal that *path* is to be removed, whatever happens to us."""
    parts.recorder.call("store.condemn", {"path": path}, lambda: None)


def await_end(row: RunningRow, force: bool) -> None:
    """Wait until a container's monitor has torn down and is gone; with *force* kill the container's first process.

    The process is named by a pidfd whose start time is checked, so that a recycled id is never signalled.

    :raises SystemFault: the monitor does not finish.
    """
    try:
        monitor = os.pidfd_open(row.monitor)
    except ProcessLookupError:
        return
    try:
        if not is_alive(row.monitor, row.monitor_start):
            return
        if force:
            _signal(row.pid, row.start, signal.SIGKILL)
        poll = select.poll()
        poll.register(monitor, select.POLLIN)
        if not poll.poll(_PATIENCE_MS):
            raise SystemFault(f"container {row.id} has ended, and its monitor (pid {row.monitor}) does not end")
    finally:
        os.close(monitor)


def _signal(pid: int, start: int, number: signal.Signals) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(pid, start):
            signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        return
    finally:
        os.close(process)
