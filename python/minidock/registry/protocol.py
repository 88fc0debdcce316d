"""The distribution protocol without a network: requests for manifests, blobs and tags, and what their answers mean.

::

    GET /v2/<name>/manifests/<tag or digest>    a manifest or an index; its digest is computed here, never believed
    GET /v2/<name>/blobs/<digest>               a blob; with ``Range: bytes=N-`` the rest of one
    GET /v2/<name>/tags/list                    the tags

A blob's answer has one of these meanings (``judge_blob``)::

    we have N of S bytes    answer                           meaning
    N = 0                   200                              the blob, from its first byte
    N > 0                   206, Content-Range: bytes N-…/S  the rest: append
    N > 0                   200                              the server knows no ranges: begin again at 0
    N > 0                   416                              the server does not have byte N: drop ours, ask again
    any                     another length or range          a lie: refuse

Source: distribution-spec, "Pulling manifests", "Pulling blobs"; RFC 9110, section 14.
"""

from __future__ import annotations

import hashlib
from urllib.parse import urljoin, urlsplit

import msgspec

from minidock.errors import DigestMismatch, InvalidDigest, RegistryError
from minidock.oci.codec import LIMIT, decode
from minidock.oci.digest import Digest
from minidock.oci.manifest import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from minidock.registry.messages import Headers, Reply, Request, origin, printable

#: Every kind of document that can lead to an image.
ACCEPT = ", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX))


class Document(msgspec.Struct, frozen=True):
    """A manifest or an index as it came: its bytes are what *digest* says. Not parsed yet."""

    media_type: str
    digest: Digest
    data: bytes


class Body(msgspec.Struct, frozen=True):
    """Where an answer's body belongs: from byte *start* on, *length* bytes of it."""

    start: int
    length: int


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


def manifest_request(base: str, repository: str, target: str, method: str = "GET") -> Request:
    """Ask for the manifest or index *target*, a tag or a digest."""
    return Request(method, f"{base}/v2/{repository}/manifests/{target}", {"Accept": ACCEPT})


def blob_request(base: str, repository: str, digest: Digest, start: int) -> Request:
    """Ask for a blob from byte *start* on, as it is: compressed by nobody on the way."""
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    return Request("GET", f"{base}/v2/{repository}/blobs/{digest}", headers)


def tags_request(base: str, repository: str) -> Request:
    """Ask for the first page of the tags."""
    return Request("GET", f"{base}/v2/{repository}/tags/list", {"Accept": "application/json"})


def judge_manifest(reply: Reply, wanted: Digest | None, what: str) -> Document:
    """Return the document of a 200 answer.

    :param wanted: the digest that was asked for, ``None`` if it was a tag.
    :raises DigestMismatch: the bytes have another digest than the one asked for.
    :raises RegistryError: too many bytes, or the header names another digest than the bytes have.
    """
    if not reply.whole or len(reply.body) > LIMIT:
        raise RegistryError(f"{what}: the registry sends more than the limit of {LIMIT} bytes")
    actual = Digest.from_hex(hashlib.sha256(reply.body).hexdigest())
    if wanted is not None and wanted != actual:
        raise DigestMismatch(what, wanted, actual)
    claimed = judge_head(reply, what)
    if claimed is not None and claimed != actual:
        raise DigestMismatch(f"{what} (header Docker-Content-Digest)", claimed, actual)
    return Document(reply.headers.get("content-type") or "", actual, reply.body)


def judge_head(reply: Reply, what: str) -> Digest | None:
    """Return the digest that the answer's header names, if it names one.

    :raises RegistryError: what it names is no digest.
    """
    text = reply.headers.get("docker-content-digest")
    if not text:
        return None
    try:
        return Digest(text.strip())
    except InvalidDigest as bad:
        raise RegistryError(f"{what}: the registry's Docker-Content-Digest is wrong: {bad}") from bad


def judge_blob(reply: Reply, blob: Descriptor, have: int) -> Body | None:
    """Say where the body of an answer to a blob's request belongs; ``None``: drop what is there, and ask again.

    :param have: how many bytes are there already; the request asked for the rest.
    :raises RegistryError: status, length or range do not fit the blob.
    """
    what = f"blob {blob.digest}"
    encoding = (reply.headers.get("content-encoding") or "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise RegistryError(f"{what}: the registry encodes it as {printable(encoding, 40)!r}, which was not asked for")
    length = _length(reply.headers, what)
    if reply.status == 200:
        if length is not None and length != blob.size:
            raise RegistryError(f"{what}: the registry sends {length} bytes, its descriptor says {blob.size}")
        return Body(0, blob.size)
    if reply.status == 416 and have:
        return None
    if reply.status == 206 and have:
        first, last, total = _content_range(reply.headers.get("content-range") or "", what)
        if first != have or not first <= last < blob.size or total not in (None, blob.size):
            raise RegistryError(
                f"{what}: asked for bytes {have}-{blob.size - 1}, the registry sends {first}-{last} of {total}"
            )
        if length is not None and length != last - first + 1:
            raise RegistryError(f"{what}: Content-Length {length} and Content-Range {first}-{last} do not fit")
        return Body(first, last - first + 1)
    raise RegistryError(f"{what}: received unexpected HTTP status: {reply.line}")


def judge_tags(reply: Reply, what: str) -> list[str]:
    """Return the tags of one page."""
    if not reply.whole:
        raise RegistryError(f"{what}: the registry sends more than the limit of {LIMIT} bytes")
    return decode(reply.body, _Tags, what, error=RegistryError).tags or []


def next_page(request: Request, reply: Reply) -> Request | None:
    """Return the request for the next page that a ``Link: <…>; rel="next"`` names, on the same registry only."""
    link = reply.headers.get("link") or ""
    target, _, rest = link.partition(">")
    if not target.startswith("<") or 'rel="next"' not in rest.replace("rel=next", 'rel="next"'):
        return None
    try:
        url = urljoin(request.url, target[1:])
        same = origin(url) == origin(request.url) and urlsplit(url).path == urlsplit(request.url).path
    except ValueError:
        same = False
    if not same or not url.isascii() or not url.isprintable() or " " in url:
        raise RegistryError(f"the registry's next page is elsewhere: {printable(target[1:], 200)!r}")
    return Request("GET", url, request.headers)


def _length(headers: Headers, what: str) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not _is_number(text):
        raise RegistryError(f"{what}: Content-Length {printable(text, 40)!r} is no number")
    return int(text)


def _content_range(text: str, what: str) -> tuple[int, int, int | None]:
    """Parse ``bytes FIRST-LAST/TOTAL``, where the total may be ``*``."""
    unit, _, rest = text.strip().partition(" ")
    span, _, total = rest.partition("/")
    first, _, last = span.partition("-")
    if (
        unit.lower() != "bytes"
        or not _is_number(first)
        or not _is_number(last)
        or not (total == "*" or _is_number(total))
    ):
        raise RegistryError(f"{what}: the registry's Content-Range {printable(text, 80)!r} makes no sense")
    return int(first), int(last), None if total == "*" else int(total)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
