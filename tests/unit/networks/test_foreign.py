"""Foreign chains that drop all forwarded packets are found, and the hint names the command that helps."""

from __future__ import annotations

import json

import pytest

from minidock.errors import Conflict
from minidock.networks.foreign import Chain, check_forwarding, check_legacy, dropping_chains


def listing(*chains: dict[str, object]) -> bytes:
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, *({"chain": c} for c in chains)]}).encode()


DROP = {
    "family": "ip",
    "table": "filter",
    "name": "FORWARD",
    "handle": 1,
    "type": "filter",
    "hook": "forward",
    "policy": "drop",
}


def test_which_chains_count() -> None:
    others = [
        {**DROP, "policy": "accept"},
        {**DROP, "hook": "input"},
        {**DROP, "family": "ip6"},
        {"family": "ip", "table": "filter", "name": "plain", "handle": 2},
    ]
    assert dropping_chains(listing(*others)) == ()
    assert dropping_chains(listing(*others, DROP)) == (Chain("ip", "filter", "FORWARD", "forward", "drop"),)


def test_the_error_names_the_chain_and_the_way_out() -> None:
    with pytest.raises(Conflict, match="FORWARD of the firewall table ip filter") as caught:
        check_forwarding(listing(DROP), "md1f2ebr0", lambda _: "table ip filter {}")
    assert "nft insert rule ip filter FORWARD iifname md1f2ebr0 accept" in str(caught.value.hint)
    with pytest.raises(Conflict) as caught:
        check_forwarding(listing(DROP), "md1f2ebr0", lambda _: "table ip filter {\n chain DOCKER-USER {\n }\n}")
    assert "nft insert rule ip filter DOCKER-USER iifname md1f2ebr0 accept" in str(caught.value.hint)


@pytest.mark.parametrize("rule", ['iifname "md1f2ebr0" accept', 'iifname "md*" accept'])
def test_somebody_has_thought_of_us(rule: str) -> None:
    check_forwarding(listing(DROP), "md1f2ebr0", lambda _: rule)


def test_the_older_iptables() -> None:
    check_legacy("", "md1f2ebr0")
    check_legacy("-P INPUT DROP\n-P FORWARD ACCEPT\n", "md1f2ebr0")
    check_legacy("-P FORWARD DROP\n-A FORWARD -i md1f2ebr0 -j ACCEPT\n", "md1f2ebr0")
    with pytest.raises(Conflict) as caught:
        check_legacy("-P FORWARD DROP\n-N DOCKER-USER\n-A FORWARD -i md1f2ebr01 -j ACCEPT\n", "md1f2ebr0")
    assert "iptables-legacy -I DOCKER-USER -i md1f2ebr0 -j ACCEPT" in str(caught.value.hint)
