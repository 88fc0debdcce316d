"""Collecting the facts on which garbage collection and ``system check`` decide: rows, names of files, held locks."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Container, Iterator

import msgspec

from minidock.store.gc import Facts, Item
from minidock.store.leases import holds
from minidock.store.locks import STANDING, lock_file
from minidock.store.scratch import is_abandoned
from minidock.store.state import is_alive
from minidock.store.store import Store
from minidock.store.tree import mounts_below


def gather(store: Store) -> Facts:
    """Collect the facts. Under the lock ``gc`` they stay true; without it they are a snapshot for the eye."""
    layout, rows = store.layout, store.rows
    # Leases before rows: a pull ends its lease when its rows are there, so that one of the two is seen.
    leases, lease_refs = store.leases.all(), store.leases.refs()
    running = store.state.running.all()
    return Facts(
        images=tuple(rows.images.all()),
        names=tuple(rows.names.all()),
        blob_refs=tuple(rows.blobs.all()),
        snapshots=tuple(rows.snapshots.all()),
        containers=tuple(rows.containers.all()),
        leases=tuple(leases),
        holding=frozenset(row.id for row in leases if holds(row)),
        lease_refs=tuple(lease_refs),
        running=tuple(row.id for row in running),
        alive=frozenset(r.id for r in running if is_alive(r.pid, r.start) or is_alive(r.monitor, r.monitor_start)),
        mounted=frozenset(_second_name(layout.root, mount) for mount in mounts_below(layout.root)),
        blobs=tuple(_items(f"{layout.root}/blobs/sha256")),
        parts=tuple(_items(layout.ingest, is_locked)),
        snapshot_folders=tuple(_items(f"{layout.root}/snapshots")),
        container_folders=tuple(_items(f"{layout.root}/containers")),
        scratch=tuple(_items(layout.tmp, lambda path: not is_abandoned(path))),
        journals=tuple(journals(store)),
        netns=tuple(_items(f"{layout.run}/netns")),
        run_folders=tuple(_items(f"{layout.run}/containers")),
        locks=tuple(_items(store.locks.folder, is_locked, STANDING)),
    )


def journals(store: Store) -> Iterator[Item]:
    """Return the journals of this root; those that are not busy have a dead writer.

    A journal is born as ``*.new`` and locked a moment later: until it is a minute old, it counts as locked.
    """
    for item in _items(store.layout.journals, is_locked):
        unborn = item.name.endswith(".new") and item.age < 60
        yield msgspec.structs.replace(item, busy=item.busy or unborn)


def is_locked(path: str) -> bool:
    """Say whether somebody holds the file *path* locked."""
    try:
        os.close(lock_file(path, os.O_RDONLY | os.O_NONBLOCK, fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False


def _second_name(root: str, path: str) -> str:
    """``<root>/snapshots/<name>/fs`` → ``<name>``."""
    parts = path[len(root) + 1 :].split("/")
    return parts[1] if len(parts) > 1 else ""


def _items(folder: str, busy: Callable[[str], bool] = lambda _: False, without: Container[str] = ()) -> Iterator[Item]:
    """Yield what is in *folder*. Looking whether a lock is held takes it for a moment: not so for *without*."""
    now = time.time()
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return  # a dry run on a root that does not exist yet
    for entry in entries:
        if entry.name in without:
            continue
        try:
            info = entry.stat(follow_symlinks=False)
            yield Item(entry.name, busy(entry.path), now - info.st_mtime, info.st_size)
        except FileNotFoundError:
            continue  # it went while we looked
