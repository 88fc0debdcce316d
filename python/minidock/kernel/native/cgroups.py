"""The native twin of the port Cgroups: ``rust/core/src/cgroups``."""

from __future__ import annotations

from collections.abc import Sequence

from minidock import _native


class NativeCgroups:
    """The port :class:`~minidock.kernel.ports.Cgroups`."""

    def create(self, dirs: Sequence[str]) -> None:
        _native.cgroup_create(list(dirs))

    def limit(self, file: str, value: str) -> None:
        _native.cgroup_limit(file, value)

    def read(self, file: str) -> str | None:
        return _native.cgroup_read(file)

    def freeze(self, dirs: Sequence[str]) -> None:
        _native.cgroup_freeze(list(dirs))

    def thaw(self, dirs: Sequence[str]) -> None:
        _native.cgroup_thaw(list(dirs))

    def kill(self, dirs: Sequence[str]) -> None:
        _native.cgroup_kill(list(dirs))

    def delete(self, dirs: Sequence[str]) -> None:
        _native.cgroup_delete(list(dirs))

    def processes(self, dirs: Sequence[str]) -> list[int]:
        return _native.cgroup_processes(list(dirs))
