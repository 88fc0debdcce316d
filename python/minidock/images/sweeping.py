"""After an image is gone: the layers and blobs that only it needed.

What may go is decided by the store's own collector (:func:`minidock.store.gc.mark`): it knows of other images, of
containers and of leases. Here only the image's own things are taken from its answer, so that ``rmi``
frees space at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from minidock.oci.digest import Digest
from minidock.store.snapshots import layer_key
from minidock.store.store import Store
from minidock.store.sweep import decide


def sweep_image(store: Store, chains: Iterable[Digest], blobs: Iterable[Digest]) -> list[Digest]:
    """Remove what nobody needs any more of the layers *chains*, the lowest first, and of *blobs*.

    :return: the layers that went, the topmost first.
    """
    by_key = {layer_key(chain): chain for chain in chains}
    wanted = {("snapshot", key) for key in by_key} | {("blob", digest.hex) for digest in blobs}
    with store.scratch("rmi") as doomed, store.locks.exclusive("gc"):
        going = [each for each in decide(store) if each.goes and (each.kind, each.name) in wanted]
        keys = [each.name for each in going if each.kind == "snapshot"]  # children first
        if keys:
            with store.transaction("layers go") as rows:
                for key in keys:
                    rows.snapshots.remove(key)
        for key in keys:  # without a row it is garbage, whatever happens from here on
            if os.path.lexists(store.layout.snapshot(key)):
                store.disk.publish(store.layout.snapshot(key), f"{doomed.path}/{key}", undo=False)
        for each in going:
            if each.kind == "blob":
                store.disk.remove(store.layout.blob(Digest.from_hex(each.name)))
    return [by_key[key] for key in keys]
