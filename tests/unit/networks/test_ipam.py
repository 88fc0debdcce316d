"""Addresses: never one twice, freed ones rest as long as possible, nobody gets the network's own."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidock.errors import Conflict, InvalidArgument
from minidock.networks.ipam import Address, Subnet, allocate, default_gateway, mac_of, reserve, usable_range


@st.composite
def subnets(draw: st.DrawFn) -> Subnet:
    if draw(st.booleans()):
        base = draw(st.ip_addresses(v=4))
        return ip_network(f"{base}/{draw(st.integers(20, 32))}", strict=False)
    base = draw(st.ip_addresses(v=6))
    return ip_network(f"{base}/{draw(st.integers(8, 128))}", strict=False)


@given(subnets(), st.lists(st.integers(0, 7), max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_address_is_given_twice(subnet: Subnet, frees: list[int]) -> None:
    """Allocate and free at random: what is given is free, inside, and nobody's by definition."""
    gateway = default_gateway(subnet)
    held: list[Address] = []
    last = None
    for number in frees:
        if number and len(held) >= number:
            held.pop(number - 1)
        try:
            last = allocate(subnet, {gateway, *held}, last)
        except Conflict:
            assert len(held) + 1 == usable_range(subnet)[1] - usable_range(subnet)[0] + 1
            continue
        assert last in subnet
        assert last not in held
        assert last != gateway
        if subnet.num_addresses > 2:
            assert last != subnet.network_address
            if subnet.version == 4:
                assert last != subnet.broadcast_address
        held.append(last)


@given(st.integers(24, 30))
def test_a_freed_address_is_given_again_as_late_as_possible(length: int) -> None:
    subnet = ip_network(f"10.0.0.0/{length}")
    gateway = default_gateway(subnet)
    given_out: list[Address] = []
    last = None
    for _ in range(subnet.num_addresses - 3):  # without network, broadcast, gateway; each one is freed at once
        last = allocate(subnet, {gateway}, last)
        given_out.append(last)
    assert len(set(given_out)) == len(given_out)
    assert allocate(subnet, {gateway}, last) == given_out[0]


def test_the_first_containers_get_the_addresses_that_docker_gives() -> None:
    subnet = ip_network("172.17.0.0/16")
    gateway = default_gateway(subnet)
    assert str(gateway) == "172.17.0.1"
    first = allocate(subnet, {gateway}, None)
    assert str(first) == "172.17.0.2"
    assert str(allocate(subnet, {gateway, first}, first)) == "172.17.0.3"


@pytest.mark.parametrize(
    "text", ["10.0.0.0/30", "10.0.0.0/31", "10.0.0.0/32", "fd00::/126", "fd00::/127", "fd00::/128"]
)
def test_a_full_subnet_says_so(text: str) -> None:
    subnet = ip_network(text)
    taken: set[Address] = {default_gateway(subnet)}
    last = None
    for _ in range(usable_range(subnet)[1] - usable_range(subnet)[0]):
        last = allocate(subnet, taken, last)
        taken.add(last)
    with pytest.raises(Conflict, match=r"^no available IPv[46] addresses on this network's address pools"):
        allocate(subnet, taken, last)


def test_a_cursor_from_another_subnet_is_no_cursor() -> None:
    subnet = ip_network("10.1.0.0/24")
    assert str(allocate(subnet, {default_gateway(subnet)}, ip_address("192.168.0.9"))) == "10.1.0.2"


def test_a_wanted_address() -> None:
    subnet = ip_network("10.1.0.0/24")
    taken = {default_gateway(subnet)}
    assert str(reserve(subnet, taken, "10.1.0.200")) == "10.1.0.200"
    for wanted in ("10.1.0.0", "10.1.0.255", "10.2.0.1", "nonsense", "fd00::1", ""):
        with pytest.raises(InvalidArgument):
            reserve(subnet, taken, wanted)
    with pytest.raises(Conflict, match="Address already in use"):
        reserve(subnet, taken, "10.1.0.1")


def test_hardware_addresses_are_those_of_docker() -> None:
    assert mac_of(ip_address("172.17.0.2")) == "02:42:ac:11:00:02"
    assert mac_of(ip_address("fd00::1:2:3")) == "02:42:00:02:00:03"
