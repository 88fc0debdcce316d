"""One layer: from its blob in the store to a snapshot. Shared by every door through which images come.

::

    blob ──Layers.apply──▶ a folder that nobody else knows ──diffID right?──▶ all layers of an image committed at once
                                   │ no
                                   └──▶ removed; nothing has happened

Layers are applied from the lowest up, each once: what is there already, from another image, or from another process
that did the same work meanwhile, is not made again. The tar is checked while it is unpacked: its digest, computed in
the same pass, must be the diffID that the image's configuration gives.
"""

from __future__ import annotations

from types import TracebackType

from minidock.errors import DigestMismatch, StoreDamaged
from minidock.images.verify import LayerPlan
from minidock.kernel.ports import Layers
from minidock.store.leases import Lease
from minidock.store.snapshots import PreparedLayer, Snapshots


class Unpacker:
    """Applies the layers of one image. Its ``with`` block removes what was not committed.

    :param layers: the port; a dry one ends the dry run at the first layer that is not there.
    """

    def __init__(self, snapshots: Snapshots, layers: Layers, lease: Lease) -> None:
        self._snapshots = snapshots
        self._layers = layers
        self._lease = lease
        self._prepared: list[PreparedLayer] = []

    def apply(self, layer: LayerPlan, source: str) -> bool:
        """Apply one layer from its blob's file *source*; say whether there was anything to do.

        :raises DigestMismatch: the tar has another digest than the image says.
        :raises StoreDamaged: the blob's bytes are not what they were when it was stored.
        :raises InvalidArchive: the archive breaks its format, or wants to leave its folder.
        """
        prepared = self._snapshots.prepare_layer(self._lease, layer.chain_id, layer.parent)
        if prepared is None:
            return False
        self._prepared.append(prepared)
        # Like every engine we look at the bytes: media types in the wild do not always tell the compression.
        applied = self._layers.apply(source, prepared.path, "auto", self._snapshots.whiteouts)
        if applied.blob != layer.blob.digest:  # it was right when it came into the store
            raise StoreDamaged(
                f"blob {layer.blob.digest} is damaged: its bytes have the digest {applied.blob}",
                "run `minidock system check --repair`, then try again",
            )
        if applied.diff_id != layer.diff_id:
            raise DigestMismatch(f"layer {layer.blob.digest}, uncompressed", layer.diff_id, applied.diff_id)
        prepared.size = applied.size
        return True

    def commit(self) -> None:
        """Make all applied layers official: the commit point of the layers, not yet of the image."""
        self._snapshots.commit(self._prepared)
        self._prepared.clear()

    def __enter__(self) -> Unpacker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for prepared in reversed(self._prepared):
            prepared.abort()
