"""The native twin of the port Launch: ``rust/core/src/{plan,spawn,monitor}``, and the program ``minidock-runtime``."""

from __future__ import annotations

import os

from minidock import _native
from minidock.errors import Unavailable


def runtime_path() -> str:
    """Return where the wheel put ``minidock-runtime``.

    :raises Unavailable: it is not there.
    """
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = f"{package}/bin/minidock-runtime"
    if not os.access(path, os.X_OK):
        raise Unavailable(f"the program {path} is missing", "build it with `pip install .` (it needs Rust)")
    return path


class NativeLaunch:
    """The port :class:`~minidock.kernel.ports.Launch`."""

    def plan(self, spec: bytes, options: bytes) -> bytes:
        return _native.plan(spec, options)

    def monitor(self, id: str, bundle: str) -> int:
        return _native.monitor_start(runtime_path())

    def command(self, *words: str) -> list[str]:
        return [runtime_path(), *words]
