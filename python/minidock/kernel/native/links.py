"""The native twin of the port Links: ``rust/core/src/links``."""

from __future__ import annotations

from minidock import _native
from minidock.kernel.ports import Link


class NativeLinks:
    """The port :class:`~minidock.kernel.ports.Links`."""

    def bridge(self, name: str, mtu: int, mac: str | None) -> None:
        _native.link_bridge(name, mtu, mac)

    def veth(self, name: str, bridge: str, peer: str, netns: str, mtu: int, mac: str | None) -> None:
        _native.link_veth(name, bridge, peer, netns, mtu, mac)

    def address(self, name: str, address: str, netns: str | None) -> None:
        _native.link_address(name, address, netns)

    def up(self, name: str, netns: str | None) -> None:
        _native.link_up(name, netns)

    def route(self, destination: str, gateway: str, netns: str | None) -> None:
        _native.link_route(destination, gateway, netns)

    def delete(self, name: str) -> None:
        _native.link_delete(name)

    def ready(self, name: str, netns: str | None) -> bool:
        return _native.link_ready(name, netns)

    def links(self, netns: str | None) -> tuple[Link, ...]:
        return tuple(Link(*values[:7], tuple(values[7])) for values in _native.link_list(netns))

    def routes(self, netns: str | None) -> tuple[str, ...]:
        return tuple(_native.link_routes(netns))
