"""What a binary runs on: operating system, architecture, variant (image-spec, image-index.md)."""

from __future__ import annotations

import os

import msgspec

from minidock.errors import InvalidArgument

#: ``uname -m`` → (architecture, variant), in the words of Go, which the specification uses.
_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
    "loongarch64": ("loong64", ""),
}
#: Other spellings that Docker accepts.
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm", "i386": "386"}


class Platform(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One platform, such as ``linux/arm64/v8``."""

    architecture: str
    os: str
    variant: str = ""
    os_version: str = msgspec.field(default="", name="os.version")

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def runs(self, other: Platform) -> bool:
        """Say whether a host of this platform runs images of platform *other*; an empty variant fits every one."""
        same = (self.os, self.architecture) == (other.os, other.architecture)
        return same and (not other.variant or not self.variant or other.variant == self.variant)


def host_platform() -> Platform:
    """Return the platform of this machine."""
    machine = os.uname().machine
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform(architecture=architecture, os="linux", variant=variant)


def parse_platform(text: str) -> Platform:
    """Parse ``os[/arch[/variant]]`` or a bare architecture, as ``--platform`` takes it.

    :raises InvalidArgument: for anything else.
    """
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(part and part.replace("_", "").replace("-", "").isalnum() for part in parts):
        raise InvalidArgument(f'"{text}" is an invalid component of "{text}": platform specifier component is invalid')
    host = host_platform()
    if len(parts) == 1:
        if parts[0] in ("linux", "windows", "darwin", "freebsd"):
            return Platform(architecture=host.architecture, os=parts[0], variant=host.variant)
        parts = ["linux", *parts]
    architecture = _ALIASES.get(parts[1], parts[1])
    variant = parts[2] if len(parts) == 3 else ("v8" if architecture == "arm64" else "")
    return Platform(architecture=architecture, os=parts[0], variant=variant)
