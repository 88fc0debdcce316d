"""The native twin of the port Launch: ``rust/core/src/{plan,spawn,monitor}``, and the program ``minidock-runtime``."""

from __future__ import annotations

from minidock import _native
from minidock.kernel.program import runtime_path


class NativeLaunch:
    """The port :class:`~minidock.kernel.ports.Launch`."""

    def plan(self, spec: bytes, options: bytes) -> bytes:
        return _native.plan(spec, options)

    def monitor(self, id: str, bundle: str) -> int:
        return _native.monitor_start(runtime_path())

    def init_program(self) -> str:
        return runtime_path()

    def command(self, *words: str) -> list[str]:
        return [runtime_path(), *words]
