"""The registry client: it asks, the deciding modules judge, and it does what they say.

One request goes through three loops, the innermost first::

    for each endpoint      mirrors, then the registry; https, then http where that is allowed    (hosts)
      for each attempt     429, 5xx, a cut connection: wait and try again, five times            (retry)
        for each answer    401: prove who we are, once or twice; 3xx: follow, ten hops           (auth, redirects)

A blob is written by the caller's :class:`Sink`, never more of it than its descriptor says; when the connection breaks,
the next attempt asks for the rest only. Several threads may use one client.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import NoReturn, Protocol, TypeVar

from minidock import __version__
from minidock.errors import MinidockError, RegistryError, Unavailable
from minidock.oci.codec import LIMIT
from minidock.oci.digest import Digest
from minidock.oci.manifest import Descriptor
from minidock.oci.reference import Reference
from minidock.registry.auth import Authorizer
from minidock.registry.credentials import Credential
from minidock.registry.hosts import Endpoint, RegistryHosts, endpoints
from minidock.registry.messages import Reply, Request, origin
from minidock.registry.protocol import (
    Document,
    blob_request,
    judge_blob,
    judge_head,
    judge_manifest,
    judge_tags,
    manifest_request,
    next_page,
    tags_request,
)
from minidock.registry.redirects import REDIRECTS, follow, registry_on_loopback
from minidock.registry.refusals import SMALL_BODY, refusal
from minidock.registry.retry import PROGRESS, can_pass, pause
from minidock.registry.transport import Cut, Limits, NoConnection, Stream, Transport

T = TypeVar("T")

#: How often one request may be answered by a challenge: the first time, and once for an expired token.
_MOST_CHALLENGES = 2
_MOST_TAGS = 100_000


class Sink(Protocol):
    """Where a blob's bytes go. Only one thread uses it at a time."""

    @property
    def offset(self) -> int:
        """How many bytes are there, from an earlier attempt too."""

    def write(self, data: bytes) -> None:
        """Append *data*."""

    def restart(self) -> None:
        """Drop all bytes."""


