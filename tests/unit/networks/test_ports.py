"""Published ports: what is asked for, who gets which, and Docker's words where it cannot be."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.api import ContainerConfig, CreateRequest, HostConfig, PortBinding
from minidock.errors import Conflict, InvalidArgument, Unsupported
from minidock.networks.ports import PublishedPort, WantedPort, allocate_ports, can_bind, wanted_ports
from minidock.oci.image import Empty


def asked(bindings: dict[str, tuple[PortBinding, ...]], exposed: tuple[str, ...] = ()) -> CreateRequest:
    config = ContainerConfig(exposed_ports={name: Empty() for name in exposed})
    return CreateRequest(config, HostConfig(port_bindings=bindings, publish_all_ports=bool(exposed)))


def free(*_: object) -> bool:
    return True


def test_what_is_asked_for() -> None:
    request = asked(
        {
            "80/tcp": (PortBinding("127.0.0.1", "8080"), PortBinding("", "8000-8010")),
            "53/udp": (PortBinding("", ""),),
            "9/SCTP": (),
        }
    )
    assert wanted_ports(request) == (
        WantedPort("sctp", 9, "0.0.0.0", 0, 0),
        WantedPort("tcp", 80, "0.0.0.0", 8000, 8010),
        WantedPort("tcp", 80, "127.0.0.1", 8080, 8080),
        WantedPort("udp", 53, "0.0.0.0", 0, 0),
    )
    assert wanted_ports(asked({"80": (PortBinding("", "1"),)}), "127.0.0.1")[0].host_ip == "127.0.0.1"


def test_publish_all_takes_what_is_exposed_and_not_yet_published() -> None:
    request = asked({"80/tcp": (PortBinding("", "8080"),)}, ("80/tcp", "90-92/udp"))
    assert [(w.port, w.protocol, w.first) for w in wanted_ports(request)] == [
        (80, "tcp", 8080),
        (90, "udp", 0),
        (91, "udp", 0),
        (92, "udp", 0),
    ]
    assert wanted_ports(CreateRequest(ContainerConfig(exposed_ports={"80/tcp": Empty()}))) == ()


@pytest.mark.parametrize(
    ("name", "place", "message"),
    [
        ("80/icmp", PortBinding(), "invalid proto: icmp"),
        ("0/tcp", PortBinding(), "invalid containerPort: 0"),
        ("65536/tcp", PortBinding(), "invalid containerPort: 65536"),
        ("80-81/tcp", PortBinding(), "invalid containerPort: 80-81"),
        ("x/tcp", PortBinding(), "invalid containerPort: x"),
        ("٨٠/tcp", PortBinding(), "invalid containerPort: ٨٠"),
        ("80/tcp", PortBinding("", "90-80"), "invalid hostPort: 90-80"),
        ("80/tcp", PortBinding("", "-1"), "invalid hostPort: -1"),
        ("80/tcp", PortBinding("", "70000"), "invalid hostPort: 70000"),
        ("80/tcp", PortBinding("localhost", "80"), "invalid IP address: localhost"),
        ("80/tcp", PortBinding("1.2.3.4 } drop", "80"), r"invalid IP address: 1.2.3.4 } drop"),
    ],
)
def test_nonsense(name: str, place: PortBinding, message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{message}$"):
        wanted_ports(asked({name: (place,)}))


def test_an_ipv6_address_is_a_clear_refusal() -> None:
    with pytest.raises(Unsupported, match="IPv4 only") as caught:
        wanted_ports(asked({"80/tcp": (PortBinding("[::1]", "80"),)}))
    assert caught.value.hint


def test_a_range_gives_its_first_free_port() -> None:
    want = [WantedPort("tcp", 80, "0.0.0.0", 8000, 8002)]
    taken = [PublishedPort("tcp", 1, "127.0.0.1", 8000)]
    (got,) = allocate_ports(want, taken, lambda _p, _a, port: port != 8001, (1, 2), 0)
    assert got.host_port == 8002
    with pytest.raises(Conflict, match="all ports are allocated"):
        allocate_ports(want, taken, lambda *_: False, (1, 2), 0)


def test_docker_words_for_a_taken_port() -> None:
    want = [WantedPort("tcp", 80, "0.0.0.0", 8080, 8080)]
    with pytest.raises(Conflict, match=r"^Bind for 0\.0\.0\.0:8080 failed: port is already allocated$"):
        allocate_ports([*want, *want], [], free, (1, 2), 0)


def test_any_port_is_the_next_one_of_the_range() -> None:
    want = [WantedPort("tcp", 80, "0.0.0.0", 0, 0)]
    assert allocate_ports(want, [], free, (100, 102), 0)[0].host_port == 100
    assert allocate_ports(want, [], free, (100, 102), 100)[0].host_port == 101
    assert allocate_ports(want, [], free, (100, 102), 102)[0].host_port == 100


ADDRESSES = st.sampled_from(["0.0.0.0", "127.0.0.1", "192.0.2.1"])
WANTS = st.builds(
    lambda protocol, ip, first, span: WantedPort(protocol, 80, ip, first, first + span if first else 0),
    st.sampled_from(["tcp", "udp"]),
    ADDRESSES,
    st.integers(0, 8),
    st.integers(0, 3),
)


@given(st.lists(st.lists(WANTS, min_size=1, max_size=3), max_size=12))
def test_no_two_containers_share_a_port(containers: list[list[WantedPort]]) -> None:
    taken: list[PublishedPort] = []
    for wants in containers:
        try:
            got = allocate_ports(wants, taken, free, (100, 110), 0)
        except Conflict:
            continue
        for want, port in zip(wants, got, strict=True):
            assert port.host_port in (range(want.first, want.last + 1) if want.first else range(100, 111))
            for other in taken:
                same_address = "0.0.0.0" in (port.host_ip, other.host_ip) or port.host_ip == other.host_ip
                assert not (same_address and (port.protocol, port.host_port) == (other.protocol, other.host_port))
            taken.append(port)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_listener_is_seen(protocol: str) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            holder.listen(1)
        port = holder.getsockname()[1]
        assert not can_bind(protocol, "0.0.0.0", port)
        assert not can_bind(protocol, "127.0.0.1", port)
    assert can_bind(protocol, "127.0.0.1", port)


def test_an_address_of_another_host() -> None:
    with pytest.raises(InvalidArgument, match="cannot assign requested address"):
        can_bind("tcp", "192.0.2.77", 80)
