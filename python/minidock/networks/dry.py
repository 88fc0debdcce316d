"""The dry form of the networks' two ports: they look for real, and change nothing."""

from __future__ import annotations

from minidock.networks.host import Firewall, Sysctls


class DryFirewall:
    """The firewall of a dry run."""

    def __init__(self, real: Firewall) -> None:
        self.listing = real.listing
        self.chains = real.chains
        self.legacy = real.legacy
        self.generation = real.generation

    def apply(self, table: str, rules: str, undo: str | None = None) -> None: ...

    def forget(self, ports: tuple[int, ...], address: str) -> None: ...


class DrySysctls:
    """The kernel settings of a dry run."""

    def __init__(self, real: Sysctls) -> None:
        self.read = real.read

    def write(self, name: str, value: str) -> None: ...

    def write_link(self, name: str, value: str) -> None: ...
