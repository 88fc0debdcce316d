"""The pure twin: every port in readable Python, ctypes and the standard library. Read this one first.

It does the same steps as the Rust core, with the same arguments, in the same order, with the same errors, and more
slowly; one parity suite (``tests/parity``) holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minidock.kernel.ports import Kernel


def pure_kernel() -> Kernel:
    """Return the pure ports."""
    # imported here, so that a monitor (a process beside each container) loads its own modules only
    from minidock._pure.cgroups import PureCgroups
    from minidock._pure.launch import PureLaunch
    from minidock._pure.layers import PureLayers
    from minidock._pure.links import PureLinks
    from minidock._pure.mounts import PureMounts
    from minidock.kernel.ports import Kernel

    return Kernel("pure", PureLaunch(), PureMounts(), PureLayers(), PureLinks(), PureCgroups())
