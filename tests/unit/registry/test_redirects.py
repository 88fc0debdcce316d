"""Where a registry may send us, and when we try again. Attack 20."""

from __future__ import annotations

import pytest

from minidock.errors import RegistryError
from minidock.registry.addresses import refused_address
from minidock.registry.messages import Headers, Reply, Request
from minidock.registry.redirects import MOST_HOPS, follow
from minidock.registry.retry import ATTEMPTS, can_pass, pause

SECRET = {"Authorization": "Bearer t", "Range": "bytes=5-"}


def go(here: str, there: str, hops: int = 0, local: bool = False) -> Request:
    reply = Reply(307, Headers((("Location", there),)))
    return follow(Request("GET", here, SECRET), reply, hops, from_loopback=local)


class TestFollow:
    @pytest.mark.parametrize(
        ("here", "there", "url"),
        [
            ("https://r.example/v2/a", "https://cdn.example/b?sig=1", "https://cdn.example/b?sig=1"),
            ("http://r.lan/v2/a", "https://cdn.example/b", "https://cdn.example/b"),
            ("http://127.0.0.1:5000/a", "http://127.0.0.1:5001/b", "http://127.0.0.1:5001/b"),
        ],
    )
    def test_leaves_the_password_behind(self, here: str, there: str, url: str) -> None:
        request = go(here, there, local=True)
        assert request.url == url
        assert request.headers == {"Range": "bytes=5-"}

    @pytest.mark.parametrize("there", ["/v2/b", "https://r.example/v2/b", "https://r.example:443/v2/b", "b"])
    def test_keeps_it_on_the_same_origin(self, there: str) -> None:
        assert go("https://r.example/v2/a", there).headers == SECRET

    @pytest.mark.parametrize(
        "there",
        [
            "http://r.example/v2/a",
            "http://cdn.example/b",
            "file:///etc/passwd",
            "ftp://cdn.example/b",
            "",
            "https://169.254.169.254/latest/meta-data",
            "https://[fe80::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://100.100.100.200/",
            "https://[fd00:ec2::254]/",
            "https://127.0.0.1/",
            "https://localhost:8080/",
            "https://[::1]/",
            "https://0.0.0.0/",
            "https://user:pw@cdn.example/",
            "https://cdn.example/\r\nX-Evil: 1",
            "https://cdn.example/é",
            "https://cdn.example:99999/",
            "https://cdn.example/" + "x" * (17 << 10),
        ],
    )
    def test_refuses(self, there: str) -> None:
        with pytest.raises(RegistryError):
            go("https://r.example/v2/a", there)

    def test_stops_after_ten(self) -> None:
        assert go("https://r.example/a", "/b", MOST_HOPS - 1).url == "https://r.example/b"
        with pytest.raises(RegistryError, match="stopped after 10 redirects"):
            go("https://r.example/a", "/b", MOST_HOPS)


@pytest.mark.parametrize("address", ["10.0.0.7", "192.168.1.1", "2001:db8::1", "cdn.example", "fd00::1"])
def test_private_addresses_are_allowed(address: str) -> None:
    assert refused_address(address, from_loopback=False) is None


def test_link_local_is_refused_even_for_a_registry_on_this_machine() -> None:
    assert refused_address("169.254.169.254", from_loopback=True)
    assert refused_address("fe80::1%eth0", from_loopback=True)
    assert refused_address("127.0.0.1", from_loopback=True) is None


class TestRetry:
    NOW = 1_700_000_000.0

    def test_pauses_double_with_jitter(self) -> None:
        assert [pause(n, None, 0.0, self.NOW) for n in range(1, 6)] == [0.25, 0.5, 1.0, 2.0, None]
        for attempt in range(1, ATTEMPTS):
            wait = pause(attempt, None, 0.999, self.NOW)
            assert wait is not None
            assert wait < 0.5 * 2 ** (attempt - 1)

    @pytest.mark.parametrize(
        ("header", "wanted"),
        [
            ("7", 7.0),
            (" 7 ", 7.0),
            ("0", 0.25),
            ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
            ("Tue, 14 Nov 2000 22:13:30 GMT", 0.25),
            ("soon", 0.25),
            ("-5", 0.25),
            ("9" * 400, None),
            ("3600", None),
            ("Tue, 14 Nov 9999 22:13:30 GMT", None),
            ("²", 0.25),
        ],
    )
    def test_retry_after(self, header: str, wanted: float | None) -> None:
        assert pause(1, header, 0.0, self.NOW) == wanted

    def test_what_can_pass(self) -> None:
        assert [status for status in range(400, 600) if can_pass(status)] == [408, 429, 500, 502, 503, 504]
