"""How a container reaches the world: networks, addresses, names, ports.

``--network`` takes a name, or fields: ``name=front,alias=web,ip=10.1.2.3``; it may be given more than once. The older
flags (``--ip``, ``--network-alias``, ``--mac-address``, ``--link-local-ip``) speak of the first network.
"""

from __future__ import annotations

import msgspec

from minidock.api import ContainerConfig, EndpointRequest, HostConfig
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Kind, Values
from minidock.cli.kinds import BOOL, LIST, STRING
from minidock.cli.run.csv import split_fields
from minidock.cli.run.ports import collect, is_address
from minidock.cli.values.numbers import parse_int
from minidock.oci.image import Empty

Named = tuple[str, EndpointRequest]


def parse_network(text: str) -> Named:
    """Read one ``--network``.

    :raises ValueError: with Docker's words.
    """
    if "=" not in text:
        return text, EndpointRequest()
    name, aliases, local, options = "", [], [], {}
    plain = {"ip": "", "ip6": "", "mac-address": ""}
    priority = 0
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        key, value = key.strip().lower(), value.strip()
        if not equals:
            raise ValueError(f"invalid field {field}")
        if key == "name":
            name = value
        elif key == "alias":
            aliases.append(value)
        elif key == "link-local-ip":
            local.append(value)
        elif key == "driver-opt":
            option, has_value, setting = value.partition("=")
            if not has_value:
                raise ValueError("invalid key value pair format in driver options")
            options[option.lower()] = setting
        elif key == "gw-priority":
            priority = _priority(value)
        elif key in plain:
            plain[key] = value
        else:
            raise ValueError(f"invalid field key {key}")
    if not name:
        raise ValueError("network name/id is not specified")
    endpoint = EndpointRequest(
        tuple(aliases), plain["ip"], plain["ip6"], tuple(local), plain["mac-address"], options, priority
    )
    return name, endpoint


def _priority(text: str) -> int:
    try:
        return parse_int(text)
    except ValueError as wrong:
        raise ValueError(f"invalid gw-priority ({text}): {str(wrong).rpartition(': ')[2]}") from None


def parse_dns(text: str) -> str:
    """Read one ``--dns``: an address."""
    if not is_address(text.strip()):
        raise ValueError(f"IP address is not correctly formatted: {text}")
    return text.strip()


def parse_domain(text: str) -> str:
    """Read one ``--dns-search``: a domain, or ``.`` for none."""
    domain = text.strip(" ").removesuffix(".") or text.strip(" ")
    if domain == ".":
        return domain
    labels = domain.split(".")
    fine = all(label and label.strip("-") == label and label.replace("-", "").isalnum() for label in labels)
    if not fine or not domain.isascii() or not any(character.isalpha() for character in domain):
        raise ValueError(f"{text} is not a valid domain")
    return domain


def parse_host(text: str) -> str:
    """Read one ``--add-host``: ``name:address`` or ``name=address``; the result has a colon."""
    at = next((at for at, character in enumerate(text) if character in ":="), -1)
    name, address = text[: max(at, 0)], text[at + 1 :]
    if at < 0 or not name or not address:
        raise ValueError(f'bad format for add-host: "{text}"')
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address != "host-gateway" and not is_address(address):
        raise ValueError(f'invalid IP address in add-host: "{address}"')
    return f"{name}:{address}"


def parse_link(text: str) -> str:
    """Read one ``--link``: ``NAME`` or ``NAME:ALIAS``."""
    if not text:
        raise ValueError("empty string specified for links")
    if text.count(":") > 1:
        raise ValueError(f"bad format for links: {text}")
    return text


_NETWORK = Kind("network", parse_network, repeats=True)

FLAGS = (
    Flag("add-host", Kind("list", parse_host, repeats=True), "Add a line to /etc/hosts (name:address)"),
    Flag("dns", Kind("list", parse_dns, repeats=True), "Address of a name server"),
    Flag("dns-opt", LIST, "Option of the resolver", into="dns-option", hidden=True),
    Flag("dns-option", LIST, "Option of the resolver (ndots:2)"),
    Flag("dns-search", Kind("list", parse_domain, repeats=True), "Domain in which short names are looked up"),
    Flag("expose", LIST, "Say that a port, or a range of ports, is served"),
    Flag("ip", STRING, "IPv4 address (172.30.100.104)"),
    Flag("ip6", STRING, "IPv6 address (2001:db8::33)"),
    Flag("link", Kind("list", parse_link, repeats=True), "Make another container known by name (NAME:ALIAS)"),
    Flag("link-local-ip", LIST, "Link-local address"),
    Flag("mac-address", STRING, "MAC address (92:d0:c6:0a:29:33)"),
    Flag("net", _NETWORK, "Network to join", into="network", hidden=True),
    Flag("net-alias", LIST, "Name on the network", into="network-alias", hidden=True),
    Flag("network", _NETWORK, "Network to join: bridge, none, host, container:NAME, or a network's name"),
    Flag("network-alias", LIST, "One more name on the network"),
    Flag("p,publish", LIST, "Publish a port on the host ([[IP:]HOST:]CONTAINER[/udp])"),
    Flag("P,publish-all", BOOL, "Publish every exposed port on a random port"),
)

