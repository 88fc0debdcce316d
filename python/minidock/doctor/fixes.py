"""Commands that mend things, in the words of this host's distribution."""

from __future__ import annotations

import os

#: Distribution → the command that installs packages.
_INSTALLERS = {
    "debian": "apt-get install -y",
    "ubuntu": "apt-get install -y",
    "fedora": "dnf install -y",
    "rhel": "dnf install -y",
    "centos": "dnf install -y",
    "arch": "pacman -S --noconfirm",
    "alpine": "apk add",
    "suse": "zypper install -y",
    "opensuse": "zypper install -y",
}
#: Package names that differ from Debian's.
_NAMES = {
    "uidmap": {"fedora": "shadow-utils", "rhel": "shadow-utils", "arch": "shadow", "alpine": "shadow-uidmap"},
}


def distribution() -> tuple[str, ...]:
    """Return the host's distribution and those it is like, the nearest first (os-release(5))."""
    words: dict[str, str] = {}
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                words = {name: value.strip('"') for name, _, value in (line.strip().partition("=") for line in file)}
            break
    return tuple(word for word in (words.get("ID", ""), *words.get("ID_LIKE", "").split()) if word)


def install(package: str) -> str:
    """Return the command that installs *package* (Debian's name)."""
    for name in distribution():
        if name in _INSTALLERS:
            return as_root(f"{_INSTALLERS[name]} {_NAMES.get(package, {}).get(name, package)}")
    return f"install the package {package}"


def as_root(command: str) -> str:
    """Return *command* as this user has to type it."""
    return command if os.geteuid() == 0 else f"sudo {command}"


def set_sysctl(name: str, value: str) -> tuple[str, str]:
    """Return the commands that set a kernel parameter, and put it back."""
    old = read(f"/proc/sys/{name.replace('.', '/')}") or ""
    return as_root(f"sysctl -w {name}={value}"), as_root(f"sysctl -w {name}={old}") if old else ""


def read(path: str) -> str | None:
    """Return a small file's text, or ``None`` if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16).strip()
    except OSError:
        return None
