"""``minidock image bootstrap``: from a tree that a recipe made to an image with a name.

The layer is archived by the Layers port, where equal trees give equal bytes, and kept uncompressed: so the image's id
and its manifest depend on the files alone, not on a compressor.
"""

from __future__ import annotations

import os

from minidock.api import Progress
from minidock.errors import InvalidArgument
from minidock.images.archive.spool import Spool
from minidock.images.bootstrap.choose import KINDS, make_root
from minidock.images.bootstrap.recipe import Workshop
from minidock.images.bootstrap.tree import source_date
from minidock.images.import_ import OneLayer, accept_layer
from minidock.images.resolve import alias
from minidock.images.times import format_time
from minidock.kernel.ports import Layers
from minidock.oci.image import History
from minidock.oci.reference import Reference
from minidock.store.store import Store


def bootstrap_image(store: Store, layers: Layers, kind: str, progress: Progress) -> Reference:
    """Make an image of *kind* from what this machine has; return its name.

    :raises InvalidArgument: there is no such kind.
    :raises MinidockError: it cannot be made here; the message says what is missing.
    """
    if kind not in KINDS:
        raise InvalidArgument(f"unknown kind of image {kind!r}", f"choose one of {', '.join(KINDS)}")
    epoch = source_date()
    with store.scratch("bootstrap") as scratch:
        tar = f"{scratch.path}/layer.tar"
        if store.dry:
            layers.make(f"{scratch.path}/{kind}", tar, "none", "delete")  # recorded; here the dry run ends
        root = make_root(kind, Workshop(scratch.path, layers, os.environ, epoch))
        diff_id = layers.make(root.folder, tar, "none", "delete").diff_id
        name = alias(root.name)
        history = History(created=format_time(epoch * 10**9), created_by=root.created_by, comment="minidock bootstrap")
        with Spool(os.open(tar, os.O_RDONLY | os.O_CLOEXEC)) as plain:
            made = OneLayer(root.config, history, (name,))
            accept_layer(store, layers, plain, diff_id, made, f"bootstrap {root.name}", progress)
    return name
