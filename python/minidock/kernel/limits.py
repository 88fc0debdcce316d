"""How large an archive may be: a hostile one stops here, long before the machine does.

A layer's size is bounded by what it compresses to: a real layer is two to ten times as large as its blob, ten megabytes
of zeros are a thousand times as large as theirs. So a blob may become ``base`` bytes in any case, and ``ratio`` bytes
more for each of its own; a plain tar never meets this limit. Both twins hold all of them.
"""

from __future__ import annotations

import msgspec


class LayerLimits(msgspec.Struct, frozen=True):
    """The limits of one pass over an archive.

    ``entries`` is their number; ``names`` the bytes of all names and link targets together; ``base`` and ``ratio`` say
    how many bytes of tar a blob may become: ``base + ratio * size of the blob``.
    """

    entries: int = 4_000_000
    names: int = 512 << 20
    base: int = 1 << 30
    ratio: int = 200


LIMITS = LayerLimits()
