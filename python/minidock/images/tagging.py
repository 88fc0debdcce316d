"""An image's names: giving one, and forgetting an image with all of them. In the caller's transaction."""

from __future__ import annotations

import time

import msgspec

from minidock.oci.digest import Digest
from minidock.oci.reference import Reference
from minidock.store.metadata import Tables
from minidock.store.rows import NameRow, ValueRow

_TAGGED = "image.tagged"


def name_image(rows: Tables, image: Digest, reference: Reference) -> None:
    """Let *reference* point to *image*, whatever it pointed to before, and remember when."""
    rows.names.put(NameRow(str(reference), image))
    rows.values.put(ValueRow(_TAGGED, image, msgspec.json.encode(time.time_ns())))


def last_tagged(rows: Tables, image: Digest) -> int:
    """Return when a person last named the image, in nanoseconds since the epoch, 0 if nobody has."""
    row = rows.values.get(_TAGGED, image)
    return msgspec.json.decode(row.value, type=int) if row else 0


def forget_image(rows: Tables, image: Digest) -> None:
    """Remove the rows of one image; its names and its claims on blobs go with it."""
    rows.values.remove(_TAGGED, image)
    rows.images.remove(image)
