"""The planner: an OCI ``config.json`` becomes the list of steps that starts the container. Pure: no system call.

The order of the list is a chain of needs, and most mistakes of container engines are a broken link in it::

    cgroup   before the process, so that no moment of its life is unlimited
    clone    the process is born in its namespaces; an id map must stand before it does anything
    mounts   propagation first (else the host would see them), the root, what lies on it, /dev, then pivot_root:
             after that the host's tree is out of reach, and so are the sources of bind mounts
    kernel   host name, sysctls, read-only and masked paths: after the pivot, so that a path is the container's own
    rights   given up last, since all of the above needs them: the filter, the capabilities, the user

The filter (seccomp) has two places. Without ``no_new_privs`` only CAP_SYS_ADMIN may load one, so it comes before the
capabilities go, and must let the rest of the list pass. With ``no_new_privs`` anybody may, so it comes as late as it
can: right before exec. The user is changed *between* the bounding set and the other sets (``process.capabilities``
remembers them, ``process.user`` applies them): setuid(2) needs a capability, and clears all of them.

What no step would carry out is refused (:mod:`minidock._pure.plan.refuse`), never ignored. The same planner in Rust is
``rust/core/src/plan``: same files, same functions, the same bytes as result.

=========== =========================================================================
module      decides
=========== =========================================================================
refuse      which parts of a ``config.json`` no step of ours would carry out
isolation   cgroup, namespaces, id maps: the birth of the process
mounts      the root and what is mounted on it
devices     device nodes, and the rules of the device filter
process     rights, limits, user and program of the process
=========== =========================================================================
"""

from __future__ import annotations

import msgspec

from minidock._pure.plan import devices, isolation, mounts, process
from minidock._pure.plan.refuse import refuse
from minidock._pure.plan.words import Steps, bad, inside
from minidock.kernel.launch import LaunchOptions
from minidock.oci.codec import decode
from minidock.oci.runtime import Linux, RuntimeSpec

_encoder = msgspec.json.Encoder(order="deterministic")


def plan(spec: bytes, options: bytes) -> bytes:
    """Return the steps that start *spec* under *options*, as JSON: see :meth:`minidock.kernel.ports.Launch.plan`."""
    raw = decode(spec, dict, "config.json")
    refuse(raw)
    config = decode(spec, RuntimeSpec, "config.json")
    steps = steps_of(config, decode(options, LaunchOptions, "launch options"), raw)
    for step in steps:
        _no_nul(step.args)
    return _encoder.encode(steps)


def steps_of(config: RuntimeSpec, options: LaunchOptions, raw: dict[str, object]) -> Steps:
    """Return the plan as values: the table in :mod:`minidock.runtime`, line by line."""
    if config.process is None or config.root is None:
        raise bad("process and root are needed to start a container")
    if not options.bundle.startswith("/"):
        raise bad(f"bundle {options.bundle}: not an absolute path")
    linux = config.linux or Linux()
    root = config.root.path if config.root.path.startswith("/") else f"{options.bundle}/{config.root.path}"
    isolation.check(config, linux, options, raw)
    return [
        *isolation.cgroup(linux, options),
        *isolation.birth(linux, options),
        inside("process.session", terminal=config.process.terminal),
        *mounts.tree(config, linux, options, root),
        *devices.nodes(config, linux, options, root),
        *mounts.closing(config, options, root),
        inside("root.pivot", root=root),
        *([inside("root.readonly")] if config.root.readonly else []),
        *isolation.names(config, linux),
        *mounts.covers(linux),
        *process.steps(config.process, linux, options),
    ]


def _no_nul(value: object) -> None:
    """A NUL byte ends a string in the kernel: what comes after it would be dropped without a word."""
    if isinstance(value, str) and "\0" in value:
        raise bad("a string holds a NUL byte")
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            _no_nul(item)
