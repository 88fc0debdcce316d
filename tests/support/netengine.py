"""The networks of an engine whose "host" is a namespace of the laboratory, and containers made of a namespace alone."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from tests.support.netlab import CLONE_NEWNET, Namespace

from minidock._pure.mounts import PureMounts
from minidock.api import ContainerConfig, CreateRequest, HostConfig, PortBinding
from minidock.containers.teardown import run_undos
from minidock.kernel.ports import Links, Mounts
from minidock.networks.host import Firewall, NftProgram, ProcSysctls, Sysctls
from minidock.networks.networks import Attachment, Networks
from minidock.networks.state import StateShelf
from minidock.store.layout import Layout
from minidock.store.store import Store
from minidock.trace.journal import Undo
from minidock.trace.ops import undo_of
from minidock.trace.recorder import Listener, Recorder, recorded
from minidock.trace.step import Args, Step

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


class Steps:
    """A listener that keeps all steps."""

    def __init__(self) -> None:
        self.seen: list[Step] = []

    def planned(self, steps: object) -> None: ...

    def began(self, step: Step) -> None: ...

    def ended(self, step: Step) -> None:
        self.seen.append(step)

    def take(self) -> list[Step]:
        seen, self.seen = self.seen, []
        return seen


class Here:
    """The namespace that the process is in anyway."""

    def run(self, action: Callable[[], T]) -> T:
        return action()


class Lab:
    """One engine root in the namespace *host*."""

    def __init__(self, host: Namespace | Here, folder: str, links: Links, *listeners: Listener) -> None:
        self.host = host
        self.layout = Layout(f"{folder}/root", f"{folder}/run")
        self.steps = Steps()
        recorder = Recorder([self.steps, *listeners])
        self.links = recorded(links, Links, recorder)  # type: ignore[type-abstract]
        self.mounts = recorded(PureMounts(), Mounts, recorder)  # type: ignore[type-abstract]
        self.firewall = recorded(NftProgram(), Firewall, recorder)  # type: ignore[type-abstract]
        sysctls = recorded(ProcSysctls(), Sysctls, recorder)  # type: ignore[type-abstract]
        self.store = Store(self.layout)
        self.networks = Networks(
            self.links, self.mounts, self.firewall, sysctls, StateShelf(self.store.state), self.layout
        )
        self._undos: dict[str, list[Step]] = {}

    @property
    def table(self) -> str:
        return f"minidock-{self.layout.short_id}"

    @property
    def bridge(self) -> str:
        return f"md{self.layout.short_id}br0"

    def start(self, container: str, request: CreateRequest) -> Attachment:
        """Attach a container; if that fails, undo its steps as the engine's operation would."""
        self.steps.take()
        try:
            return self.host.run(lambda: self.networks.attach(container, request))
        except BaseException:
            self._undos[container] = self.steps.take()
            self.stop(container)
            raise
        finally:
            self._undos.setdefault(container, self.steps.take())

    def tear_down(self, container: str) -> None:
        """Do what the monitor does when a container ends: its steps backwards."""
        undos = (undo_of(step.op, step.args) for step in reversed(self._undos.pop(container, [])))
        self.undo(Undo(*undo) for undo in undos if undo)

    def undo(self, undos: Iterable[Undo]) -> None:
        """Carry out undo steps, each of which must work."""
        undoers: dict[str, Callable[[Args], None]] = {
            "ns.unpin": lambda a: self.mounts.unpin_network(a["path"]),
            "nft.apply": lambda a: self.firewall.apply(a["table"], a["rules"]),
        }
        assert self.host.run(lambda: run_undos(undos, undoers)) == []

    def stop(self, container: str) -> None:
        """End a container: the monitor's part, then the engine's."""
        self.tear_down(container)
        self.host.run(lambda: self.networks.release(container))

    def inside(self, container: str, action: Callable[[], T]) -> T:
        """Run *action* in the container's namespace, by a thread that ends."""
        path = self.layout.netns(container)
        result: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                fd = os.open(path, os.O_RDONLY)
                if _libc.setns(fd, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                os.close(fd)
                result.append(action())
            except BaseException as error:
                errors.append(error)

        def start() -> None:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

        self.host.run(start)  # the pin is in the host's mount namespace
        if errors:
            raise errors[0]
        return result[0]


def request(
    *,
    network: str = "",
    publish: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    hostname: str = "",
    config: ContainerConfig | None = None,
    host: HostConfig | None = None,
) -> CreateRequest:
    """Return a request; *publish* maps ``80/tcp`` to pairs of host address and host port."""
    import msgspec

    bindings = {k: tuple(PortBinding(ip, port) for ip, port in places) for k, places in (publish or {}).items()}
    wanted = msgspec.structs.replace(host or HostConfig(), network_mode=network, port_bindings=bindings)
    return CreateRequest(config or ContainerConfig(hostname=hostname), wanted)
