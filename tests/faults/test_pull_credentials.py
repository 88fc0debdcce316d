"""Attack 20 and fault 28: who sees a password or a token, and what happens when one is not good any more."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.images import image, sha256, tar
from tests.support.liar import Answer, Asked, Liar, error
from tests.support.pulls import lab

from minidock.errors import Forbidden, MinidockError, NotFound, RegistryError
from minidock.registry.credentials import Credential
from minidock.registry.hosts import RegistryHosts
from minidock.registry.messages import Request
from minidock.registry.transport import Limits, Transport

IMAGE = image([tar({name: name.encode()}) for name in "abcdef"])
LAYER = sha256(IMAGE.layers[0])
USER = Credential("me", "secret")


def redirect(url: str) -> Answer:
    return Answer(307, b"", {"Location": url})


def become(answer: Answer, other: Answer) -> None:
    answer.status, answer.body, answer.headers = other.status, other.body, other.headers


class Guarded:
    """A lie that makes a Liar want a token, as long as :attr:`good` holds it; ``realm`` is its own by default."""

    def __init__(self, realm: str = "", extra: str = "") -> None:
        self.realm = realm
        self.extra = extra
        self.good: set[str] = set()
        self.given = 0
        self.host = ""
        self.uses: dict[str, int] = {}
        self.uses_allowed = 1_000_000
        self._lock = threading.Lock()

    def __call__(self, asked: Asked, answer: Answer) -> None:
        with self._lock:
            if asked.path.startswith("/token"):
                self.given += 1
                token = f"token-{self.given}"
                self.good.add(token)
                become(answer, Answer(200, json.dumps({"token": token, "issued_at": "0001-01-01T00:00:00Z"}).encode()))
                return
            token = asked.headers.get("authorization", "").removeprefix("Bearer ")
            self.uses[token] = self.uses.get(token, 0) + 1
            if token in self.good and self.uses[token] <= self.uses_allowed:
                return
            realm = self.realm or f"http://{self.host}/token"
            refused = error(401, "UNAUTHORIZED", "authentication required")
            refused.headers = refused.headers | {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"{self.extra}'}
            become(answer, refused)


def guarded(**more: Any) -> tuple[Liar, Guarded]:
    lie = Guarded(**more)
    registry = Liar({"app:1": IMAGE}, lie)
    lie.host = registry.host
    return registry, lie


class TestTokens:
    def test_one_token_serves_a_whole_pull(self, root: Path) -> None:
        registry, lie = guarded()
        with registry, lab(root) as ours:
            ours.pull(f"{registry.host}/app:1")
            assert lie.given == 1

    @pytest.mark.parametrize("uses", [4, 5, 8])
    def test_a_token_that_ends_between_blobs_is_renewed_once(self, uses: int, root: Path) -> None:  # 28
        registry, lie = guarded()
        lie.uses_allowed = uses
        with registry, lab(root) as ours:
            ours.pull(f"{registry.host}/app:1")
            asked = len([a for a in registry.log if not a.path.startswith("/token")])
            refused = sum(max(0, count - uses) for token, count in lie.uses.items() if token)
            assert asked == 2 + 1 + len(IMAGE.layers) + refused + lie.uses.get("", 0)
            assert -(-(2 + len(IMAGE.layers) + 1) // uses) >= lie.given - 1 > 0

    def test_a_registry_that_believes_no_token_is_not_asked_for_ever(self, root: Path) -> None:
        registry, lie = guarded()
        lie.uses_allowed = 0
        with registry, lab(root) as ours:
            with pytest.raises(Forbidden, match="unauthorized: authentication required"):
                ours.pull(f"{registry.host}/app:1")
            assert lie.given <= 4  # HEAD and GET, twice each
            ours.assert_nothing_committed()

    def test_an_insufficient_scope_asks_once_more_and_is_then_a_denial(self, root: Path) -> None:
        registry, lie = guarded(extra=',error="insufficient_scope"')
        lie.uses_allowed = 0
        with registry, lab(root) as ours:
            with pytest.raises(
                NotFound, match=r"pull access denied for .*/app, repository does not exist or may require"
            ):
                ours.pull(f"{registry.host}/app:1")
            ours.assert_nothing_committed()

    @pytest.mark.parametrize("body", [b"{}", b'{"token":"a\\r\\nb"}', b"[" * (2 << 20), b"x" * (2 << 20), b""])
    def test_a_token_server_that_talks_nonsense_is_refused(self, body: bytes, root: Path) -> None:
        registry, lie = guarded()

        def nonsense(asked: Asked, answer: Answer) -> None:
            lie(asked, answer)
            if asked.path.startswith("/token"):
                answer.body = body

        registry.lie = nonsense
        with registry, lab(root) as ours:
            with pytest.raises(RegistryError):
                ours.pull(f"{registry.host}/app:1")
            ours.assert_nothing_committed()
            registry.lie = lie
            ours.pull(f"{registry.host}/app:1")


class TestWhoSeesThem:
    def test_a_realm_on_another_host_gets_no_password(self, root: Path) -> None:
        with Liar({}) as evil:
            port = evil.host.rpartition(":")[2]
            registry, _ = guarded(realm=f"http://localhost:{port}/token")
            with registry, lab(root, credentials={registry.host: USER}) as ours:
                with pytest.raises(Forbidden, match="wants your password sent to localhost"):
                    ours.pull(f"{registry.host}/app:1")
                ours.assert_nothing_committed()
                assert evil.log == []

    def test_its_own_realm_gets_it(self, root: Path) -> None:
        registry, _ = guarded()
        with registry, lab(root, credentials={registry.host: USER}) as ours:
            ours.pull(f"{registry.host}/app:1")
            token = next(asked for asked in registry.log if asked.path.startswith("/token"))
            assert token.headers["authorization"] == USER.basic()
            assert "account=me" in token.path

    @pytest.mark.parametrize("realm", ["http://169.254.169.254/token", "file:///etc/passwd", "http://[fe80::1]/t", "x"])
    def test_realms_that_nobody_should_ask(self, realm: str, root: Path) -> None:
        registry, _ = guarded(realm=realm)
        with registry, lab(root) as ours:
            with pytest.raises(RegistryError):
                ours.pull(f"{registry.host}/app:1")
            ours.assert_nothing_committed()

    @pytest.mark.parametrize("scheme", ["basic", "bearer"])
    def test_a_redirect_takes_no_credentials_along(self, scheme: str, root: Path) -> None:
        cdn = Liar({"app:1": IMAGE})
        registry, lie = guarded()

        def lies(asked: Asked, answer: Answer) -> None:
            if scheme == "bearer":
                lie(asked, answer)
            elif asked.headers.get("authorization") != USER.basic():
                become(answer, Answer(401, b"", {"WWW-Authenticate": "Basic realm=x"}))
            if answer.status == 200 and asked.kind == "blobs":
                become(answer, redirect(f"http://{cdn.host}{asked.path}?signature=1"))

        registry.lie = lies
        with cdn, registry, lab(root, credentials={registry.host: USER}) as ours:
            ours.pull(f"{registry.host}/app:1")
            assert ours.tree() == {name: name.encode() for name in "abcdef"}
            assert len(cdn.log) == len(IMAGE.layers) + 1
            everything = json.dumps([asked.headers for asked in cdn.log]).lower()
            assert "authorization" not in everything
            assert "secret" not in everything
            assert base64.b64encode(b"me:secret").decode().lower() not in everything

    def test_a_server_behind_a_redirect_cannot_ask_for_a_password(self, root: Path) -> None:
        def ask(asked: Asked, answer: Answer) -> None:
            become(answer, Answer(401, b"", {"WWW-Authenticate": "Basic realm=x"}))

        with Liar({}, ask) as evil, Liar({"app:1": IMAGE}) as registry:
            registry.lie = lambda asked, answer: (
                become(answer, redirect(f"http://{evil.host}{asked.path}")) if asked.kind == "blobs" else None
            )
            both = {registry.host: USER, evil.host: Credential("evil", "secret too")}
            with lab(root, credentials=both) as ours:
                with pytest.raises(RegistryError, match="401 Unauthorized after a redirect"):
                    ours.pull(f"{registry.host}/app:1")
                assert [asked.headers.get("authorization") for asked in evil.log] == [None]
                ours.assert_nothing_committed()

    @pytest.mark.parametrize(
        "where",
        [
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "file:///etc/passwd",
            "",
            "gopher://x",
        ],
    )
    def test_redirects_that_nobody_should_follow(self, where: str, root: Path) -> None:
        with Liar({"app:1": IMAGE}) as registry, lab(root) as ours:
            registry.lie = lambda asked, answer: become(answer, redirect(where)) if asked.kind == "blobs" else None
            with pytest.raises(RegistryError):
                ours.pull(f"{registry.host}/app:1")
            ours.assert_nothing_committed()

    def test_redirects_in_a_circle_end(self, root: Path) -> None:
        with Liar({"app:1": IMAGE}) as registry, lab(root) as ours:
            registry.lie = lambda asked, answer: (
                become(answer, redirect(asked.path)) if asked.path.endswith(LAYER) else None
            )
            with pytest.raises(RegistryError, match="stopped after 10 redirects"):
                ours.pull(f"{registry.host}/app:1")
            assert len([asked for asked in registry.log if asked.path.endswith(LAYER)]) == 11


class TestAddresses:
    @pytest.fixture
    def named(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        """Let the name ``cdn.example`` have an address."""
        real = socket.getaddrinfo

        def give(address: str) -> None:
            monkeypatch.setattr(
                socket, "getaddrinfo", lambda host, *rest: real(address if host == "cdn.example" else host, *rest)
            )

        return give

    def test_a_name_that_means_this_machine_is_found_out_before_a_byte_is_sent(
        self, named: Callable[[str], None]
    ) -> None:
        named("127.0.0.1")
        with Liar({"app:1": IMAGE}) as registry:
            url = f"http://cdn.example:{registry.host.rpartition(':')[2]}/v2/app/tags/list"
            transport = Transport(RegistryHosts(certificates=()), Limits(), "test")
            with pytest.raises(RegistryError, match="is this machine"):
                transport.send(Request("GET", url), checked=True, stranger=True, from_loopback=False)
            assert registry.log == []
            # the user may name what he likes, and a registry on this machine may name this machine
            assert transport.send(Request("GET", url), checked=True).reply(1000).status == 200
            stranger = transport.send(Request("GET", url), checked=True, stranger=True, from_loopback=True)
            assert stranger.reply(1000).status == 200
            transport.close()


class TestProxy:
    def test_http_goes_through_the_proxy_with_its_password(self, root: Path) -> None:
        with Liar({"app:1": IMAGE}) as proxy:  # it serves whatever host is in the URL, as a proxy does
            host = "registry.invalid:8080"
            hosts = RegistryHosts(
                insecure=(host,), certificates=(), proxies={"http": f"http://user:p%40ss@{proxy.host}"}
            )
            with lab(root, hosts=hosts) as ours:
                ours.pull(f"{host}/app:1")
            assert all(asked.path.startswith(f"http://{host}/v2/app/") for asked in proxy.log)
            expected = "Basic " + base64.b64encode(b"user:p@ss").decode()
            assert {asked.headers["proxy-authorization"] for asked in proxy.log} == {expected}

    def test_a_proxy_that_refuses_is_an_error(self, root: Path) -> None:
        hosts = RegistryHosts(certificates=(), proxies={"https": "http://127.0.0.1:1"})
        with lab(root, hosts=hosts) as ours, pytest.raises(MinidockError, match="connection refused"):
            ours.pull("registry.invalid/app:1")