class RegistryClient:
    """Speaks to all registries that references name.

    :param hosts: mirrors, insecure registries, certificates, proxies.
    :param find_credential: registry → what the user has for it.
    :param sleep: waits; tests replace it.
    """

    def __init__(
        self,
        hosts: RegistryHosts,
        find_credential: Callable[[str], Credential | None],
        *,
        limits: Limits | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hosts = hosts
        self._find_credential = find_credential
        self._sleep = sleep
        self._transport = Transport(hosts, limits or Limits(), f"minidock/{__version__}")
        self._authorizers: dict[str, Authorizer] = {}
        self._plain: set[str] = set()  # https endpoints in whose place http has answered
        self._lock = threading.Lock()

    def resolve(self, reference: Reference) -> Digest | None:
        """Return the digest that the name stands for now; ``None`` if the registry does not tell before it is asked.

        :raises MinidockError: as :meth:`manifest`.
        """
        if reference.digest is not None:
            return reference.digest

        def ask(endpoint: Endpoint) -> Digest | None:
            request = manifest_request(endpoint.base, reference.repository, reference.tag or "latest", "HEAD")
            with closing(self._exchange(endpoint, request, reference)) as stream:
                return judge_head(stream.head(), str(reference.familiar)) if stream.status == 200 else None

        return self._anywhere(reference, ask)

    def manifest(self, reference: Reference, digest: Digest | None = None) -> Document:
        """Fetch the manifest or index of *reference*, or *digest* in its repository.

        :raises NotFound: there is none, or it is not for us to see.
        :raises Forbidden: the registry wants to know who we are.
        :raises Unavailable: it cannot be reached, or is overloaded.
        :raises RegistryError: it answers with nonsense.
        """
        wanted = digest or reference.digest
        what = f"manifest of {reference.familiar}" if digest is None else f"manifest {digest}"

        def ask(endpoint: Endpoint) -> Document:
            request = manifest_request(endpoint.base, reference.repository, wanted or reference.tag or "latest")
            reply = self._document(endpoint, request, reference)
            return judge_manifest(reply, wanted, what)

        return self._anywhere(reference, ask)

    def blob(self, reference: Reference, blob: Descriptor, sink: Sink) -> None:
        """Fetch *blob* of the reference's repository into *sink*, from where the sink is on.

        Never writes more than ``blob.size`` bytes; the caller checks the digest.

        :raises MinidockError: as :meth:`manifest`; what has arrived stays in the sink.
        """
        if sink.offset > blob.size:
            sink.restart()

        def ask(endpoint: Endpoint) -> None:
            while sink.offset < blob.size:
                request = blob_request(endpoint.base, reference.repository, blob.digest, sink.offset)
                with closing(self._exchange(endpoint, request, reference)) as stream:
                    self._pour(stream, request, reference, blob, sink)

        self._anywhere(reference, ask, sink)

    def tags(self, reference: Reference) -> list[str]:
        """Return all tags of the reference's repository, as the registry orders them."""

        def ask(endpoint: Endpoint) -> list[str]:
            found: list[str] = []
            request: Request | None = tags_request(endpoint.base, reference.repository)
            while request is not None:
                reply = self._document(endpoint, request, reference)
                page = judge_tags(reply, f"tags of {reference.familiar_name}")
                found += page
                if len(found) > _MOST_TAGS:
                    raise RegistryError(f"tags of {reference.familiar_name}: more than {_MOST_TAGS}")
                request = next_page(request, reply) if page else None
            return found

        return self._anywhere(reference, ask)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    # --- endpoints and attempts ---

    def _anywhere(self, reference: Reference, ask: Callable[[Endpoint], T], sink: Sink | None = None) -> T:
        """Ask each endpoint in turn; the error of the last one is the error."""
        places = [
            place for place in endpoints(reference.registry, self._hosts, _addresses) if place.base not in self._plain
        ]
        for number, place in enumerate(places):
            last = number + 1 == len(places)
            try:
                found = self._persistently(ask, place, sink)
            except NoConnection:
                if last:
                    raise
                continue
            except MinidockError:
                if not place.mirror:
                    raise  # the registry itself has spoken
                continue
            if place.fallback:
                self._plain.add("https" + place.base.removeprefix("http"))
            return found
        raise Unavailable(f"{reference.registry}: no endpoint to ask")

    def _persistently(self, ask: Callable[[Endpoint], T], place: Endpoint, sink: Sink | None) -> T:
        """Ask one endpoint, again after what can pass; new bytes give the attempts back."""
        attempt, progress = 1, sink.offset if sink else 0
        while True:
            try:
                return ask(place)
            except _TryAgain as again:
                wait = pause(attempt, again.retry_after, random.random(), time.time())  # noqa: S311
                error = again.error
            except Cut as cut:
                wait = pause(attempt, None, random.random(), time.time())  # noqa: S311
                error = cut
            if wait is None:
                raise error
            if sink is not None and sink.offset - progress >= PROGRESS:
                attempt, progress = 1, sink.offset
            else:
                attempt += 1
            self._sleep(wait)

    # --- one request ---

    def _document(self, endpoint: Endpoint, request: Request, reference: Reference) -> Reply:
        """Make a request whose 200 answer is a small document."""
        stream = self._exchange(endpoint, request, reference)
        if stream.status != 200:
            self._refuse(stream, request, reference)
        return stream.reply(LIMIT)

    def _pour(self, stream: Stream, request: Request, reference: Reference, blob: Descriptor, sink: Sink) -> None:
        """Write one answer's body where it belongs."""
        if stream.status not in (200, 206, 416):
            self._refuse(stream, request, reference)
        body = judge_blob(stream.head(), blob, sink.offset)
        if body is None or body.start < sink.offset:
            sink.restart()
        if body is None:
            return
        left = body.length
        for data in stream.chunks(body.length + 1):
            if len(data) > left:
                raise RegistryError(f"blob {blob.digest}: the registry sends more than the {body.length} bytes it has")
            sink.write(data)
            left -= len(data)
        if left:
            raise Cut(f'Get "{request.url}": unexpected EOF: {left} of {body.length} bytes are missing')

    def _exchange(self, endpoint: Endpoint, request: Request, reference: Reference) -> Stream:
        """Send a request, prove who we are as often as needed, follow redirects; return the last answer."""
        authorizer = self._authorizer(endpoint)
        challenges = 0
        while True:
            header = authorizer.header(reference.repository, time.monotonic())
            stream = self._follow(endpoint, request.with_header("Authorization", header))
            if not _wants_proof(stream) or challenges == _MOST_CHALLENGES:
                return stream
            challenges += 1
            reply = stream.reply(SMALL_BODY)
            with self._lock:  # one of three threads renews the token, the others use it
                if authorizer.header(reference.repository, time.monotonic()) == header:
                    self._prove(endpoint, authorizer, reply, reference)

    def _follow(self, endpoint: Endpoint, request: Request) -> Stream:
        """Send a request to the endpoint, and on to where it redirects us."""
        stream = self._transport.send(request, checked=endpoint.checked)
        local = registry_on_loopback(endpoint.base)
        hops = 0
        while stream.status in REDIRECTS:
            reply = stream.head()
            stream.close()
            request = follow(request, reply, hops, from_loopback=local)
            hops += 1
            same = origin(request.url) == origin(endpoint.base)
            checked = _must_check(request, endpoint)
            stream = self._transport.send(request, checked=checked, stranger=not same, from_loopback=local)
            if not same and stream.status in (401, 403):
                stream.close()
                raise RegistryError(
                    f'Get "{request.url}": {Reply(stream.status, stream.headers).line} after a redirect'
                )
        return stream

    def _prove(self, endpoint: Endpoint, authorizer: Authorizer, reply: Reply, reference: Reference) -> None:
        """Answer a challenge: fetch a token where one is wanted."""
        request = authorizer.challenged(reply, reference.repository)
        if request is None:
            return
        asked = time.monotonic()
        local = registry_on_loopback(endpoint.base)
        checked = _must_check(request, endpoint)
        stream = self._transport.send(request, checked=checked, stranger=True, from_loopback=local)
        if stream.status != 200:
            self._refuse(stream, request, None)
        authorizer.answered(stream.reply(SMALL_BODY), reference.repository, asked)

    def _refuse(self, stream: Stream, request: Request, reference: Reference | None) -> NoReturn:
        """Raise what an error answer means, as one to try again where it can pass."""
        reply = stream.reply(SMALL_BODY)
        error = refusal(reply, request, reference)
        if can_pass(reply.status):
            raise _TryAgain(error, reply.headers.get("retry-after"))
        raise error

    def _authorizer(self, endpoint: Endpoint) -> Authorizer:
        with self._lock:
            found = self._authorizers.get(endpoint.base)
            if found is None:
                found = Authorizer(endpoint.base, self._find_credential(endpoint.registry), proven=endpoint.checked)
                self._authorizers[endpoint.base] = found
            return found


class _TryAgain(Exception):
    """An error answer that can be another one later; never leaves this module."""

    def __init__(self, error: MinidockError, retry_after: str | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after = retry_after


def _must_check(request: Request, endpoint: Endpoint) -> bool:
    """An insecure registry may show any certificate; a server elsewhere that it names may not."""
    return endpoint.checked or origin(request.url).host != origin(endpoint.base).host


def _wants_proof(stream: Stream) -> bool:
    """401, or a 403 whose challenge says that the token does not reach far enough."""
    if stream.status == 401:
        return True
    challenge = stream.headers.get("www-authenticate") or ""
    return stream.status == 403 and "insufficient_scope" in challenge


def _addresses(host: str) -> list[str]:
    """Return a name's addresses, none if it has none."""
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host.strip("[]"), None, proto=socket.IPPROTO_TCP)]
    except OSError:
        return []
