"""The engine of one root: every part made when it is first needed, and wired to the others here and nowhere else.

Opening an engine takes notice of what happened since the last one looked: it takes back what dead commands left
half-done, and settles the containers that have ended (:meth:`Engine.reconcile`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from minidock.api import CreateRequest, EngineInfo, Progress
from minidock.containers.find import find_container
from minidock.containers.operation import OperationParts
from minidock.containers.records import from_row
from minidock.containers.remove import remove_container
from minidock.containers.settle import is_running, settle
from minidock.engine.config import EngineConfig, read_config
from minidock.engine.undo import make_undoers
from minidock.errors import Conflict, MinidockError, NotFound, Unsupported
from minidock.kernel.choose import load_kernel
from minidock.kernel.ports import PORTS, Kernel
from minidock.oci.platform import Platform
from minidock.oci.reference import Reference
from minidock.runtime.cgroups.host import CgroupHost, detect
from minidock.store.layout import Layout, find_layout
from minidock.store.state import is_alive
from minidock.store.store import Store
from minidock.trace.killer import killer_from_environment
from minidock.trace.recorder import Listener, Recorder, recorded
from minidock.trace.step import Args

if TYPE_CHECKING:
    from minidock.containers.bundle import Attachment
    from minidock.engine.containers import EngineContainers
    from minidock.images.images import StoreImages
    from minidock.networks.host import Firewall
    from minidock.networks.networks import Networks
    from minidock.runtime.outward import Outward
    from minidock.runtime.rootless import Rootless
    from minidock.store.check import Finding
    from minidock.store.gc import Decision
    from minidock.store.rows import RunningRow
    from minidock.store.sweep import Swept


class Engine:
    """All that can be done with one root. Use it as a context manager.

    :param recorder: hears of every step.
    :param dry: read everything, write nothing.
    :param rootless: the holder's namespaces, if this process has joined some: it has, unless it is root.
    """

    def __init__(self, layout: Layout, recorder: Recorder, dry: bool, rootless: Rootless | None = None) -> None:
        self.layout = layout
        self.recorder = recorder
        self.dry = dry
        self.rootless = rootless
        self.user = rootless.uid if rootless else os.geteuid()

    @classmethod
    def open(
        cls, root: str | None = None, listeners: Sequence[Listener] = (), dry: bool = False, reconcile: bool = True
    ) -> Engine:
        """Open the engine of *root* (by default of ``MINIDOCK_ROOT``, or of this user).

        For an ordinary user this moves the process into the user's own namespaces, for good: before it has threads.

        :param reconcile: take notice first of what happened; not so for a collection, which says what it finds.
        """
        killer = killer_from_environment()
        recorder = Recorder([*listeners, *([killer] if killer else [])])
        if os.geteuid() != 0 or "minidock.runtime.rootless" in sys.modules:
            from minidock.runtime.rootless import enter, real_user

            layout = find_layout(root, real_user())
            rootless = enter(layout, recorder, dry, lambda: load_kernel().launch.command("hold"))
            engine = cls(layout, recorder, dry, rootless)
        else:
            engine = cls(find_layout(root), recorder, dry)
        if reconcile and not dry:
            engine.reconcile()
        return engine

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the databases. Idempotent."""
        if "store" in self.__dict__:
            self.store.close()

    def reconcile(self, swept: bool = False) -> list[MinidockError]:
        """Take back what dead commands began, settle what has ended, remove what was to be removed (``--rm``).

        :param swept: a collection has taken something back already.
        """
        from minidock.store.recovery import recover

        undone: list[str] = []

        def undo(op: str, args: Args) -> None:
            undone.append(op)
            self.undo(op, args)

        errors = recover(self.store, undo)
        before = {row.id for row in self.store.state.running.all()}
        if not before and not undone and not swept:
            return errors
        for running in self.store.state.running.all():
            if not is_running(self.store, running):
                errors += self._end(running)
        ended = before - {row.id for row in self.store.state.running.all()}
        if ended or undone or swept:  # a dead start can have left an address and ports
            self.networks.reconcile(before - ended)
        return errors

    def _end(self, running: RunningRow) -> list[MinidockError]:
        """Take notice of an end, and remove the container if it was run with ``--rm``; return the errors."""
        try:
            row = self.store.rows.containers.get(running.id)
            if row is None or not (container := from_row(row)).host.auto_remove:
                return settle(self.store, self.parts, running)
            remove_container(self.store, self.parts, container, force=False, volumes=True)
        except MinidockError as error:  # one damaged row or full disk does not keep the others from being settled
            return [error]
        return []

    def _discard(self, id: str) -> None:
        """Remove a container that its dead command had promised to remove, unless it runs."""
        running = self.store.state.running.get(id)
        if running is not None:
            return  # its end will be seen by what runs
        row = self.store.rows.containers.get(id)
        if row is not None:
            remove_container(self.store, self.parts, from_row(row), force=False, volumes=True)

    # --- parts ---

    @cached_property
    def kernel(self) -> Kernel:
        """The kernel's ports, each call of them a step."""
        kernel = load_kernel()
        if self.dry:
            from minidock.kernel.dry import dry_kernel

            kernel = dry_kernel(kernel)
        parts = {name: getattr(kernel, name) for name in PORTS}
        if self.rootless:  # links are those of the holder's network namespace
            parts["links"] = self._in_network(parts["links"], PORTS["links"])
        ports = {name: recorded(parts[name], protocol, self.recorder) for name, protocol in PORTS.items()}
        return Kernel(kernel.name, **ports)

    @cached_property
    def store(self) -> Store:
        return Store(
            self.layout, self.recorder, probe=lambda folder: self.kernel.mounts.probe_overlay(folder), dry=self.dry
        )

    @cached_property
    def parts(self) -> OperationParts:
        undoers = make_undoers(
            lambda: self.kernel, self.store.disk, lambda table, rules: self.firewall.apply(table, rules), self._discard
        )
        return OperationParts(self.layout, self.store.locks, self.recorder, undoers, self._must_undo, self.dry)

    @cached_property
    def config(self) -> EngineConfig:
        return read_config(self.user)

    @cached_property
    def cgroups(self) -> CgroupHost:
        return detect(self.user == 0)

    @cached_property
    def firewall(self) -> Firewall:
        from minidock.networks.dry import DryFirewall
        from minidock.networks.host import Firewall, NftProgram

        real: Firewall = self._in_network(NftProgram(), Firewall)
        return recorded(DryFirewall(real) if self.dry else real, Firewall, self.recorder)  # type: ignore[type-abstract]

    @cached_property
    def networks(self) -> Networks:
        from minidock.networks.bridge import index_of
        from minidock.networks.dry import DrySysctls
        from minidock.networks.host import ProcSysctls, Sysctls
        from minidock.networks.networks import Networks
        from minidock.networks.state import StateShelf

        real: Sysctls = self._in_network(ProcSysctls(), Sysctls)
        sysctls = recorded(DrySysctls(real) if self.dry else real, Sysctls, self.recorder)  # type: ignore[type-abstract]
        links, mounts = self.kernel.links, self.kernel.mounts
        shelf = StateShelf(self.store.state)
        return Networks(
            links,
            mounts,
            self.firewall,
            sysctls,
            shelf,
            self.layout,
            lambda name: self._running(name)[0],
            outward=self.outward,
            index_of=self._in_network_call(index_of),
        )

    @cached_property
    def outward(self) -> Outward | None:
        """The way out of the holder's network namespace; root needs none."""
        if self.rootless is None:
            return None
        from minidock.runtime.outward import Outward
        from minidock.runtime.rootless.outward import DryOutward, RealOutward

        real = RealOutward(self.layout.run, self.rootless.held)
        return recorded(DryOutward(real) if self.dry else real, Outward, self.recorder)  # type: ignore[type-abstract]

    @cached_property
    def images(self) -> StoreImages:
        from minidock.images.images import StoreImages

        return StoreImages(self.store, self.kernel.layers, self._pull)

    @cached_property
    def containers(self) -> EngineContainers:
        from minidock.containers.create import Creator
        from minidock.containers.start import Starter
        from minidock.engine.containers import EngineContainers
        from minidock.engine.images import ImageSource
        from minidock.volumes.local import LocalVolumes

        volumes = LocalVolumes(self.store)
        creator = Creator(self.store, self.kernel.mounts, volumes, self.cgroups, self.parts, self._why_single)
        starter = Starter(
            self.store,
            self.kernel,
            self,
            self.cgroups,
            self.parts,
            self._namespace_of,
            rootless=self.user != 0,
            single_id=bool(self._why_single),
        )
        return EngineContainers(
            self.store, self.parts, creator, starter, ImageSource(self.store, self.images), self.networks_release
        )

    # --- the whole store ---

    def info(self) -> EngineInfo:
        """Say what this engine holds, how it is wired, and what it runs on."""
        from minidock.engine.info import gather_info

        return gather_info(self)

    def check(self, repair: bool = False, quick: bool = False) -> list[Finding]:
        """Look for anything that is not as it should be; with *repair* mend it, and return what was found."""
        if repair:
            from minidock.store.repair import check_and_repair

            found, errors = check_and_repair(self.store, self.undo, quick)
            if errors:
                raise errors[0]
            return found
        from minidock.store.check import check

        return check(self.store, quick)

    def gc(self) -> Swept:
        """Remove what nobody needs, and say of everything why it went or stays."""
        from minidock.store.sweep import collect

        swept = collect(self.store, self.undo)
        self.reconcile(any(each.goes and each.kind == "journal" for each in swept.decisions))
        return swept

    def gc_plan(self) -> Sequence[Decision]:
        """Return what :meth:`gc` would do."""
        from minidock.store.sweep import decide

        return decide(self.store)

    def undo(self, op: str, args: Args) -> None:
        """Carry out one undo step."""
        self.parts.undoers[op](args)

    # --- what parts need of each other ---

    def _must_undo(self, journal: str) -> bool:
        from minidock.store.recovery import must_undo

        return must_undo(self.store, journal)

    def attach(self, container_id: str, request: CreateRequest) -> Attachment:
        """The starter's peer: the networks, made only when a container starts."""
        return self.networks.attach(container_id, request)

    def beside(self, request: CreateRequest, call: Callable[[], int]) -> int:
        """Make *call* where the container's links and firewall are: what it starts will take them away again."""
        if self.rootless is None or request.host.network_mode == "host":
            return call()
        return self.rootless.network.call(call)

    def release(self) -> None:
        """End the holder of an ordinary user's namespaces, with the bridge and the way out in it.

        :raises Conflict: containers are running.
        """
        if self.rootless is None:
            raise Unsupported("root's engine has no holder", "this is a command for ordinary users")
        from minidock.runtime.rootless.enter import release

        if self.dry:
            raise Unsupported("`system release` has no dry run", "it only ends one process")
        release(self.rootless, self.recorder, len(self.store.state.running.all()))

    @property
    def _why_single(self) -> str:
        return self.rootless.held.identities.why_single if self.rootless else ""

    def _in_network(self, port: Any, protocol: Any) -> Any:
        if self.rootless is None:
            return port
        from minidock.runtime.rootless.network import in_network

        return in_network(port, protocol, self.rootless.network)

    def _in_network_call(self, function: Callable[[str], int]) -> Callable[[str], int]:
        thread = self.rootless.network if self.rootless else None
        return function if thread is None else lambda name: thread.call(lambda: function(name))

    def networks_release(self, container_id: str) -> None:
        self.networks.release(container_id)

    def _pull(self, reference: Reference, platform: Platform | None, progress: Progress) -> str:
        from minidock.engine.pulling import make_puller

        return make_puller(self.store, self.kernel.layers, self.config).pull(reference, platform, progress)

    def _running(self, name: str) -> tuple[str, int]:
        """Return a running container's id and the id of its first process."""
        container = find_container(self.store, name)
        row = self.store.state.running.get(container.id)
        if row is None or not is_alive(row.pid, row.start):
            raise Conflict(f"cannot join network namespace of a non running container: {container.id}")
        return container.id, row.pid

    def _namespace_of(self, name: str, kind: str) -> str:
        """Return the path of another container's namespace."""
        try:
            _, pid = self._running(name)
        except NotFound as missing:
            raise NotFound(f"No such container: {name}") from missing
        return f"/proc/{pid}/ns/{kind}"
