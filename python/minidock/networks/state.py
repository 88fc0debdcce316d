"""What is taken: the networks, and each running container's place in them. One value, kept by the store.

Everything here ends with a reboot, and so it is kept where a reboot forgets it (``state.db``); ``kill -9`` does not
hurt it, since each change is one transaction. An entry is made *before* the container's own part is made in the kernel,
and goes when that is gone; so an address is never given out twice, at worst one rests a little longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

import msgspec

from minidock.errors import StoreDamaged
from minidock.networks.ports import PublishedPort
from minidock.store.rows import ValueRow
from minidock.store.state import State as Database

_KIND, _KEY = "networks", "state"


class Network(msgspec.Struct, frozen=True):
    """One bridge network: the link's name, its subnet, the bridge's own address, and the address last given out."""

    name: str
    bridge: str
    subnet: str
    gateway: str
    last: str | None = None
    mtu: int = 1500

    @property
    def range(self) -> IPv4Network:
        """The subnet as a value."""
        return IPv4Network(self.subnet)


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """One container's place. ``netns`` is the path of its namespace, ``None`` for the host's.

    ``pid`` and ``start`` name the engine's process that attached it: as long as that lives, a container that does not
    run may be about to.
    ``restored``: its ports were put into a new table after the container had got them, so that whoever removes the
    endpoint has to look whether they are still there.
    """

    network: str
    netns: str | None = None
    address: str = ""
    ports: tuple[PublishedPort, ...] = ()
    pid: int = 0
    start: int = 0
    restored: bool = False


class Verified(msgspec.Struct, frozen=True):
    """When our part of the host was last seen to be right.

    ``namespace`` and ``generation`` name a state of all nftables rules (:meth:`Firewall.generation`; 0 and 0 where the
    kernel cannot tell), ``listing`` is the digest of our table's text then, ``bridge`` the number of the bridge's link.
    """

    namespace: int
    generation: int
    listing: str
    bridge: int


class State(msgspec.Struct, frozen=True):
    """All of it; *endpoints* by the containers' ids."""

    networks: dict[str, Network] = {}
    endpoints: dict[str, Endpoint] = {}
    last_port: int = 0
    verified: Verified | None = None

    def addresses(self, network: Network) -> set[IPv4Address]:
        """Return every address of *network* that is taken, the gateway too."""
        used = {e.address for e in self.endpoints.values() if e.network == network.name and e.address}
        return {IPv4Address(address) for address in (*used, network.gateway)}

    def ports(self) -> list[PublishedPort]:
        """Return every port that is published."""
        return [port for endpoint in self.endpoints.values() for port in endpoint.ports]

    def with_endpoint(self, container: str, endpoint: Endpoint | None) -> State:
        """Return the state with this container's endpoint, or without one."""
        endpoints = {key: value for key, value in self.endpoints.items() if key != container}
        if endpoint is not None:
            endpoints[container] = endpoint
        return msgspec.structs.replace(self, endpoints=endpoints)

    def with_network(self, network: Network) -> State:
        """Return the state with this network."""
        return msgspec.structs.replace(self, networks={**self.networks, network.name: network})


class Cell:
    """One value of the store while a transaction is open: assign to ``value`` to change it."""

    def __init__(self, value: bytes | None) -> None:
        self.value = value


class Shelf(Protocol):
    """Where the value is kept: the one thing that networks need of the store."""

    def change(self) -> AbstractContextManager[Cell]:
        """Hold the value alone, among all engines of this root; write what was assigned when the block ends well.

        An exception in the block leaves the value as it was. Atomic; it survives the process, not the host.
        """


class StateShelf:
    """The shelf in ``state.db``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def change(self) -> Iterator[Cell]:
        with self._database.transaction() as rows:
            row = rows.values.get(_KIND, _KEY)
            before = row.value if row else None
            cell = Cell(before)
            yield cell
            if cell.value is not None and cell.value != before:
                rows.values.put(ValueRow(_KIND, _KEY, cell.value))


def load(cell: Cell) -> State:
    """Return the state in *cell*, an empty one if there is none yet.

    :raises StoreDamaged: it cannot be read.
    """
    if cell.value is None:
        return State()
    try:
        return msgspec.json.decode(cell.value, type=State)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"the networks' state is damaged: {error}", "run `minidock system check`") from error


def save(cell: Cell, state: State) -> None:
    """Put *state* into *cell*."""
    cell.value = msgspec.json.encode(state)
