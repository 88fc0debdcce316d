"""The text of the table: who is in it, a reason for every rule, and nothing of others. Real packets: tests/e2e."""

from __future__ import annotations

import re

from minidock.networks.firewall import Forward, publish, table_name, unpublish, whole_table
from minidock.networks.ports import PublishedPort
from minidock.networks.state import Network

NETWORKS = [
    Network("bridge", "md1f2ebr0", "172.17.0.0/16", "172.17.0.1"),
    Network("other", "md1f2ebr1", "172.18.0.0/16", "172.18.0.1"),
]
ANYWHERE = Forward(PublishedPort("tcp", 80, "0.0.0.0", 8080), "172.17.0.2")
LOCAL = Forward(PublishedPort("udp", 53, "127.0.0.1", 5353), "172.17.0.3")
TABLE = table_name("1f2e")


def test_every_rule_says_why() -> None:
    text = whole_table(TABLE, NETWORKS, [ANYWHERE])
    rules = [
        line
        for line in text.splitlines()
        if re.search(r"\b(accept|drop|masquerade|jump|dnat)\b", line) and "policy" not in line
    ]
    assert len(rules) >= 14
    assert all(re.search(r'comment "[^"]+"$', rule) for rule in rules)


def test_only_our_table_is_named() -> None:
    text = whole_table(TABLE, NETWORKS, [ANYWHERE, LOCAL]) + unpublish(TABLE, [ANYWHERE])
    named = re.findall(r"^(?:(?:add|delete) )?(?:table|element) inet (\S+)", text, re.MULTILINE)
    assert set(named) == {"minidock-1f2e"}
    assert not re.search(r"flush|insert|iptables", text)


def test_published_ports_are_elements() -> None:
    assert publish(TABLE, [ANYWHERE, LOCAL]) == (
        "add element inet minidock-1f2e anywhere { tcp . 8080 : 172.17.0.2 . 80 }\n"
        "add element inet minidock-1f2e published { udp . 127.0.0.1 . 5353 : 172.17.0.3 . 53 }\n"
    )
    assert publish(TABLE, []) == unpublish(TABLE, []) == ""
    assert unpublish(TABLE, [ANYWHERE]).endswith(
        "add element inet minidock-1f2e anywhere { tcp . 8080 : 172.17.0.2 . 80 }\n"
        "delete element inet minidock-1f2e anywhere { tcp . 8080 : 172.17.0.2 . 80 }\n"
    )


def test_the_whole_table_holds_the_ports_of_all_containers() -> None:
    assert whole_table(TABLE, NETWORKS, [ANYWHERE, LOCAL]).endswith(publish(TABLE, [ANYWHERE, LOCAL]))


def test_each_network_is_open_inside_and_closed_to_the_others() -> None:
    text = whole_table(TABLE, NETWORKS, [])
    for network in NETWORKS:
        assert f'iifname "{network.bridge}" oifname "{network.bridge}" accept' in text
    both = 'iifname { "md1f2ebr0", "md1f2ebr1" } oifname { "md1f2ebr0", "md1f2ebr1" } drop'
    assert text.index("containers of one network") < text.index(both) < text.index('comment "to the world"')
