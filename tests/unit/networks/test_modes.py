"""``--network``: which modes there are, and what contradicts them, in Docker's words."""

from __future__ import annotations

import pytest

from minidock.api import ContainerConfig, CreateRequest, EndpointRequest, HostConfig, PortBinding
from minidock.errors import InvalidArgument, Unsupported
from minidock.networks.modes import mode_of, requested_mac, warnings_of

PORT = {"80/tcp": (PortBinding(),)}
SHARED = "container:web"


def asked(mode: str, config: ContainerConfig | None = None, **host: object) -> CreateRequest:
    return CreateRequest(config or ContainerConfig(), HostConfig(network_mode=mode, **host))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("", ("bridge", "")),
        ("default", ("bridge", "")),
        ("bridge", ("bridge", "")),
        ("none", ("none", "")),
        ("host", ("host", "")),
        (SHARED, ("container", "web")),
    ],
)
def test_modes(word: str, mode: tuple[str, str]) -> None:
    assert mode_of(asked(word)) == mode


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (asked("container:"), "Invalid network mode: invalid container format container:<name|id>"),
        (asked(SHARED, ContainerConfig(hostname="a")), "conflicting options: hostname and the network mode"),
        (asked(SHARED, dns=("1.1.1.1",)), "conflicting options: dns and the network mode"),
        (
            asked(SHARED, extra_hosts=("a:1.1.1.1",)),
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        (asked(SHARED, port_bindings=PORT), "conflicting options: port publishing and the container type network mode"),
        (
            asked(SHARED, publish_all_ports=True),
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            asked("host", ContainerConfig(mac_address="02:42:00:00:00:01")),
            "conflicting options: mac-address and the network mode",
        ),
    ],
)
def test_contradictions(request_: CreateRequest, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        mode_of(request_)
    assert caught.value.message == message


def test_a_network_of_the_users_own_says_what_works() -> None:
    for request in (asked("backend"), CreateRequest(ContainerConfig(), networks={"backend": EndpointRequest()})):
        with pytest.raises(Unsupported, match="network backend") as caught:
            mode_of(request)
        assert "bridge, none, host" in str(caught.value.hint)


def test_an_address_of_ones_own_is_for_networks_of_ones_own() -> None:
    request = CreateRequest(ContainerConfig(), networks={"bridge": EndpointRequest(ipv4_address="172.17.0.9")})
    with pytest.raises(InvalidArgument, match="user specified IP address is supported on user defined networks only"):
        mode_of(request)


def test_the_hardware_address() -> None:
    mac = "02:42:00:00:00:01"
    assert requested_mac(CreateRequest(ContainerConfig(mac_address=mac))) == mac
    assert requested_mac(CreateRequest(ContainerConfig(), networks={"bridge": EndpointRequest(mac_address=mac)})) == mac
    assert requested_mac(CreateRequest(ContainerConfig())) == ""
    for wrong in ("02:42", "02-42-00-00-00-01", "02:42:00:00:00:+1", "02:42:00:00:00:01:02"):
        with pytest.raises(InvalidArgument, match="is not a valid mac address"):
            requested_mac(CreateRequest(ContainerConfig(mac_address=wrong)))


def test_published_ports_mean_nothing_on_the_hosts_network() -> None:
    assert warnings_of(asked("host", port_bindings=PORT)) == (
        "Published ports are discarded when using host network mode",
    )
    assert warnings_of(asked("host")) == warnings_of(asked("", port_bindings=PORT)) == ()
