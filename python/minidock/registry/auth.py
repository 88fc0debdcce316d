"""Proving who we are: challenges, Basic and Bearer tokens. No socket here.

A registry that wants to know us answers 401 with a challenge. The token dance::

    client                                  registry                      token server (the *realm*)
      │ GET /v2/library/busybox/manifests/latest ─▶│
      │◀── 401 WWW-Authenticate: Bearer realm="https://auth…/token",service="registry…",scope="repository:…:pull"
      │ GET https://auth…/token?service=…&scope=…   (Basic password, if there is one) ─────▶│
      │◀── {"token":"eyJ…","expires_in":300} ───────────────────────────────────────────────│
      │ GET … Authorization: Bearer eyJ… ────────▶│

Rules:

- The challenge must come from the registry itself. A server that a redirect led to cannot ask for anything.
- A password goes to a realm on the registry's own host. A realm on another host gets it only if both are https, as
  with Docker Hub and ``auth.docker.io``: then the registry, proven by its certificate, which the user trusts
  with this password anyway, vouches for it. Over plain http nobody vouches, and the pull is refused.
- From https to a realm on http: never, with or without a password.
- We ask for ``pull`` of this repository and nothing more, whatever scope the challenge names.
- A token counts from the moment it was asked for, on the monotonic clock; ``issued_at`` is not believed, so that
  neither a zero there nor a clock that jumps matters. Docker's rule: it lasts 60 s at least.

Source: RFC 9110, section 11; distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from minidock.errors import Forbidden, RegistryError
from minidock.oci.codec import decode
from minidock.registry.addresses import refused_address
from minidock.registry.challenges import Challenge, parse_challenges
from minidock.registry.credentials import Credential
from minidock.registry.messages import Reply, Request, origin, printable
from minidock.registry.redirects import registry_on_loopback

_SHORTEST_LIFE = 60.0
_LONGEST_LIFE = 24 * 3600.0
_LONGEST_TOKEN = 64 << 10
_CLIENT_ID = "minidock"


class Token(msgspec.Struct, frozen=True):
    """A Bearer token; ``expires`` is on the monotonic clock, in seconds."""

    text: str
    expires: float

    def __repr__(self) -> str:
        return f"Token(expires={self.expires})"


class _TokenBody(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None


class Authorizer:
    """What one registry wants to know of us, and what it has been told. Knows one origin only.

    :param base: the registry's URL.
    :param credential: what the user has for it, or ``None``: then we are anonymous.
    :param proven: its certificate is checked (if it is on https).
    """

    def __init__(self, base: str, credential: Credential | None, *, proven: bool = True) -> None:
        self._base = base
        self._proven = proven
        self._credential = credential
        self._basic = False
        self._tokens: dict[str, Token] = {}

    def header(self, repository: str, now: float) -> str | None:
        """Return the ``Authorization`` value to send for *repository*, ``None`` before anything was asked for."""
        credential = self._credential
        if credential is not None and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        if self._basic and credential is not None:
            return credential.basic()
        token = self._tokens.get(repository)
        return f"Bearer {token.text}" if token is not None and token.expires > now else None

    def challenged(self, reply: Reply, repository: str) -> Request | None:
        """Take a 401 (or 403 "insufficient scope") answer; return the token request to make.

        ``None``: no token is needed, send the request again with what :meth:`header` says now.

        :raises Forbidden: there is nothing that we could prove, or the realm must not be asked.
        :raises RegistryError: the challenge cannot be understood.
        """
        challenges = parse_challenges(reply.headers.all("www-authenticate"))
        bearer = next((item for item in challenges if item.scheme == "bearer"), None)
        if bearer is not None:
            self._tokens.pop(repository, None)
            return self._token_request(bearer, repository)
        if not any(item.scheme == "basic" for item in challenges):
            raise Forbidden(f'Get "{self._base}/v2/": unauthorized: authentication required')
        if self._credential is None or not self._credential.username:
            raise Forbidden(
                f'Get "{self._base}/v2/": no basic auth credentials',
                f"log in: docker login {self._base.partition('//')[2]}",
            )
        if self._basic:
            raise Forbidden(f'Get "{self._base}/v2/": unauthorized: incorrect username or password')
        self._basic = True
        return None

    def answered(self, reply: Reply, repository: str, asked: float) -> None:
        """Take the realm's 200 answer.

        :param asked: when the token was asked for, on the monotonic clock.
        :raises RegistryError: it is no token.
        """
        if not reply.whole:
            raise RegistryError("the token server's answer is larger than 1 MiB")
        body = decode(reply.body, _TokenBody, "the token server's answer", error=RegistryError)
        text = body.token or body.access_token
        if not text:
            raise RegistryError("authorization server did not include a token in the response")
        if len(text) > _LONGEST_TOKEN or not all(33 <= ord(char) <= 126 for char in text):
            raise RegistryError("the token server's token is no token")
        life = min(max(body.expires_in or 0.0, _SHORTEST_LIFE), _LONGEST_LIFE)
        self._tokens[repository] = Token(text, asked + life)

    def _token_request(self, challenge: Challenge, repository: str) -> Request:
        realm = self._checked_realm(challenge.parameters.get("realm", ""))
        service = challenge.parameters.get("service", "")
        scope = f"repository:{repository}:pull"
        credential = self._credential
        if credential is not None and credential.identity_token:
            self._check_trust(realm)
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "scope": scope,
                "client_id": _CLIENT_ID,
                "refresh_token": credential.identity_token,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
            return Request("POST", realm, headers, urlencode(form).encode())
        parts = urlsplit(realm)
        query = [*parse_qsl(parts.query, keep_blank_values=True), ("scope", scope)]
        if service:
            query.insert(-1, ("service", service))
        headers = {"Accept": "application/json"}
        if credential is not None and credential.username:
            self._check_trust(realm)
            query.insert(0, ("account", credential.username))
            headers["Authorization"] = credential.basic()
        return Request("GET", urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), "")), headers)

    def _checked_realm(self, realm: str) -> str:
        shown = printable(realm, 200)
        try:
            if not realm.isascii() or not realm.isprintable() or " " in realm:
                raise ValueError("this is no URL")
            here, there = origin(self._base), origin(realm)
            if "@" in urlsplit(realm).netloc:
                raise ValueError("it contains credentials")
        except ValueError as bad:
            raise RegistryError(f"{self._base}: invalid token auth challenge realm {shown!r}: {bad}") from bad
        if here.scheme == "https" and there.scheme != "https":
            raise RegistryError(f"{self._base}: refused, its token server {shown!r} is not on https")
        on_loopback = registry_on_loopback(self._base)
        if there.host != here.host and (reason := refused_address(there.host, from_loopback=on_loopback)):
            raise RegistryError(f"{self._base}: refused, its token server is {shown!r}, and {reason}")
        return realm

    def _check_trust(self, realm: str) -> None:
        here, there = origin(self._base), origin(realm)
        if there.host == here.host or (self._proven and here.scheme == there.scheme == "https"):
            return
        raise Forbidden(
            f"{self._base} wants your password sent to {there.host} without proving its own identity: refused",
            "use the registry over https with a valid certificate, or log out of it to pull anonymously",
        )
