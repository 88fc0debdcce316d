"""From what a person typed to an image: names, digests, ids, short ids, and the aliases of the bootstrap images.

The first rule that finds something wins:

1. ``sha256:…`` or 64 hexadecimal digits: that id
2. a name: with its tag (``latest`` if left out), or with its digest
3. the first digits of exactly one id
4. a bare name such as ``busybox`` that nothing else has: ``minidock.local/busybox:latest``

Rule 4 is last on purpose: whoever pulls or tags a real ``busybox`` gets it from then on. It holds for bare names only;
``docker.io/library/busybox`` and ``busybox:1.36`` never mean ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from minidock.errors import InvalidDigest, InvalidReference
from minidock.oci.digest import Digest
from minidock.oci.reference import Reference, parse_reference

#: The registry part of the bootstrap images' names.
LOCAL = "minidock.local"
#: The short names that stand for one of them.
ALIASES = frozenset({"busybox", "host", "tiny", "debian"})

_HEX = frozenset("0123456789abcdef")


class Known(Protocol):
    """What is there to be found."""

    def named(self, name: str) -> Digest | None:
        """Return the id of the image with this full name, such as ``docker.io/library/busybox:latest``, or ``None``."""

    def starting(self, digits: str) -> Sequence[Digest]:
        """Return the ids that begin with these hexadecimal digits."""


class Names(msgspec.Struct, frozen=True):
    """:class:`Known` from values in memory."""

    names: Mapping[str, Digest]
    ids: Sequence[Digest]

    def named(self, name: str) -> Digest | None:
        return self.names.get(name)

    def starting(self, digits: str) -> Sequence[Digest]:
        return [image for image in self.ids if image.hex.startswith(digits)]


def resolve(text: str, known: Known) -> Digest | None:
    """Return the id of the image that *text* means, or ``None``. Pure.

    :raises InvalidReference: *text* is neither a name nor an id.
    """
    digits = text.removeprefix("sha256:")
    is_id = text != "" and _HEX.issuperset(digits)
    if is_id and len(digits) == 64:
        found = known.starting(digits)
        return found[0] if found else None
    try:
        reference = parse_reference(text)
    except InvalidReference:
        if not is_id or not digits:
            raise
    else:
        if image := _by_name(reference, known):
            return image
    if is_id:
        found = known.starting(digits)
        if len(found) == 1:
            return found[0]
    return known.named(str(alias(text))) if text in ALIASES else None


def alias(kind: str) -> Reference:
    """Return the full name of a bootstrap image."""
    return Reference(LOCAL, kind, "latest")


def not_found(text: str) -> str:
    """Return Docker's message for an image that is not there."""
    try:
        return f"No such image: {Digest(text)}"
    except InvalidDigest:
        return f"No such image: {parse_reference(text).familiar}"


def _by_name(reference: Reference, known: Known) -> Digest | None:
    if reference.digest is None:
        return known.named(str(reference))
    if image := known.named(str(reference.with_digest(reference.digest))):
        return image
    found = known.starting(reference.digest.hex)  # name@id works in Docker too
    return found[0] if found else None
