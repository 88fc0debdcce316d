"""JSON to values and back, with the limits that hostile input needs.

A registry, an archive or a file of the store can hold anything. :func:`decode` bounds the size before it parses
(peers cap manifests and configurations at 4 MiB), msgspec bounds the nesting, and unknown fields are ignored, as the
specifications ask.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from minidock.errors import InvalidArgument, InvalidDigest, MinidockError
from minidock.oci.digest import Digest

T = TypeVar("T")

#: The largest JSON document that is parsed, in bytes: a manifest, an index, an image configuration.
LIMIT = 4 << 20


def decode(
    data: bytes, kind: type[T], what: str, *, limit: int = LIMIT, error: type[MinidockError] = InvalidArgument
) -> T:
    """Parse *data* as a value of *kind*.

    :param what: what the bytes are, for the error's message: ``manifest of busybox:latest``.
    :param limit: the largest size that is accepted, in bytes.
    :param error: the class that is raised, with one argument.
    :raises MinidockError: of class *error*, for bytes that are too many, not JSON, or of another shape.
    """
    if len(data) > limit:
        raise error(f"{what}: {len(data)} bytes of JSON, more than the limit of {limit}")
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_from_plain)
    except (msgspec.MsgspecError, InvalidDigest, UnicodeDecodeError, RecursionError) as bad:
        raise error(f"{what}: {bad}") from bad


def encode(value: object) -> bytes:
    """Return *value* as compact JSON; fields keep the order of their definition: equal values give equal bytes."""
    return msgspec.json.encode(value, enc_hook=_to_plain)


def encode_pretty(value: object) -> bytes:
    """Return *value* as JSON with an indentation of two spaces, for files that people read."""
    return msgspec.json.format(encode(value), indent=2) + b"\n"


def _from_plain(kind: type[Any], plain: Any) -> Any:
    if kind is Digest and isinstance(plain, str):
        return Digest(plain)
    raise NotImplementedError(kind)


def _to_plain(value: Any) -> Any:
    if isinstance(value, Digest):
        return str(value)
    raise NotImplementedError(type(value))
