"""The native twin of the port Mounts: ``rust/core/src/host_mounts.rs``."""

from __future__ import annotations

from collections.abc import Sequence

from minidock import _native


class NativeMounts:
    """The port :class:`~minidock.kernel.ports.Mounts`."""

    def overlay(
        self, target: str, lower: Sequence[str], upper: str | None, work: str | None, options: Sequence[str]
    ) -> None:
        _native.mount_overlay(target, list(lower), upper, work, list(options))

    def bind(self, source: str, target: str, options: Sequence[str]) -> None:
        _native.mount_bind(source, target, list(options))

    def unmount(self, target: str) -> None:
        _native.mount_unmount(target)

    def pin_network(self, path: str) -> None:
        _native.pin_network(path)

    def unpin_network(self, path: str) -> None:
        _native.unpin_network(path)

    def view(self, lower: Sequence[str], options: Sequence[str]) -> int:
        return _native.mount_view(list(lower), list(options))

    def read_file(self, root: int, path: str, limit: int) -> bytes | None:
        return _native.read_file(root, path, limit)

    def open_folder(self, root: int, path: str) -> int | None:
        return _native.open_folder(root, path)

    def probe_overlay(self, folder: str) -> str:
        return _native.probe_overlay(folder)
