"""Content digests: ``sha256:`` and 64 hexadecimal digits.

Source: image-spec, descriptor.md, "Digests". Only ``sha256`` is accepted: it is the one algorithm that every registry
and every image uses, and a digest becomes a path in the store, so that its form must be known exactly.
"""

from __future__ import annotations

from minidock.errors import InvalidDigest

_HEX = frozenset("0123456789abcdef")


class Digest(str):
    """A checked digest. It is a string, so it prints, sorts and encodes as itself.

    :raises InvalidDigest: anything but ``sha256:`` and 64 lower-case hexadecimal digits.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Digest:
        algorithm, _, digits = text.partition(":")
        if algorithm != "sha256":
            raise InvalidDigest(f"unsupported digest {text[:80]!r}", "only sha256 digests are supported")
        if len(digits) != 64 or not _HEX.issuperset(digits):
            raise InvalidDigest(f"invalid digest {text[:80]!r}", "a digest is sha256: and 64 lower-case hex digits")
        return super().__new__(cls, text)

    @classmethod
    def from_hex(cls, digits: str) -> Digest:
        """Make a digest from 64 hexadecimal digits, as ``hashlib`` returns them."""
        return cls("sha256:" + digits)

    @property
    def hex(self) -> str:
        """The 64 digits, the name of the blob's file in the store."""
        return self[7:]

    @property
    def short(self) -> str:
        """The first 12 digits, as Docker's tables show an id."""
        return self[7:19]
