"""The three small files that every container gets: ``hosts``, ``hostname`` and ``resolv.conf``.

Only :func:`read_host` looks at the host; the rest is pure. Sources: hosts(5), hostname(5), resolv.conf(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import ip_address

import msgspec

from minidock.api import CreateRequest
from minidock.errors import InvalidArgument
from minidock.networks.resolvconf import (
    HOST_FILE,
    SYSTEMD_FILE,
    container_resolver,
    parse_resolver,
    pick_source,
    resolv_conf,
)

LOCAL_NAMES = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


class Files(msgspec.Struct, frozen=True):
    """The texts of the three files."""

    hostname: str
    hosts: str
    resolv_conf: str


class HostSide(msgspec.Struct, frozen=True):
    """The host's own name and files; ``None`` for a file that is not there."""

    name: str
    hosts: str | None
    resolv_conf: str
    systemd: str | None


def read_host() -> HostSide:
    """Read the host's files."""
    return HostSide(os.uname().nodename, _read("/etc/hosts"), _read(HOST_FILE) or "", _read(SYSTEMD_FILE))


def container_files(
    create: CreateRequest, host: HostSide, hostname: str, address: str | None, gateway: str | None
) -> Files:
    """Return the files of a container with a network namespace of its own.

    :param address: the container's address, which its ``hosts`` names; ``None`` without a network.
    :param gateway: what ``host-gateway`` in ``--add-host`` stands for.
    :raises InvalidArgument: an ``--add-host`` or ``--dns`` that makes no sense.
    """
    wanted = create.host
    resolver = container_resolver(
        parse_resolver(pick_source(host.resolv_conf, host.systemd)),
        wanted.dns,
        wanted.dns_search,
        wanted.dns_options,
    )
    extra = extra_hosts(wanted.extra_hosts, gateway)
    hosts = hosts_file(extra, address, hostname, create.config.domainname)
    return Files(hostname + "\n", hosts, resolv_conf(resolver))


def host_files(create: CreateRequest, host: HostSide) -> Files:
    """Return the files of a container on the host's network: the host's own, with what the user adds."""
    wanted = create.host
    local = parse_resolver(host.resolv_conf)
    resolver = container_resolver(local, wanted.dns, wanted.dns_search, wanted.dns_options, host=True)
    added = "".join(f"{address}\t{name}\n" for address, name in extra_hosts(wanted.extra_hosts, "127.0.0.1"))
    given = wanted.dns or wanted.dns_search or wanted.dns_options
    text = resolv_conf(resolver) if given else host.resolv_conf
    own = host.hosts if host.hosts is not None else LOCAL_NAMES
    return Files((create.config.hostname or host.name) + "\n", own + added, text)


def hosts_file(extra: Iterable[tuple[str, str]], address: str | None, hostname: str, domainname: str) -> str:
    """Return the text of ``hosts``: this machine's names, *extra* ones, and the container's own name and address."""
    own = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    lines = [f"{where}\t{name}\n" for where, name in extra]
    if address is not None:
        lines.append(f"{address}\t{own}\n")
    return LOCAL_NAMES + "".join(lines)


def extra_hosts(entries: Iterable[str], host_gateway: str | None) -> tuple[tuple[str, str], ...]:
    """Return (address, name) for each ``--add-host``, ``name:address`` or ``name=address``.

    :param host_gateway: what the word ``host-gateway`` stands for: the bridge's address; ``None``: nothing.
    :raises InvalidArgument: an entry that makes no sense, in Docker's words.
    """
    found: list[tuple[str, str]] = []
    for entry in entries:
        separator = "=" if "=" in entry.partition(":")[0] else ":"
        name, _, address = entry.partition(separator)
        if not name or not address or any(c.isspace() or c == "#" for c in name):
            raise InvalidArgument(f'bad format for add-host: "{entry}"')
        if address == "host-gateway":
            if host_gateway is None:
                raise InvalidArgument(
                    "unable to derive the IP value for host-gateway", "use a network of type bridge, or give an address"
                )
            address = host_gateway
        address = address.strip("[]")
        try:
            ip_address(address)
        except ValueError:
            raise InvalidArgument(f'invalid IP address in add-host: "{address}"') from None
        found.append((address, name))
    return tuple(found)


def _read(path: str) -> str | None:
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None
