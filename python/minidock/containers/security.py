"""What holds a container in: capabilities, the system call filter, masked paths, no_new_privs.

The defaults are Docker's. ``--privileged`` takes them all away; ``--security-opt hardened`` is podman's stricter set:
no MKNOD, NET_RAW and AUDIT_WRITE, no new privileges, 2048 processes.
"""

from __future__ import annotations

import msgspec

from minidock.api import HostConfig
from minidock.errors import InvalidArgument, Unsupported
from minidock.oci.codec import decode
from minidock.oci.runtime import Capabilities, Seccomp
from minidock.runtime.capabilities import ALL_CAPABILITIES, DEFAULT_CAPABILITIES, adjust
from minidock.runtime.seccomp import default_profile

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
HARDENED_DROPS = ("CAP_MKNOD", "CAP_NET_RAW", "CAP_AUDIT_WRITE")
HARDENED_PIDS = 2048


class SecurityOptions(msgspec.Struct, frozen=True):
    """The words of ``--security-opt``, understood. ``seccomp`` is default, unconfined, or a profile's JSON."""

    no_new_privileges: bool = False
    seccomp: str = "default"
    hardened: bool = False
    system_paths_unconfined: bool = False


class Security(msgspec.Struct, frozen=True):
    """What the spec says of all this."""

    capabilities: Capabilities
    seccomp: Seccomp | None
    no_new_privileges: bool
    masked_paths: tuple[str, ...]
    readonly_paths: tuple[str, ...]


def parse_security_options(words: tuple[str, ...]) -> SecurityOptions:
    """Parse ``--security-opt`` words.

    :raises InvalidArgument: an unknown word, in Docker's words.
    :raises Unsupported: a label or profile of a security module that this engine does not drive.
    """
    options = SecurityOptions()
    for word in words:
        key, _, value = word.replace(":", "=", 1).partition("=") if "=" not in word else word.partition("=")
        if key == "no-new-privileges" and value in ("", "true", "false"):
            options = msgspec.structs.replace(options, no_new_privileges=value != "false")
        elif key == "seccomp" and value:
            options = msgspec.structs.replace(options, seccomp={"builtin": "default"}.get(value, value))
        elif word == "hardened":
            options = msgspec.structs.replace(options, hardened=True, no_new_privileges=True)
        elif key == "systempaths" and value == "unconfined":
            options = msgspec.structs.replace(options, system_paths_unconfined=True)
        elif key in ("apparmor", "label"):
            if value not in ("unconfined", "disable"):
                raise Unsupported(f"--security-opt {word}: {key} is not supported", f"use {key}=unconfined or disable")
        else:
            raise InvalidArgument(f'invalid --security-opt 2: "{word}"')
    return options


def security_of(host: HostConfig, options: SecurityOptions, uid: int) -> Security:
    """Return the whole protection of a container that starts as *uid*.

    A process that is not root from the start gets no capability at all in its effective set, as in Docker; the
    bounding set still says what a set-user-ID program could get.
    """
    base = ALL_CAPABILITIES if host.privileged else DEFAULT_CAPABILITIES
    drops = (*host.cap_drop, *(HARDENED_DROPS if options.hardened else ()))
    names = base if host.privileged else adjust(base, host.cap_add, drops)
    held = names if uid == 0 else ()
    capabilities = Capabilities(bounding=names, effective=held, permitted=held)
    unconfined = host.privileged or options.system_paths_unconfined
    masked = () if unconfined else MASKED_PATHS
    readonly = () if unconfined else READONLY_PATHS
    return Security(
        capabilities,
        _seccomp(host, options, names),
        options.no_new_privileges,
        masked if host.masked_paths is None else host.masked_paths,
        readonly if host.readonly_paths is None else host.readonly_paths,
    )


def _seccomp(host: HostConfig, options: SecurityOptions, capabilities: tuple[str, ...]) -> Seccomp | None:
    if options.seccomp == "unconfined" or (host.privileged and options.seccomp == "default"):
        return None
    if options.seccomp == "default":
        return default_profile(capabilities)
    return decode(options.seccomp.encode(), Seccomp, "Decoding seccomp profile failed", limit=1 << 20)
