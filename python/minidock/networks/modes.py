"""Network modes: what ``--network`` asks for, and what does not go together with it, in Docker's words. Pure.

=================  ========================================================================
``bridge``         the default network (also ``default`` and nothing at all)
``none``           a namespace with nothing but a loopback
``host``           the host's own network
``container:ID``   another container's network
=================  ========================================================================
"""

from __future__ import annotations

from minidock.api import CreateRequest
from minidock.errors import InvalidArgument, Unsupported

_HEX = frozenset("0123456789abcdefABCDEF")

BRIDGE, NONE, HOST, CONTAINER = "bridge", "none", "host", "container"


def mode_of(request: CreateRequest) -> tuple[str, str]:
    """Return the mode, and for ``container`` the other container.

    :raises InvalidArgument: options that contradict the mode.
    :raises Unsupported: a network that somebody made: there is no ``network create``.
    """
    word = request.host.network_mode or "default"
    if word.partition(":")[0] == CONTAINER:
        other = word.partition(":")[2]
        if not other:
            raise InvalidArgument("Invalid network mode: invalid container format container:<name|id>")
        _check_shared(request)
        return CONTAINER, other
    mode = BRIDGE if word == "default" else word
    if mode not in (BRIDGE, NONE, HOST):
        raise _unknown(word)
    for name in request.networks:
        if name not in (word, mode, "default"):
            raise _unknown(name)
    if mode == HOST and request.host.links:
        raise InvalidArgument(
            "conflicting options: host type networking can't be used with links."
            " This would result in undefined behavior"
        )
    if mode == HOST and requested_mac(request):
        raise InvalidArgument("conflicting options: mac-address and the network mode")
    _check_endpoint(request)
    return mode, ""


def requested_mac(request: CreateRequest) -> str:
    """Return the hardware address that the user asks for, or nothing.

    :raises InvalidArgument: it is none.
    """
    mac = request.config.mac_address or next((e.mac_address for e in request.networks.values() if e.mac_address), "")
    groups = mac.split(":")
    if mac and not (len(groups) == 6 and all(len(group) == 2 and set(group) <= _HEX for group in groups)):
        raise InvalidArgument(f"{mac} is not a valid mac address")
    return mac


def warnings_of(request: CreateRequest) -> tuple[str, ...]:
    """Return what the user should know, in Docker's words."""
    if request.host.network_mode == HOST and (request.host.port_bindings or request.host.publish_all_ports):
        return ("Published ports are discarded when using host network mode",)
    return ()


def _unknown(name: str) -> Unsupported:
    return Unsupported(
        f"network {name}: only the default network is supported, and there is no `network create`",
        "use --network bridge, none, host or container:<name|id>",
    )


def _check_shared(request: CreateRequest) -> None:
    config, host = request.config, request.host
    conflicts = (
        (bool(config.hostname), "hostname and the network mode"),
        (
            bool(host.links),
            "container type network can't be used with links. This would result in undefined behavior",
        ),
        (bool(host.dns), "dns and the network mode"),
        (bool(host.extra_hosts), "custom host-to-IP mapping and the network mode"),
        (bool(requested_mac(request)), "mac-address and the network mode"),
        (
            bool(host.port_bindings or host.publish_all_ports),
            "port publishing and the container type network mode",
        ),
        (bool(config.exposed_ports), "port exposing and the container type network mode"),
    )
    for wrong, words in conflicts:
        if wrong:
            raise InvalidArgument(f"conflicting options: {words}")


def _check_endpoint(request: CreateRequest) -> None:
    for endpoint in request.networks.values():
        if endpoint.ipv4_address or endpoint.ipv6_address:
            raise InvalidArgument(
                "invalid config for network bridge: invalid endpoint settings:\n"
                "user specified IP address is supported on user defined networks only"
            )
        if endpoint.aliases:
            raise InvalidArgument(
                "invalid config for network bridge: invalid endpoint settings:\n"
                "network-scoped alias is supported only for containers in user defined networks"
            )
        if endpoint.link_local_ips or endpoint.driver_opts or endpoint.gw_priority:
            raise Unsupported(
                "link-local addresses, driver options and gateway priorities are not supported on the default network",
                "leave them out",
            )
