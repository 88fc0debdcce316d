"""Challenges, tokens, and who gets a password."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.errors import Forbidden, MinidockError, RegistryError
from minidock.registry.auth import Authorizer
from minidock.registry.challenges import Challenge, parse_challenges
from minidock.registry.credentials import Credential
from minidock.registry.messages import Headers, Reply, Request

USER = Credential("me", "secret")
HUB = "https://registry-1.docker.io"


def challenge(header: str, status: int = 401) -> Reply:
    return Reply(status, Headers((("WWW-Authenticate", header),)))


def bearer(realm: str, **more: str) -> Reply:
    rest = "".join(f',{name}="{value}"' for name, value in more.items())
    return challenge(f'Bearer realm="{realm}"{rest}')


def token(text: str) -> Reply:
    return Reply(200, Headers(), text.encode())


class TestChallenges:
    @pytest.mark.parametrize(
        ("header", "wanted"),
        [
            (
                'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull"',
                [
                    Challenge(
                        "bearer",
                        {
                            "realm": "https://auth.docker.io/token",
                            "service": "registry.docker.io",
                            "scope": "repository:a:pull",
                        },
                    )
                ],
            ),
            ("Basic realm=x", [Challenge("basic", {"realm": "x"})]),
            ('basic  Realm = "a \\"b\\" \\\\"', [Challenge("basic", {"realm": 'a "b" \\'})]),
            (
                'Bearer realm="r", Basic realm="b"',
                [Challenge("bearer", {"realm": "r"}), Challenge("basic", {"realm": "b"})],
            ),
            ("Negotiate, Basic realm=x", [Challenge("negotiate"), Challenge("basic", {"realm": "x"})]),
            ("Negotiate abc==, Basic realm=x", [Challenge("negotiate"), Challenge("basic", {"realm": "x"})]),
            ('Bearer realm="a,b=c"', [Challenge("bearer", {"realm": "a,b=c"})]),
            ('Bearer realm="first",realm="second"', [Challenge("bearer", {"realm": "first"})]),
            ("", []),
            (",,,", []),
            ('Bearer realm="never closed', [Challenge("bearer", {})]),
            ("\x00\x01", []),
        ],
    )
    def test_reads(self, header: str, wanted: list[Challenge]) -> None:
        assert parse_challenges([header]) == wanted

    @given(st.lists(st.text(max_size=200), max_size=20))
    def test_survives_anything(self, fields: list[str]) -> None:
        assert len(parse_challenges(fields)) <= 16

    @given(st.text(alphabet='Bearer ="\\,\t:a', max_size=100))
    def test_survives_what_looks_like_one(self, field: str) -> None:
        parse_challenges([field])

    def test_long_ones_cost_little(self) -> None:
        assert parse_challenges(["Bearer " + 'a="b",' * 1_000_000])[0].scheme == "bearer"
        assert len(parse_challenges(["Basic, " * 1_000_000] * 1000)) == 16


class TestBasic:
    def test_is_sent_once_asked_for(self) -> None:
        ours = Authorizer(HUB, USER)
        assert ours.header("a", 0) is None
        assert ours.challenged(challenge('Basic realm="x"'), "a") is None
        assert ours.header("a", 0) == "Basic bWU6c2VjcmV0"

    def test_without_credentials_there_is_nothing_to_send(self) -> None:
        with pytest.raises(Forbidden, match="no basic auth credentials"):
            Authorizer(HUB, None).challenged(challenge('Basic realm="x"'), "a")

    def test_a_wrong_password_is_not_sent_for_ever(self) -> None:
        ours = Authorizer(HUB, USER)
        ours.challenged(challenge("Basic realm=x"), "a")
        with pytest.raises(Forbidden, match="incorrect username or password"):
            ours.challenged(challenge("Basic realm=x"), "a")

    def test_an_unknown_scheme_is_refused(self) -> None:
        for header in ("", "Negotiate abc", "Digest realm=x"):
            with pytest.raises(Forbidden, match="authentication required"):
                Authorizer(HUB, USER).challenged(challenge(header), "a")


class TestBearer:
    def ask(self, ours: Authorizer, reply: Reply) -> Request:
        request = ours.challenged(reply, "library/busybox")
        assert request is not None
        return request

    def test_asks_the_realm(self) -> None:
        request = self.ask(
            Authorizer(HUB, None), bearer("https://auth.docker.io/token?x=1", service="registry.docker.io")
        )
        assert request.url.startswith("https://auth.docker.io/token?")
        assert parse_qs(urlsplit(request.url).query) == {
            "x": ["1"],
            "service": ["registry.docker.io"],
            "scope": ["repository:library/busybox:pull"],
        }
        assert "Authorization" not in request.headers

    def test_never_asks_for_more_than_to_pull_this_repository(self) -> None:
        wide = bearer("https://auth.docker.io/token", scope="registry:catalog:* repository:other:pull,push,delete")
        query = parse_qs(urlsplit(self.ask(Authorizer(HUB, USER), wide).url).query)
        assert query["scope"] == ["repository:library/busybox:pull"]
        assert query["account"] == ["me"]

    def test_exchanges_an_identity_token(self) -> None:
        ours = Authorizer(HUB, Credential(identity_token="refresh"))
        request = self.ask(ours, bearer("https://auth.docker.io/token", service="s"))
        assert (request.method, request.url) == ("POST", "https://auth.docker.io/token")
        form = parse_qs((request.body or b"").decode())
        assert form["grant_type"] == ["refresh_token"]
        assert form["refresh_token"] == ["refresh"]

    def test_sends_a_registry_token_as_it_is(self) -> None:
        assert Authorizer(HUB, Credential(registry_token="t")).header("a", 0) == "Bearer t"

    def test_keeps_a_token_until_it_expires_and_apart_for_each_repository(self) -> None:
        ours = Authorizer(HUB, None)
        ours.answered(token('{"token":"t","expires_in":300,"issued_at":"0001-01-01T00:00:00Z"}'), "a", asked=1000)
        assert ours.header("a", 1299) == "Bearer t"
        assert ours.header("a", 1301) is None
        assert ours.header("b", 1000) is None

    @pytest.mark.parametrize(
        ("body", "lives"),
        [
            ('{"access_token":"t"}', 60),
            ('{"token":"t","expires_in":1}', 60),
            ('{"token":"t","expires_in":0,"issued_at":""}', 60),
            ('{"token":"t","expires_in":-1e300}', 60),
            ('{"token":"t","expires_in":1e300}', 24 * 3600),
            ('{"token":"t","expires_in":99999999999999999999999999}', 24 * 3600),
            ('{"token":"t","expires_in":null,"issued_at":"9999-12-31T00:00:00Z"}', 60),
        ],
    )
    def test_life_is_bounded_and_the_servers_clock_not_believed(self, body: str, lives: int) -> None:
        ours = Authorizer(HUB, None)
        ours.answered(token(body), "a", asked=0)
        assert ours.header("a", lives - 1) == "Bearer t"
        assert ours.header("a", lives + 1) is None

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "{}",
            "[]",
            '{"token":""}',
            '{"token":"a b"}',
            '{"token":"a\\r\\nX-Evil: 1"}',
            '{"token":"é"}',
            '{"token":7}',
            '{"token":"' + "x" * (65 << 10) + '"}',
            '{"token":' * 50_000,
        ],
    )
    def test_refuses_what_is_no_token(self, body: str) -> None:
        with pytest.raises(RegistryError):
            Authorizer(HUB, None).answered(token(body), "a", asked=0)

    def test_refuses_a_token_of_a_megabyte(self) -> None:
        with pytest.raises(RegistryError, match="larger than 1 MiB"):
            Authorizer(HUB, None).answered(Reply(200, Headers(), b"{", whole=False), "a", asked=0)


class TestWhoGetsThePassword:  # attack 20
    @pytest.mark.parametrize(
        ("registry", "realm"),
        [
            ("https://registry-1.docker.io", "https://auth.docker.io/token"),
            ("https://registry.example", "https://registry.example/token"),
            ("https://registry.example", "https://registry.example:8443/token"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token"),
            ("http://registry.lan", "http://registry.lan/token"),
        ],
    )
    def test_the_same_host_or_https_on_both_sides(self, registry: str, realm: str) -> None:
        request = Authorizer(registry, USER).challenged(bearer(realm), "a")
        assert request is not None
        assert request.headers["Authorization"] == USER.basic()

    @pytest.mark.parametrize(
        ("registry", "realm"),
        [
            ("http://registry.lan", "http://evil.example/token"),
            ("http://registry.lan", "https://evil.example/token"),
            ("http://127.0.0.1:5000", "http://localhost:5001/token"),
            ("https://registry.example", "http://registry.example/token"),
            ("https://registry.example", "http://evil.example/token"),
            ("https://registry.example", "https://169.254.169.254/token"),
            ("https://registry.example", "https://127.0.0.1/token"),
            ("https://registry.example", "https://[::1]/token"),
            ("https://registry.example", "https://me:pw@registry.example/token"),
            ("https://registry.example", "file:///etc/passwd"),
            ("https://registry.example", "//evil.example"),
            ("https://registry.example", "https://a b/"),
            ("https://registry.example", "https://evil.example\\@registry.example/"),
            ("https://registry.example", ""),
        ],
    )
    def test_nobody_else(self, registry: str, realm: str) -> None:
        ours = Authorizer(registry, USER)
        try:
            request = ours.challenged(bearer(realm), "a")
        except MinidockError:
            return
        assert request is not None
        assert urlsplit(request.url).hostname == urlsplit(registry).hostname

    def test_a_registry_whose_certificate_is_not_checked_vouches_for_nobody(self) -> None:
        with pytest.raises(Forbidden, match="refused"):
            Authorizer("https://self-signed.lan", USER, proven=False).challenged(bearer("https://evil.example/t"), "a")

    def test_without_a_password_another_host_may_be_asked_over_http(self) -> None:
        request = Authorizer("http://registry.lan", None).challenged(bearer("http://auth.lan/token"), "a")
        assert request is not None
        assert "Authorization" not in request.headers

    def test_a_password_is_not_printed(self) -> None:
        assert "secret" not in repr(USER) + str(USER) + repr(Authorizer(HUB, USER).__dict__)
