"""Where a registry lives: mirrors, insecure registries, proxies, certificates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from minidock.errors import InvalidArgument
from minidock.registry.hosts import (
    RegistryHosts,
    certificate_files,
    endpoints,
    environment_proxies,
    proxy_for,
)


def nobody(host: str) -> Sequence[str]:
    raise AssertionError(f"{host} was looked up")


def bases(registry: str, hosts: RegistryHosts | None = None, addresses: Sequence[str] | None = None) -> list[str]:
    found = endpoints(registry, hosts or RegistryHosts(), nobody if addresses is None else lambda _: addresses)
    return [place.base + ("" if place.checked else " unchecked") for place in found]


class TestEndpoints:
    def test_docker_hub(self) -> None:
        assert bases("docker.io") == ["https://registry-1.docker.io"]
        assert endpoints("docker.io", RegistryHosts(), nobody)[0].registry == "docker.io"

    def test_others_by_https_alone(self) -> None:
        assert bases("ghcr.io") == ["https://ghcr.io"]
        assert bases("10.0.0.1:5000") == ["https://10.0.0.1:5000"]

    @pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"])
    def test_loopback_may_be_insecure(self, host: str) -> None:
        assert bases(host) == [f"https://{host} unchecked", f"http://{host} unchecked"]

    @pytest.mark.parametrize("entry", ["reg.lan:5000", "reg.lan", "REG.lan"])
    def test_insecure_by_name(self, entry: str) -> None:
        hosts = RegistryHosts(insecure=(entry,))
        assert bases("reg.lan:5000", hosts) == ["https://reg.lan:5000 unchecked", "http://reg.lan:5000 unchecked"]
        assert bases("other.lan:5000", hosts) == ["https://other.lan:5000"]

    def test_insecure_by_network(self) -> None:
        hosts = RegistryHosts(insecure=("10.0.0.0/8", "fd00::/8"))
        assert len(bases("10.1.2.3:5000", hosts)) == 2
        assert len(bases("[fd00::1]:5000", hosts)) == 2
        assert len(bases("11.1.2.3:5000", hosts)) == 1
        assert len(bases("reg.lan", hosts, ["10.9.9.9"])) == 2
        assert len(bases("reg.lan", hosts, ["192.0.2.1"])) == 1
        with pytest.raises(InvalidArgument):
            bases("11.1.2.3", RegistryHosts(insecure=("300.0.0.0/8",)))

    def test_mirrors_for_any_host_come_first(self) -> None:
        hosts = RegistryHosts(
            mirrors={"docker.io": ("https://m1.example/", "m2.example/hub"), "ghcr.io": ("http://m3.lan:5000",)}
        )
        assert bases("docker.io", hosts) == [
            "https://m1.example",
            "https://m2.example/hub",
            "https://registry-1.docker.io",
        ]
        assert bases("ghcr.io", hosts) == ["http://m3.lan:5000 unchecked", "https://ghcr.io"]
        assert bases("quay.io", hosts) == ["https://quay.io"]

    def test_a_mirror_has_its_own_credentials(self) -> None:
        hosts = RegistryHosts(mirrors={"docker.io": ("https://m1.example",)})
        mirror, hub = endpoints("docker.io", hosts, nobody)
        assert (mirror.registry, hub.registry) == ("m1.example", "docker.io")

    @pytest.mark.parametrize("url", ["ftp://m", "https://", "https://user:pw@m", "https://m?x=1", "https://m:999999"])
    def test_a_mirror_must_be_a_url(self, url: str) -> None:
        with pytest.raises(InvalidArgument, match="invalid mirror"):
            bases("docker.io", RegistryHosts(mirrors={"docker.io": (url,)}))


class TestProxies:
    def test_from_the_environment(self) -> None:
        values = {"HTTPS_PROXY": "http://p:3128", "http_proxy": "q:80", "NO_PROXY": ".lan", "no_proxy": "x"}
        assert environment_proxies(values) == {"https": "http://p:3128", "http": "q:80", "no": ".lan"}
        assert environment_proxies({"HTTP_PROXY": "http://evil", "REQUEST_METHOD": "GET"}) == {}

    @pytest.mark.parametrize(
        ("url", "exceptions", "wanted"),
        [
            ("https://r.example/", "", "http://p:1"),
            ("http://r.example/", "", None),
            ("https://localhost:5000/", "", None),
            ("https://127.0.0.1/", "", None),
            ("https://r.example/", "*", None),
            ("https://r.example/", "other, r.example", None),
            ("https://r.example/", "example", None),
            ("https://r.example/", ".example", None),
            ("https://example/", ".example", "http://p:1"),
            ("https://badexample/", "example", "http://p:1"),
            ("https://r.example:444/", "r.example:443", "http://p:1"),
            ("https://r.example/", "r.example:443", None),
            ("https://10.1.1.1/", "10.0.0.0/8", None),
            ("https://11.1.1.1/", "10.0.0.0/8", "http://p:1"),
            ("https://[fd00::1]/", "fd00::1", None),
            ("https://r.example/", "300.0.0.0/99,,", "http://p:1"),
        ],
    )
    def test_exceptions_as_in_go(self, url: str, exceptions: str, wanted: str | None) -> None:
        assert proxy_for(url, {"https": "p:1", "no": exceptions}) == wanted


class TestCertificates:
    def test_are_found_by_host_and_port(self, root: Path) -> None:
        folder = root / "reg.lan:5000"
        folder.mkdir()
        for name in ("ca.crt", "me.cert", "me.key", "notes.txt"):
            (folder / name).write_text("x")
        found = certificate_files("reg.lan:5000", [str(root / "none"), str(root)])
        assert found == ([f"{folder}/ca.crt"], [(f"{folder}/me.cert", f"{folder}/me.key")])
        assert certificate_files("reg.lan", [str(root)]) == ([], [])

    def test_a_certificate_needs_its_key(self, root: Path) -> None:
        (root / "reg.lan").mkdir()
        (root / "reg.lan" / "me.cert").write_text("x")
        with pytest.raises(InvalidArgument, match=r"missing key me\.key"):
            certificate_files("reg.lan", [str(root)])
