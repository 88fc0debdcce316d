"""The one place that chooses between the twins: ``MINIDOCK_KERNEL=native|pure``."""

from __future__ import annotations

import os

from minidock.errors import InvalidArgument, Unavailable

TYPE_CHECKING = False  # `minidock version` asks for the name only, and must not pay for the ports' imports
if TYPE_CHECKING:
    from minidock.kernel.ports import Kernel

VARIABLE = "MINIDOCK_KERNEL"


def chosen_name() -> str:
    """Return ``native`` or ``pure``.

    :raises InvalidArgument: the variable holds something else.
    """
    name = os.environ.get(VARIABLE) or "native"
    if name not in ("native", "pure"):
        raise InvalidArgument(f"{VARIABLE}={name}: no such kernel", f"set {VARIABLE} to native or pure")
    return name


def load_kernel(name: str | None = None) -> Kernel:
    """Return all ports of the kernel *name*, by default the chosen one.

    :raises Unavailable: the native extension is not built. There is no silent fallback to the other twin.
    """
    if (name or chosen_name()) == "pure":
        from minidock._pure import pure_kernel

        return pure_kernel()
    try:
        from minidock.kernel.native import native_kernel
    except ImportError as missing:
        raise Unavailable(
            f"the native extension minidock._native cannot be loaded: {missing}",
            f"build it with `pip install .` (it needs Rust), or set {VARIABLE}=pure to run the Python twin",
        ) from missing
    return native_kernel()
