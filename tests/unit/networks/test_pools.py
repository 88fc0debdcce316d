"""The subnet of a new network overlaps nothing that the host already routes."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.errors import Conflict
from minidock.networks.pools import choose_subnet


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        ((), "172.17.0.0/16"),
        (("default", "fd00::/64"), "172.17.0.0/16"),
        (("172.17.0.0/16",), "172.18.0.0/16"),
        (("172.17.3.0/24", "172.18.255.255/32"), "172.19.0.0/16"),
        (("172.16.0.0/12",), "192.168.0.0/20"),
        (("172.16.0.0/12", "192.168.1.0/24"), "192.168.16.0/20"),
    ],
)
def test_the_first_free_one(taken: tuple[str, ...], chosen: str) -> None:
    assert str(choose_subnet(taken)) == chosen


def test_none_left() -> None:
    with pytest.raises(Conflict, match="all predefined address pools have been fully subnetted"):
        choose_subnet(["172.16.0.0/12", "192.168.0.0/16"])


@given(
    st.lists(
        st.builds(lambda a, n: str(ip_network(f"{a}/{n}", strict=False)), st.ip_addresses(v=4), st.integers(8, 32))
    )
)
def test_never_an_overlap(taken: list[str]) -> None:
    try:
        chosen = choose_subnet(taken)
    except Conflict:
        return
    assert not any(chosen.overlaps(IPv4Network(other)) for other in taken)
