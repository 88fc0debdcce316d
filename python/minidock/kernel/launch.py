"""What the planner needs to know beside the bundle: where the root comes from, and which cgroup this host offers."""

from __future__ import annotations

import msgspec


class OverlayRoot(msgspec.Struct, frozen=True, omit_defaults=True):
    """The root as an overlay: *lower* with the topmost layer first; ``options`` such as ``userxattr``."""

    lower: tuple[str, ...]
    upper: str
    work: str
    options: tuple[str, ...] = ()


class CgroupPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The control group of one container, as absolute paths on this host.

    ``mode`` is ``v1`` or ``v2``; ``dirs`` one folder per hierarchy, ``limits`` pairs of file and value; ``devices``
    the folder whose device filter is set, empty for none.
    """

    mode: str
    dirs: tuple[str, ...]
    limits: tuple[tuple[str, str], ...] = ()
    devices: str = ""


class LaunchOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that the plan depends on and that ``config.json`` does not say.

    ``bundle`` is the bundle's folder. ``bind_devices``: device nodes are bound from the host, since mknod(2) is not
    allowed (rootless). ``capabilities`` is the host's bounding set: the plan asks for no more (a capability that the
    host lacks is left out, as runc does with a warning), ``None`` for no clamping.
    """

    bundle: str
    overlay: OverlayRoot | None = None
    cgroup: CgroupPlan | None = None
    bind_devices: bool = False
    capabilities: tuple[str, ...] | None = None
