"""The dry form of the ports, for ``--dry-run``: what only looks is real, what would change anything does nothing.

The recorder wraps these ports like the real ones, so a dry run records the same steps with the same arguments. Where
the next step depends on bytes that only an effect would make, the run ends with :class:`DryRunEnd`: nothing is made up.
"""

from __future__ import annotations

from collections.abc import Sequence

from minidock.kernel.ports import Applied, Cgroups, Kernel, Launch, Layers, Link, Links, Mounts


class DryRunEnd(Exception):
    """A dry run has come as far as it can; the text says why it ends here."""


def dry_kernel(real: Kernel) -> Kernel:
    """Return ports that read with *real* and write nothing."""
    return Kernel(
        f"dry {real.name}",
        DryLaunch(real.launch),
        DryMounts(real.mounts),
        DryLayers(real.layers),
        DryLinks(real.links),
        DryCgroups(real.cgroups),
    )


class DryLaunch:
    """Plans for real, and starts nothing."""

    def __init__(self, real: Launch) -> None:
        self._real = real
        self.plan = real.plan
        self.command = real.command
        self.init_program = real.init_program

    def monitor(self, id: str, bundle: str) -> int:
        raise DryRunEnd("the container would start here; a dry run has no exit status")


class DryMounts:
    """Looks into images for real, and mounts nothing on the host."""

    def __init__(self, real: Mounts) -> None:
        self.view = real.view
        self.read_file = real.read_file
        self.open_folder = real.open_folder
        self.probe_overlay = real.probe_overlay

    def overlay(
        self, target: str, lower: Sequence[str], upper: str | None, work: str | None, options: Sequence[str]
    ) -> None: ...

    def bind(self, source: str, target: str, options: Sequence[str]) -> None: ...

    def unmount(self, target: str) -> None: ...

    def pin_network(self, path: str) -> None: ...

    def unpin_network(self, path: str) -> None: ...


class DryLayers:
    """Computes for real, and writes nothing."""

    def __init__(self, real: Layers) -> None:
        self.entries = real.entries
        self.digest = real.digest
        self.digest_file = real.digest_file
        self.inflate = real.inflate
        self.deflate = real.deflate

    def apply(self, source: str, target: str, compression: str, whiteouts: str) -> Applied:
        raise DryRunEnd("what comes next depends on the files of a layer that a dry run does not unpack")

    def make(self, upper: str, target: str, compression: str, whiteouts: str) -> Applied:
        raise DryRunEnd("what comes next depends on the digest of a layer that a dry run does not make")


class DryLinks:
    """Lists for real, and changes nothing."""

    def __init__(self, real: Links) -> None:
        self._real = real

    def bridge(self, name: str, mtu: int, mac: str | None) -> None: ...

    def veth(self, name: str, bridge: str, peer: str, netns: str, mtu: int, mac: str | None) -> None: ...

    def address(self, name: str, address: str, netns: str | None) -> None: ...

    def up(self, name: str, netns: str | None) -> None: ...

    def route(self, destination: str, gateway: str, netns: str | None) -> None: ...

    def delete(self, name: str) -> None: ...

    def ready(self, name: str, netns: str | None) -> bool:
        return True

    def links(self, netns: str | None) -> tuple[Link, ...]:
        return self._real.links(netns) if netns is None else ()

    def routes(self, netns: str | None) -> tuple[str, ...]:
        return self._real.routes(netns) if netns is None else ()


class DryCgroups:
    """Reads for real, and changes nothing."""

    def __init__(self, real: Cgroups) -> None:
        self.read = real.read
        self.processes = real.processes

    def create(self, dirs: Sequence[str]) -> None: ...

    def limit(self, file: str, value: str) -> None: ...

    def freeze(self, dirs: Sequence[str]) -> None: ...

    def thaw(self, dirs: Sequence[str]) -> None: ...

    def kill(self, dirs: Sequence[str]) -> None: ...

    def delete(self, dirs: Sequence[str]) -> None: ...
