"""The text of our nftables table: what each network and each published port needs, every rule with its reason. Pure.

All is in one table of our own, ``minidock-<short id>``, and no rule of others is touched. A packet meets it here::

    from outside ─▶ raw ──▶ prerouting ──▶ (routing) ──▶ forward ──▶ postrouting ─▶ container
                     │         │ DNAT: published ports       │           │
                     drop      │                             drop        masquerade
    from the host ───────▶ output (DNAT) ────────────────────────────▶ postrouting ─▶ container

*raw* comes before connection tracking. There 172.17.0.2 can only be what the sender wrote: who speaks to a container's
address from outside has routed around the published ports, and is dropped. The same holds for 127.0.0.0/8: since a
port that is published on 127.0.0.1 needs ``route_localnet``, the kernel would no longer drop such packets itself.

Published ports are elements of two maps, so that one more port is one small transaction. The *base*, all the rest, is
replaced as a whole, in one transaction too, with all ports in it: there is no moment without rules.

An ``accept`` of ours ends only our own chain's opinion; a ``drop`` is final. So other tables can forbid what we allow
(``foreign``), and our chain says ``accept`` at once to what is none of our business.

Sources: nft(8), and its hooks' picture at https://wiki.nftables.org/wiki-nftables/index.php/Netfilter_hooks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from minidock.networks.ports import ANY, PublishedPort
from minidock.networks.state import Network


class Forward(msgspec.Struct, frozen=True):
    """A published port, and the container's address."""

    published: PublishedPort
    address: str


_MAPS = """\
  map published {
    comment "protocol . host address . host port : container"
    type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service
  }
  map anywhere {
    comment "protocol . host port : container"
    type inet_proto . inet_service : ipv4_addr . inet_service
  }
"""

_BASE = """\
  chain raw {{
    type filter hook prerouting priority raw; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 drop \
comment "127.0.0.1 means this machine: nobody else may speak to it"
    iifname != {{ "lo", {bridges} }} ip daddr {{ {subnets} }} drop \
comment "from outside only by published ports, not by the container's own address"
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish comment "to one of the host's addresses: perhaps to a published port"
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    fib daddr type local jump publish comment "the same, from the host itself"
  }}
  chain publish {{
    meta nfproto ipv4 meta l4proto {{ tcp, udp, sctp }} dnat ip to meta l4proto . ip daddr . th dport map @published \
comment "published on one address of the host"
    meta nfproto ipv4 meta l4proto {{ tcp, udp, sctp }} dnat ip to meta l4proto . th dport map @anywhere \
comment "published on all addresses of the host"
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname {{ {bridges} }} ip saddr 127.0.0.0/8 masquerade \
comment "from 127.0.0.1: the container could not answer to that"
    oifname {{ {bridges} }} ip saddr {{ {subnets} }} ct status dnat masquerade \
comment "from a container by a published port: the answer must come back this way"
    oifname != {{ {bridges} }} ip saddr {{ {subnets} }} masquerade \
comment "to the world with the host's address: nobody there knows the container's"
  }}
  chain forward {{
    type filter hook forward priority filter - 1; policy accept;
    iifname != {{ {bridges} }} oifname != {{ {bridges} }} accept comment "none of our business"
    ct state established,related accept comment "answers"
    ct state invalid drop comment "packets of no connection cannot be answered, and would leave unmasked"
    ct status dnat accept comment "published ports"
{inner}
    iifname {{ {bridges} }} oifname {{ {bridges} }} drop comment "networks are isolated from each other"
    iifname {{ {bridges} }} accept comment "to the world"
    oifname {{ {bridges} }} drop comment "not published"
  }}
"""


def table_name(short_id: str) -> str:
    """Return the name of the table of the engine root with this short id."""
    return f"minidock-{short_id}"


def whole_table(table: str, networks: Sequence[Network], ports: Iterable[Forward]) -> str:
    """Return the transaction that replaces the table, whatever was in it, by the right one."""
    bridges = ", ".join(f'"{network.bridge}"' for network in networks)
    subnets = ", ".join(network.subnet for network in networks)
    inner = "\n".join(
        f'    iifname "{n.bridge}" oifname "{n.bridge}" accept comment "containers of one network reach each other"'
        for n in networks
    )
    base = _BASE.format(bridges=bridges, subnets=subnets, inner=inner)
    # deleting a table that is not there would fail the transaction; so it is added first
    head = f"add table inet {table}\ndelete table inet {table}\n"
    return f"{head}table inet {table} {{\n{_MAPS}{base}}}\n{publish(table, ports)}"


def publish(table: str, ports: Iterable[Forward]) -> str:
    """Return the transaction that publishes *ports*; nothing for none. Idempotent."""
    return _elements("add", table, ports)


def unpublish(table: str, ports: Iterable[Forward]) -> str:
    """Return the transaction that takes *ports* back; nothing for none. Idempotent.

    Deleting what is not there would fail the transaction; so everything is added first, the maps too. A port that
    somebody else has by now stays: then adding it fails, and with it the whole transaction.
    """
    ports = tuple(ports)
    if not ports:
        return ""
    return f"table inet {table} {{\n{_MAPS}}}\n{publish(table, ports)}{_elements('delete', table, ports)}"


def _elements(verb: str, table: str, ports: Iterable[Forward]) -> str:
    lines = []
    for forward in ports:
        port = forward.published
        target = f"{forward.address} . {port.port}"
        if port.host_ip == ANY:
            lines.append(f"{verb} element inet {table} anywhere {{ {port.protocol} . {port.host_port} : {target} }}\n")
        else:
            key = f"{port.protocol} . {port.host_ip} . {port.host_port}"
            lines.append(f"{verb} element inet {table} published {{ {key} : {target} }}\n")
    return "".join(lines)