_OLDER = ("ip", "ip6", "mac-address", "network-alias", "link-local-ip")


def is_user_defined(mode: str) -> bool:
    """Whether *mode* names a network that a user made."""
    return mode not in ("", "default", "bridge", "host", "none") and not mode.startswith("container:")


def endpoints(values: Values) -> dict[str, EndpointRequest]:
    """Return the networks to join, the first one first; empty if no flag says anything about them.

    :raises BadRequest: flags that contradict each other.
    """
    networks: list[Named] = values["network"]
    if not networks:
        if not any(values[name] for name in _OLDER):
            return {}
        networks = [("default", EndpointRequest())]
    joined: dict[str, EndpointRequest] = {}
    for position, (name, endpoint) in enumerate(networks):
        if not name:
            raise BadRequest("no name set for network")
        if name in joined:
            raise BadRequest(f'network "{name}" is specified multiple times')
        if len(networks) > 1 and not is_user_defined(name):
            raise BadRequest("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
        joined[name] = _with_older(values, endpoint) if position == 0 else endpoint
        if joined[name].aliases and not is_user_defined(name):
            raise BadRequest("network-scoped aliases are only supported for user-defined networks")
        if joined[name].mac_address and not _is_mac(joined[name].mac_address):
            raise BadRequest(f"{joined[name].mac_address} is not a valid mac address")
    return joined


def _with_older(values: Values, endpoint: EndpointRequest) -> EndpointRequest:
    """Return the first network's endpoint with what the older flags say."""
    conflicts = (
        (values["network-alias"], endpoint.aliases, "--network-alias and per-network alias"),
        (values["ip"], endpoint.ipv4_address, "--ip and per-network IPv4 address"),
        (values["ip6"], endpoint.ipv6_address, "--ip6 and per-network IPv6 address"),
        (values["mac-address"], endpoint.mac_address, "--mac-address and per-network MAC address"),
        (values["link-local-ip"], endpoint.link_local_ips, "--link-local-ip and per-network link-local IP addresses"),
    )
    for older, newer, words in conflicts:
        if older and newer:
            raise BadRequest(f"conflicting options: cannot specify both {words}")
    return msgspec.structs.replace(
        endpoint,
        aliases=tuple(values["network-alias"]) or endpoint.aliases,
        ipv4_address=values["ip"] or endpoint.ipv4_address,
        ipv6_address=values["ip6"] or endpoint.ipv6_address,
        link_local_ips=tuple(values["link-local-ip"]) or endpoint.link_local_ips,
        mac_address=values["mac-address"] or endpoint.mac_address,
    )


def _is_mac(text: str) -> bool:
    """Six bytes in hexadecimal, with colons or dashes between bytes, or dots between pairs of them (Go's ParseMAC)."""
    for separator, count, width in ((":", 6, 2), ("-", 6, 2), (".", 3, 4)):
        parts = text.split(separator)
        if len(parts) == count and all(len(p) == width and set(p) <= set("0123456789abcdefABCDEF") for p in parts):
            return True
    return False


def apply(values: Values, config: ContainerConfig, host: HostConfig) -> tuple[ContainerConfig, HostConfig]:
    """Return *config* and *host* with what these flags say.

    :raises BadRequest: a port that makes no sense.
    """
    ports, bindings = collect(values["publish"], values["expose"])
    if ports:
        config = msgspec.structs.replace(config, exposed_ports={port: Empty() for port in ports})
    networks: list[Named] = values["network"]
    host = msgspec.structs.replace(
        host,
        network_mode=networks[0][0] if networks else "",
        port_bindings=bindings,
        publish_all_ports=values["publish-all"],
        dns=tuple(values["dns"]),
        dns_options=tuple(values["dns-option"]),
        dns_search=tuple(values["dns-search"]),
        extra_hosts=tuple(values["add-host"]),
        links=tuple(values["link"]),
    )
    return config, host
