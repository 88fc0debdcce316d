"""From an index to the one manifest that this host, or ``--platform``, wants. Pure.

An index may list an image for twenty platforms, attestations that are no images, and further indexes. The rule: among
the entries that run here, one of exactly the same variant first, else the first. An index inside an index is looked
into only if nothing in the outer one fits, and three deep at most: nobody nests deeper but to exhaust us.
"""

from __future__ import annotations

from minidock.oci.manifest import INDEXES, MANIFESTS, Descriptor, Index
from minidock.oci.platform import Platform

#: How many indexes may lie inside one another.
DEEPEST = 3


def choose(index: Index, platform: Platform) -> Descriptor | None:
    """Return the entry to follow for *platform*: a manifest or an inner index; ``None`` if nothing fits."""
    manifests = [entry for entry in index.manifests if entry.media_type in MANIFESTS]
    fitting = [entry for entry in manifests if entry.platform is not None and platform.runs(entry.platform)]
    if fitting:
        exact = (entry for entry in fitting if entry.platform and entry.platform.variant == platform.variant)
        return next(exact, fitting[0])
    inner = [entry for entry in index.manifests if entry.media_type in INDEXES]
    inner_fitting = [entry for entry in inner if entry.platform is None or platform.runs(entry.platform)]
    if inner_fitting:
        return inner_fitting[0]
    # A lone manifest that does not say its platform: its configuration will.
    return manifests[0] if len(manifests) == 1 and manifests[0].platform is None else None
