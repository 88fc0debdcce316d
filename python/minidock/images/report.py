"""What a pull tells its user, in Docker's words and order; safe to use from several threads.

Each layer goes through these states; its id is the first 12 digits of its blob's digest::

    Already exists
    Pulling fs layer ─▶ (Waiting) ─▶ Downloading ─▶ Verifying Checksum ─▶ Download complete
                                                                       ─▶ Extracting ─▶ Pull complete
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minidock.images.download import PARALLEL
from minidock.oci.digest import Digest
from minidock.oci.manifest import Descriptor
from minidock.oci.reference import Reference

if TYPE_CHECKING:
    from minidock.api import Progress

#: "Downloading" is said again after so many new bytes, or so large a part of the blob.
_STEP, _PARTS = 256 << 10, 100


class Report:
    """Passes states on to *progress*, one at a time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._said: dict[Digest, int] = {}

    def pulling(self, reference: Reference) -> None:
        """The first line: ``latest: Pulling from library/busybox``."""
        self._say(str(reference.digest or reference.tag), f"Pulling from {reference.repository}")

    def layers(self, blobs: Sequence[Descriptor], missing: Sequence[Descriptor]) -> None:
        """Name all layers: those that are there, those that come, and those that wait for their turn."""
        absent = {blob.digest for blob in missing}
        for blob in blobs:
            self._say(blob.digest.short, "Pulling fs layer" if blob.digest in absent else "Already exists")
        for blob in list(dict.fromkeys(missing))[PARALLEL:]:
            self._say(blob.digest.short, "Waiting")

    def downloading(self, blob: Descriptor, have: int) -> None:
        """So many bytes are there."""
        said = self._said.get(blob.digest)
        if said is None or have < said or have - said >= max(_STEP, blob.size // _PARTS):
            self._said[blob.digest] = have
            self._say(blob.digest.short, "Downloading", have, blob.size)

    def state(self, blob: Descriptor, status: str, total: int = 0) -> None:
        """A layer has come into this state."""
        self._say(blob.digest.short, status, 0, total)

    def finished(self, reference: Reference, target: Digest, new: bool) -> None:
        """The last two lines."""
        self._say("", f"Digest: {target}")
        words = "Downloaded newer image for" if new else "Image is up to date for"
        self._say("", f"Status: {words} {reference.familiar}")

    def _say(self, id: str, status: str, current: int = 0, total: int = 0) -> None:
        with self._lock:
            self._progress.status(id, status, current, total)
