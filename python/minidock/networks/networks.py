"""What the engine calls: give a container its network, and take the place back when the container is gone.

::

    attach ──▶ one transaction: what all share is made sure of, an address and ports are chosen and kept
                                                 └─ nft.apply: its ports
           ──▶ the container's own: ns.pin, link.veth, link.address, link.up, link.route

Each of the container's own steps has an undo, and the engine's journal has them all: the container's monitor runs them
when it ends. :meth:`Networks.release` comes after that, and forgets the address and the ports.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Address

import msgspec

from minidock.api import CreateRequest
from minidock.errors import Conflict, InvalidArgument
from minidock.kernel.ports import Links, Mounts
from minidock.networks import modes
from minidock.networks.bridge import INSIDE, Bridges, index_of, link_name
from minidock.networks.files import Files, HostSide, container_files, host_files, read_host
from minidock.networks.firewall import Forward, publish, table_name, unpublish
from minidock.networks.host import Firewall, Sysctls
from minidock.networks.ipam import allocate, default_gateway, mac_of
from minidock.networks.pools import choose_subnet
from minidock.networks.ports import ANY, PublishedPort, WantedPort, allocate_ports, can_bind, wanted_ports
from minidock.networks.state import Endpoint, Network, Shelf, State, load, save
from minidock.runtime.outward import RESOLVER, HostPort, Outward
from minidock.store.layout import Layout
from minidock.store.state import is_alive, own_identity


class Interface(msgspec.Struct, frozen=True):
    """A container's link; *address* with its prefix length."""

    name: str
    mac: str
    address: str
    gateway: str


