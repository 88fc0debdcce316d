"""The native twin: ``minidock._native`` behind the ports' Protocols, one small module per port."""

from __future__ import annotations

from minidock.kernel.ports import Kernel


def native_kernel() -> Kernel:
    """Return the native ports."""
    from minidock.kernel.native.cgroups import NativeCgroups
    from minidock.kernel.native.launch import NativeLaunch
    from minidock.kernel.native.layers import NativeLayers
    from minidock.kernel.native.links import NativeLinks
    from minidock.kernel.native.mounts import NativeMounts

    return Kernel("native", NativeLaunch(), NativeMounts(), NativeLayers(), NativeLinks(), NativeCgroups())
