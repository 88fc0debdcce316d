"""Whose rules would drop our packets: chains of other tables that forbid all forwarding.

Every base chain at the forward hook has its say, and one ``drop`` is enough. So if another program's chain has the
policy ``drop`` (Docker's iptables rules have, and some firewalls), no ``accept`` of ours can help: the container would
be deaf, without a word of explanation. We look, and say so, unless a rule there names our links: then somebody has
thought of us.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from minidock.errors import Conflict


class Chain(msgspec.Struct, frozen=True):
    """One chain of nftables; the last three are empty but for base chains."""

    family: str
    table: str
    name: str
    hook: str = ""
    policy: str = ""


class _Entry(msgspec.Struct):
    chain: Chain | None = None


class _Listing(msgspec.Struct):
    nftables: list[_Entry]


def dropping_chains(chains: bytes) -> tuple[Chain, ...]:
    """Return the chains that drop all forwarded IPv4 packets which they do not accept.

    :param chains: what ``nft -j list chains`` prints.
    """
    entries = msgspec.json.decode(chains, type=_Listing).nftables
    return tuple(
        chain
        for entry in entries
        if (chain := entry.chain)
        and chain.hook == "forward"
        and chain.policy == "drop"
        and chain.family in ("ip", "inet")
    )


def check_forwarding(chains: bytes, bridge: str, rules_of: Callable[[Chain], str]) -> None:
    """Fail if another table would drop what comes from or goes to *bridge*.

    :param rules_of: returns the text of a chain's table.
    :raises Conflict: there is such a table; the hint is what its administrator can do.
    """
    for chain in dropping_chains(chains):
        text = rules_of(chain)
        if f'"{bridge}"' in text or '"md*"' in text:
            continue
        target = "DOCKER-USER" if "chain DOCKER-USER" in text else chain.name
        place = f"nft insert rule {chain.family} {chain.table} {target}"
        raise _deaf(
            f"the chain {chain.name} of the firewall table {chain.family} {chain.table}",
            f"{place} iifname {bridge} accept; {place} oifname {bridge} accept",
        )


def check_legacy(rules: str, bridge: str) -> None:
    """Fail if the older iptables, which nft does not show, would drop what comes from or goes to *bridge*.

    :param rules: what ``iptables-legacy -S`` prints.
    :raises Conflict: so it is; the hint is what the administrator can do.
    """
    lines = rules.splitlines()
    if "-P FORWARD DROP" not in lines or any(f"-i {name} " in line for line in lines for name in (bridge, "md+")):
        return
    place = f"iptables-legacy -I {'DOCKER-USER' if '-N DOCKER-USER' in lines else 'FORWARD'}"
    raise _deaf(
        "the chain FORWARD of the older iptables (iptables-legacy)",
        f"{place} -i {bridge} -j ACCEPT; {place} -o {bridge} -j ACCEPT",
    )


def _deaf(who: str, commands: str) -> Conflict:
    return Conflict(
        f"{who} drops all forwarded packets: containers on a bridge would reach nobody",
        f"allow it there: `{commands}`; or use --network host or none",
    )