class Attachment(msgspec.Struct, frozen=True):
    """A container's place on the network, and the three files that speak of it.

    *netns* is the path of the namespace to join, ``None`` for the host's. *shared_with* is the id of the container
    whose network this is; then there are no *files*: its own are to be used. *sysctls* are for inside.
    """

    mode: str
    netns: str | None
    interfaces: tuple[Interface, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    files: Files | None = None
    shared_with: str = ""
    sysctls: dict[str, str] = {}
    warnings: tuple[str, ...] = ()


class Networks:
    """The networks of one engine root.

    :param find: turns a container's name or part of its id into its id, for ``--network container:…``.
    :param default_ip: the host address of published ports that name none (``default-publish-ip``).
    :param outward: without root, the way from the bridge's network namespace to the host's network.
    """

    def __init__(
        self,
        links: Links,
        mounts: Mounts,
        firewall: Firewall,
        sysctls: Sysctls,
        shelf: Shelf,
        layout: Layout,
        find: Callable[[str], str] = str,
        default_ip: str = ANY,
        outward: Outward | None = None,
        index_of: Callable[[str], int] = index_of,
    ) -> None:
        self._links = links
        self._mounts = mounts
        self._firewall = firewall
        self._sysctls = sysctls
        self._shelf = shelf
        self._layout = layout
        self._find = find
        self._default_ip = default_ip
        self._outward = outward
        self._table = table_name(layout.short_id)
        self._bridges = Bridges(links, firewall, sysctls, self._table, index_of, self._all_forwards)

    def attach(self, container_id: str, create: CreateRequest) -> Attachment:
        """Give the container its network.

        If this fails, the caller undoes the steps that were taken, and calls :meth:`release` then: in this order, since
        a released address or port can be somebody else's at once.

        :raises InvalidArgument: options that make no sense, in Docker's words.
        :raises Conflict: a port is taken, no address is left, the other container does not run, or another program's
            firewall forbids all forwarding.
        :raises Unsupported: a network of the user's own.
        :raises Unavailable: nft is missing.
        """
        mode, other = modes.mode_of(create)
        hostname = create.config.hostname or container_id[:12]
        if mode == modes.CONTAINER:
            return self._share(container_id, self._find(other))
        if mode == modes.HOST:
            self._keep(container_id, mode, None)
            warnings = modes.warnings_of(create)
            return Attachment(mode, None, files=host_files(create, read_host()), warnings=warnings)
        netns = self._layout.netns(container_id)
        if mode == modes.BRIDGE:
            return self._attach_bridge(container_id, create, hostname, netns)
        self._keep(container_id, mode, netns)
        self._mounts.pin_network(netns)
        return Attachment(mode, netns, files=container_files(create, read_host(), hostname, None, None))

    def release(self, container_id: str) -> None:
        """Forget the container's place: it is gone, and its steps have been undone. Idempotent."""
        with self._shelf.change() as cell:
            state = load(cell)
            save(cell, self._forget(state, container_id))

    def reconcile(self, alive: Collection[str]) -> None:
        """Release every container that is not *alive* and whose engine died before it was: nobody else does."""
        with self._shelf.change() as cell:
            state = load(cell)
            for key, endpoint in state.endpoints.items():
                if key not in alive and not is_alive(endpoint.pid, endpoint.start):
                    state = self._forget(state, key)
            save(cell, state)

    def ports(self, container_id: str) -> tuple[PublishedPort, ...]:
        """Return the ports that the container publishes."""
        with self._shelf.change() as cell:
            endpoint = load(cell).endpoints.get(container_id)
        return endpoint.ports if endpoint else ()

    def explain_ports(self, container_id: str) -> str:
        """Return the firewall's transaction that publishes the container's ports, as ``nft -f`` takes it."""
        with self._shelf.change() as cell:
            endpoint = load(cell).endpoints.get(container_id)
        return publish(self._table, self._forwards(endpoint)) if endpoint else ""

    def _forwards(self, endpoint: Endpoint) -> tuple[Forward, ...]:
        ports = endpoint.ports
        if self._outward:  # which address of the host it was is the way out's affair: here all come by one link
            ports = tuple(msgspec.structs.replace(port, host_ip=ANY) for port in ports)
        return tuple(Forward(port, endpoint.address) for port in ports)

    def _all_forwards(self, state: State) -> list[Forward]:
        return [forward for _, endpoint in sorted(state.endpoints.items()) for forward in self._forwards(endpoint)]

    def _host_side(self) -> HostSide:
        """The host's files, as far as they hold for containers: the way out has a resolver of its own."""
        host = read_host()
        if self._outward is None:
            return host
        rest = [line for line in host.resolv_conf.splitlines() if not line.strip().startswith("nameserver")]
        text = "\n".join((f"nameserver {RESOLVER}", *rest, ""))
        return msgspec.structs.replace(host, resolv_conf=text, systemd=None)

    def _forget(self, state: State, container_id: str) -> State:
        """Return the state without the container; who shares its namespace still uses the address, and inherits it."""
        endpoint = state.endpoints.get(container_id)
        if endpoint is None:
            return state
        if self._outward and endpoint.ports:  # the container's monitor cannot speak to the way out
            self._outward.unpublish(_host_ports(endpoint.ports))
        if endpoint.restored:
            # its ports were put into a new table after its own steps: perhaps after they were undone, too
            self._firewall.apply(self._table, unpublish(self._table, self._forwards(endpoint)))
        state = state.with_endpoint(container_id, None)
        heirs = [key for key, e in state.endpoints.items() if endpoint.netns and e.netns == endpoint.netns]
        if not heirs or not endpoint.address:
            return state
        heir = msgspec.structs.replace(state.endpoints[heirs[0]], network=endpoint.network, address=endpoint.address)
        return state.with_endpoint(heirs[0], heir)

    def _attach_bridge(self, container_id: str, create: CreateRequest, hostname: str, netns: str) -> Attachment:
        wanted = wanted_ports(create, self._default_ip)
        if self._outward and not self._outward.running():
            self._outward.connect(self._outward.program())
        with self._shelf.change() as cell:
            # a place that it has already is that of an earlier start, which nobody took notice of
            state, network = self._with_default_network(self._forget(load(cell), container_id))
            last = IPv4Address(network.last) if network.last else None
            address = allocate(network.range, state.addresses(network), last)
            published = self._choose_ports(wanted, state)
            state = self._bridges.prepare(state, network)
            endpoint = Endpoint(network.name, netns, str(address), published, *own_identity())
            if published:
                state = self._publish(state, network, endpoint)
                if self._outward:
                    self._outward.publish(_host_ports(published))
            last_port = max((p.host_port for p, w in zip(published, wanted, strict=True) if not w.first), default=0)
            state = msgspec.structs.replace(state, last_port=last_port or state.last_port)
            state = state.with_network(msgspec.structs.replace(network, last=str(address)))
            save(cell, state.with_endpoint(container_id, endpoint))
        mac = modes.requested_mac(create) or mac_of(address)
        self._mounts.pin_network(netns)
        cable = link_name(self._layout.short_id, container_id, str(address))
        self._bridges.plug(cable, network, netns, str(address), mac)
        interface = Interface(INSIDE, mac, f"{address}/{network.range.prefixlen}", network.gateway)
        files = container_files(create, self._host_side(), hostname, str(address), network.gateway)
        # no IPv6 router is there: an address that leads nowhere would only make programs wait
        quiet = f"net.ipv6.conf.{INSIDE}.disable_ipv6"
        sysctls = {quiet: "1"} if self._sysctls.read("net.ipv6.conf.default.disable_ipv6") is not None else {}
        return Attachment(modes.BRIDGE, netns, (interface,), published, files, sysctls=sysctls)

    def _with_default_network(self, state: State) -> tuple[State, Network]:
        if modes.BRIDGE in state.networks:
            return state, state.networks[modes.BRIDGE]
        subnet = choose_subnet(self._links.routes(None))
        bridge = f"md{self._layout.short_id}br0"
        network = Network(modes.BRIDGE, bridge, str(subnet), str(default_gateway(subnet)))
        return state.with_network(network), network

    def _choose_ports(self, wanted: tuple[WantedPort, ...], state: State) -> tuple[PublishedPort, ...]:
        if not wanted:
            return ()
        text = self._sysctls.read("net.ipv4.ip_local_port_range") or "32768 60999"
        low, high = (int(number) for number in text.split())
        return allocate_ports(wanted, state.ports(), can_bind, (low, high), state.last_port)

    def _publish(self, state: State, network: Network, endpoint: Endpoint) -> State:
        before = self._firewall.generation()
        mine = self._forwards(endpoint)
        self._firewall.apply(self._table, publish(self._table, mine), unpublish(self._table, mine))
        after = self._firewall.generation()
        udp = tuple(port.host_port for port in endpoint.ports if port.protocol == "udp")
        if udp:
            self._firewall.forget(udp, endpoint.address)
        known = state.verified
        if known and before and after == (before[0], before[1] + 1):  # nobody else changed anything meanwhile
            return msgspec.structs.replace(state, verified=msgspec.structs.replace(known, generation=after[1]))
        return state

    def _share(self, container_id: str, other: str) -> Attachment:
        with self._shelf.change() as cell:
            state = load(cell)
            theirs = state.endpoints.get(other)
            if other == container_id:
                raise InvalidArgument("cannot join own network")
            if theirs is None:
                raise Conflict(f"cannot join network of a non running container: {other}")
            endpoint = Endpoint(modes.CONTAINER, theirs.netns, "", (), *own_identity())
            save(cell, self._forget(state, container_id).with_endpoint(container_id, endpoint))
        return Attachment(modes.CONTAINER, theirs.netns, shared_with=other)

    def _keep(self, container_id: str, network: str, netns: str | None) -> None:
        with self._shelf.change() as cell:
            endpoint = Endpoint(network, netns, "", (), *own_identity())
            save(cell, self._forget(load(cell), container_id).with_endpoint(container_id, endpoint))


def _host_ports(ports: tuple[PublishedPort, ...]) -> tuple[HostPort, ...]:
    return tuple(HostPort(port.protocol, port.host_ip, port.host_port) for port in ports)
