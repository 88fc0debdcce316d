"""A container's OCI bundle: ``config.json`` and the files that are mounted into it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec

from minidock.containers.devices import device_numbers, devices_of
from minidock.containers.mounts import all_mounts, default_mounts, without_terminal_group
from minidock.containers.namespaces import namespaces_of, owns_ipc
from minidock.containers.operation import OperationParts
from minidock.containers.records import Container
from minidock.containers.resources import resources_of
from minidock.containers.security import HARDENED_PIDS, parse_security_options, security_of
from minidock.containers.spec import INIT_PATH, Decided, make_spec
from minidock.errors import InvalidArgument, StepFailed
from minidock.oci.codec import encode_pretty
from minidock.oci.runtime import Mount, Pids, Resources, RuntimeSpec
from minidock.store.layout import Layout
from minidock.trace.step import PlannedStep

_SHM_SIZE = 64 << 20
#: The init program is a file of the host: no container may write to it.
_INIT_OPTIONS = ("bind", "ro", "nosuid", "nodev", "rprivate")


class NetworkFiles(Protocol):
    """The texts of the three files that speak of the network."""

    @property
    def hostname(self) -> str: ...
    @property
    def hosts(self) -> str: ...
    @property
    def resolv_conf(self) -> str: ...


class Attachment(Protocol):
    """A container's place on the network: the namespace to join (``None``: the host's), and its files.

    Without files it shares the network, and so the files, of the container *shared_with*. *sysctls* are for inside.
    """

    @property
    def netns(self) -> str | None: ...
    @property
    def files(self) -> NetworkFiles | None: ...
    @property
    def shared_with(self) -> str: ...
    @property
    def sysctls(self) -> dict[str, str]: ...


class Bundle(msgspec.Struct, frozen=True):
    """A bundle that is decided and not yet written: *files* are names in *path* with their contents."""

    path: str
    spec: RuntimeSpec
    files: dict[str, str]
    cgroups_path: str
    resources: Resources


def describe(
    container: Container,
    layout: Layout,
    network: Attachment,
    cgroups_path: str,
    find_namespace: Callable[[str, str], str],
    init: str = "",
    root: str = "rootfs",
    bind_sys: bool = False,
    terminal_group: bool = True,
) -> Bundle:
    """Decide the whole bundle of *container*.

    :param init: the program that ``--init`` puts in front, on the host.
    :param root: the root's folder: in the bundle, or any absolute one.
    :param bind_sys: ``/sys`` is the host's: who does not own the network namespace may not mount a new one.
    :param terminal_group: terminals belong to group 5, as usual; there is no such group in a namespace of one identity.
    """
    host, config = container.host, container.config
    host = msgspec.structs.replace(host, sysctls={**network.sysctls, **host.sysctls})
    path = layout.container(container.id)
    files, mounted = _network_files(network, layout, path)
    options = parse_security_options(host.security_opt)
    devices, rules = devices_of(host)
    resources = resources_of(host, rules, device_numbers)
    if options.hardened and resources.pids is None:
        resources = msgspec.structs.replace(resources, pids=Pids(HARDENED_PIDS))
    shm_size = host.shm_size or _SHM_SIZE
    defaults = default_mounts(shm_size, privileged=host.privileged, own_ipc=owns_ipc(host), bind_sys=bind_sys)
    if not terminal_group:
        defaults = without_terminal_group(defaults)
    decided = Decided(
        config=config,
        host=host,
        hostname=os.uname().nodename if host.uts_mode == "host" else container.hostname,
        user=container.extra.user,
        security=security_of(host, options, container.extra.user.uid),
        mounts=(
            *all_mounts(defaults, mounted, container.extra.points, container.extra.volumes),
            *([Mount(INIT_PATH, "bind", init, _INIT_OPTIONS)] if host.init else []),
        ),
        namespaces=namespaces_of(host, network.netns, find_namespace),
        devices=devices,
        resources=resources,
        cgroups_path=cgroups_path,
        root=root,
    )
    return Bundle(path, make_spec(decided), files, cgroups_path, resources)


def _network_files(network: Attachment, layout: Layout, path: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts to write, by name, and the host files to mount, by their place inside."""
    folder = layout.container(network.shared_with) if network.files is None else path
    mounted = {f"/etc/{name}": f"{folder}/{name}" for name in ("resolv.conf", "hostname", "hosts")}
    if network.files is None:
        return {}, mounted
    texts = network.files
    return {"hostname": texts.hostname, "hosts": texts.hosts, "resolv.conf": texts.resolv_conf}, mounted


def write_bundle(parts: OperationParts, bundle: Bundle, plan: Sequence[PlannedStep]) -> None:
    """Write the bundle's files, and make the host folders that ``-v`` asks to be made.

    :raises StepFailed: with the errno.
    """
    contents = {name: text.encode() for name, text in bundle.files.items()}
    contents["config.json"] = encode_pretty(bundle.spec)
    contents["plan.json"] = encode_pretty(plan)

    def write() -> None:
        if parts.dry:
            return
        os.makedirs(f"{bundle.path}/rootfs", mode=0o700, exist_ok=True)
        for name, data in contents.items():
            _write(f"{bundle.path}/{name}", data)

    parts.recorder.call("bundle.write", {"path": bundle.path, "files": sorted(contents)}, write)


def make_sources(parts: OperationParts, container: Container) -> None:
    """Make the host folders of binds that do not exist; ``--mount`` refuses instead, as in Docker.

    :raises InvalidArgument: with Docker's words.
    """
    for point in container.extra.points:
        if point.kind != "bind" or os.path.lexists(point.source):
            continue
        if not point.create_source:
            raise InvalidArgument(
                f'invalid mount config for type "bind": bind source path does not exist: {point.source}'
            )
        parts.recorder.call("host.folder", {"path": point.source}, partial(_make_source, parts.dry, point.source))


def _make_source(dry: bool, path: str) -> None:
    if not dry:
        os.makedirs(path, 0o755)


def _write(path: str, data: bytes) -> None:
    """Write a file that a reboot may lose: it is made anew at each start."""
    try:
        with open(path, "wb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o644)) as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
    except OSError as error:
        raise StepFailed("bundle.write", error.errno or 0, path) from error
