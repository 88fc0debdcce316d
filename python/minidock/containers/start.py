"""``start``: from a container to a process that waits only for its "go".

Names first, then effects: the journal knows how to undo each step before it happens, and the same lines become the
teardown list that the monitor runs when the container ends. Starting needs no durable commit: what runs is forgotten by
a reboot anyway.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from minidock.api import CreateRequest
from minidock.containers.bundle import Attachment, Bundle, describe, make_sources, write_bundle
from minidock.containers.foreign import find_runtime, foreign_plan
from minidock.containers.logs import log_config
from minidock.containers.operation import OperationParts, operation
from minidock.containers.records import Container
from minidock.errors import Conflict
from minidock.kernel.launch import LaunchOptions, OverlayRoot
from minidock.kernel.ports import Kernel
from minidock.kernel.protocol import Request
from minidock.oci.codec import encode
from minidock.runtime.capabilities import host_capabilities
from minidock.runtime.cgroups.choose import choose_cgroup
from minidock.runtime.cgroups.host import CgroupHost
from minidock.runtime.monitor import CreatedReport, Launching
from minidock.store.rows import RunningRow
from minidock.store.store import Store
from minidock.trace.journal import Journal, undo_lines
from minidock.trace.step import PlannedStep, Step

_STEPS = msgspec.json.Decoder(tuple[PlannedStep, ...])


class NetworkPeer(Protocol):
    """What starting needs of the networks."""

    def attach(self, container_id: str, create: CreateRequest) -> Attachment:
        """Make the container's network namespace and its links."""

    def beside(self, request: CreateRequest, call: Callable[[], int]) -> int:
        """Make *call* in the network namespace where the container's links and firewall are."""


class Starter:
    """Starts containers."""

    def __init__(
        self,
        store: Store,
        kernel: Kernel,
        networks: NetworkPeer,
        cgroups: CgroupHost,
        parts: OperationParts,
        find_namespace: Callable[[str, str], str],
        rootless: bool,
        single_id: bool = False,
    ) -> None:
        self._store = store
        self._kernel = kernel
        self._networks = networks
        self._cgroups = cgroups
        self._parts = parts
        self._find_namespace = find_namespace
        self._rootless = rootless
        self._single_id = single_id

    def start(self, container: Container) -> Launching:
        """Bring the container up to the point before its program is executed, and commit that it runs.

        :return: the launch; the caller says ``go``, or closes it, and then the container dies.
        :raises Conflict: it runs already.
        :raises StepFailed: a step failed; nothing of the start is left.
        """
        with operation(self._parts, "start", container.id) as journal:
            if self._store.state.running.get(container.id):
                raise Conflict(f"container {container.id} is already running")
            request = self._prepare(container, journal)
            control = self._networks.beside(
                container.request, lambda: self._kernel.launch.monitor(container.id, request.bundle)
            )
            launching = Launching(control, request, self._parts.recorder)
            try:
                created = launching.wait_created()
                self._commit(container, created, journal)
            except BaseException:
                launching.close()  # a monitor that loses its engine before "go" kills its container and leaves
                raise
        return launching

    def _prepare(self, container: Container, journal: Journal | None) -> Request:
        """Do all that comes before the monitor; return what the monitor is told."""
        store, layout = self._store, self._store.layout
        run_dir, state_dir = layout.container_run(container.id), layout.container(container.id)
        if os.path.lexists(f"{state_dir}/exit"):
            store.disk.remove(f"{state_dir}/exit")  # how it ended last time
        store.disk.folder(run_dir)
        make_sources(self._parts, container)
        attachment = self._networks.attach(container.id, container.request)
        init = self._kernel.launch.init_program() if container.host.init else ""
        root = self._root(container)
        bundle = describe(
            container,
            layout,
            attachment,
            self._cgroup_path(container),
            self._find_namespace,
            init,
            root=root if isinstance(root, str) else "rootfs",
            bind_sys=self._rootless and attachment.netns is None,
            terminal_group=not self._single_id,
        )
        overlay = None if isinstance(root, str) else root
        program = find_runtime(container.host.runtime, os.environ.get("PATH", os.defpath))
        steps = self._foreign_plan(container, bundle, program, overlay) if program else self._plan(bundle, overlay)
        write_bundle(self._parts, bundle, steps)
        self._parts.recorder.planned([Step(step.op, step.args, step.side) for step in steps])
        return Request(
            id=container.id,
            bundle=state_dir,
            runtime_dir=run_dir,
            state_dir=state_dir,
            plan=steps,
            teardown=tuple(undo_lines(journal.path)) if journal else (),
            log=log_config(container.host.log_config, f"{state_dir}/{container.id}-json.log"),
            terminal=container.config.tty,
            stdin=container.config.open_stdin,
            stdin_once=container.config.stdin_once,
            foreign=program,
        )

    def _cgroup_path(self, container: Container) -> str:
        parent = container.host.cgroup_parent or f"minidock-{self._store.layout.short_id}"
        return f"/{parent.strip('/')}/{container.id}"

    def _plan(self, bundle: Bundle, overlay: OverlayRoot | None) -> tuple[PlannedStep, ...]:
        cgroup, _ = choose_cgroup(self._cgroups, bundle.cgroups_path, bundle.resources, self._kernel.cgroups.read)
        options = LaunchOptions(
            bundle=bundle.path,
            overlay=overlay,
            cgroup=cgroup,
            bind_devices=self._rootless,
            capabilities=host_capabilities(),
        )
        return _STEPS.decode(self._kernel.launch.plan(encode(bundle.spec), encode(options)))

    def _foreign_plan(
        self, container: Container, bundle: Bundle, program: str, overlay: OverlayRoot | None
    ) -> tuple[PlannedStep, ...]:
        return foreign_plan(program, container.id, bundle.path, overlay, self._cgroups, bundle.cgroups_path)

    def _root(self, container: Container) -> OverlayRoot | str:
        """Return the root: an overlay, or a folder where there is nothing below it (a copy, an image without files)."""
        mount = self._store.snapshots.mount_of(container.snapshot)
        if not mount.lower:
            return mount.upper
        return OverlayRoot(mount.lower, mount.upper, mount.work, mount.options)

    def _commit(self, container: Container, created: CreatedReport, journal: Journal | None) -> None:
        if journal is not None:
            journal.save(f"{self._store.layout.container(container.id)}/started.jsonl")
        row = RunningRow(
            id=container.id,
            status="running",
            pid=created.pid,
            start=created.start,
            monitor=created.monitor,
            monitor_start=created.monitor_start,
            began=time.time_ns(),
        )
        with self._store.state.transaction() as state:
            state.running.put(row)  # the commit point of start
