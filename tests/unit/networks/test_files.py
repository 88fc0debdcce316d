"""``hosts``, ``hostname`` and ``resolv.conf`` of a container."""

from __future__ import annotations

import pytest

from minidock.api import ContainerConfig, CreateRequest, HostConfig
from minidock.errors import InvalidArgument
from minidock.networks.files import HostSide, container_files, extra_hosts, host_files
from minidock.networks.resolvconf import Resolver, container_resolver, parse_resolver, pick_source

HOST = HostSide("machine", "127.0.0.1 localhost\n10.0.0.9 printer\n", "nameserver 10.0.0.1\nsearch example.org\n", None)


def test_the_resolver_of_the_host_is_read_as_the_library_does() -> None:
    text = (
        "# a comment\n; another\nnameserver 10.0.0.1\n nameserver fe80::1%eth0\ndomain a\nsearch b c\n"
        "options ndots:2 edns0\nnameserver\n"
    )
    assert parse_resolver(text) == Resolver(("10.0.0.1", "fe80::1%eth0"), ("b", "c"), ("ndots:2", "edns0"))
    assert parse_resolver("") == Resolver()


def test_loopback_and_ipv6_servers_are_of_no_use_inside() -> None:
    own = Resolver(("127.0.0.1", "::1", "fd00::1", "0.0.0.0", "nonsense", "10.0.0.1"), ("a",), ("ndots:1",))
    assert container_resolver(own, (), (), ()) == Resolver(("10.0.0.1",), ("a",), ("ndots:1",))
    assert container_resolver(Resolver(("127.0.0.53",)), (), (), ()).servers == ("8.8.8.8", "8.8.4.4")
    assert container_resolver(own, (), (), (), host=True).servers == own.servers


def test_the_users_settings_win_one_by_one() -> None:
    own = Resolver(("10.0.0.1",), ("a",), ("ndots:1",))
    assert container_resolver(own, ("1.1.1.1", "fd00::53"), (), ()).servers == ("1.1.1.1", "fd00::53")
    assert container_resolver(own, (), ("b", "c"), ()).search == ("b", "c")
    assert container_resolver(own, (), (".",), ()).search == ()
    assert container_resolver(own, (), (), ("use-vc",)).options == ("use-vc",)


@pytest.mark.parametrize(
    ("servers", "search"),
    [(("dns.example",), ()), (("1.1.1.1\nsearch evil",), ()), ((), ("a\nnameserver 6.6.6.6",)), ((), ("",))],
)
def test_settings_that_are_none(servers: tuple[str, ...], search: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgument):
        container_resolver(Resolver(), servers, search, ())


def test_systemds_own_list_is_taken_where_the_host_asks_a_local_stub() -> None:
    stub, real = "nameserver 127.0.0.53\n", "nameserver 10.0.0.1\n"
    assert pick_source(stub, real) == real
    assert pick_source(stub, None) == stub
    assert pick_source(real, "nameserver 10.0.0.2\n") == real
    assert pick_source("", real) == ""


def test_the_files_of_a_container() -> None:
    create = CreateRequest(
        ContainerConfig(domainname="example.org"), HostConfig(extra_hosts=("db:10.0.0.5", "gate=host-gateway"))
    )
    files = container_files(create, HOST, "web", "172.17.0.2", "172.17.0.1")
    assert files.hostname == "web\n"
    assert files.hosts.startswith("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
    assert files.hosts.endswith("10.0.0.5\tdb\n172.17.0.1\tgate\n172.17.0.2\tweb.example.org web\n")
    assert files.resolv_conf.endswith("nameserver 10.0.0.1\nsearch example.org\n")
    alone = container_files(CreateRequest(ContainerConfig()), HOST, "web", None, None)
    assert "web" not in alone.hosts


def test_a_container_on_the_hosts_network_has_the_hosts_files() -> None:
    files = host_files(CreateRequest(ContainerConfig()), HOST)
    assert (files.hostname, files.hosts, files.resolv_conf) == ("machine\n", HOST.hosts, HOST.resolv_conf)
    given = host_files(
        CreateRequest(ContainerConfig(), HostConfig(extra_hosts=("db:10.0.0.5",), dns=("1.1.1.1",))), HOST
    )
    assert given.hosts == f"{HOST.hosts}10.0.0.5\tdb\n"
    assert "nameserver 1.1.1.1\n" in given.resolv_conf


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("db", 'bad format for add-host: "db"'),
        (":10.0.0.1", 'bad format for add-host: ":10.0.0.1"'),
        ("a b:10.0.0.1", 'bad format for add-host: "a b:10.0.0.1"'),
        ("db:10.0.0", 'invalid IP address in add-host: "10.0.0"'),
    ],
)
def test_hosts_that_make_no_sense(entry: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{message}$"):
        extra_hosts([entry], None)


def test_ipv6_hosts_and_a_gateway_that_nobody_has() -> None:
    assert extra_hosts(["db:[fd00::5]", "x=fd00::6"], None) == (("fd00::5", "db"), ("fd00::6", "x"))
    with pytest.raises(InvalidArgument, match="host-gateway"):
        extra_hosts(["x:host-gateway"], None)
