"""``minidock version``: what this is and what it runs on.

It imports next to nothing: start-up time is measured by this command.
"""

from __future__ import annotations

import os
import sys

from minidock import __version__
from minidock.cli.command import Command
from minidock.cli.flags import Values
from minidock.cli.kinds import FORMAT_SHORT
from minidock.cli.session import Session
from minidock.kernel.choose import chosen_name

#: The version of the Docker Engine API whose values and words the engine uses.
API_VERSION = "1.50"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def facts() -> dict[str, dict[str, str]]:
    """Everything that the command shows, under the names of Docker's ``version --format``."""
    system = os.uname()
    client = {
        "Version": __version__,
        "ApiVersion": API_VERSION,
        "PythonVersion": ".".join(str(part) for part in sys.version_info[:3]),
        "Os": system.sysname.lower(),
        "Arch": _ARCHITECTURES.get(system.machine, system.machine),
        "Context": "default",
    }
    engine = {
        "Version": __version__,
        "Kernel": chosen_name(),
        "KernelVersion": system.release,
        "Os": client["Os"],
        "Arch": client["Arch"],
    }
    return {"Client": client, "Server": engine}


def version(_: Session, values: Values) -> int:
    """Print the versions."""
    known = facts()
    if values["format"]:
        from minidock.cli.output.formats import print_one

        print_one(values["format"], known, "version")
        return 0
    client, engine = known["Client"], known["Server"]
    rows = (
        ("Version", client["Version"]),
        ("API version", client["ApiVersion"]),
        ("Python version", client["PythonVersion"]),
        ("OS/Arch", f"{client['Os']}/{client['Arch']}"),
        ("Context", client["Context"]),
    )
    print("Client:")
    _print(rows)
    print("\nServer: the engine in this process")
    _print((("Version", engine["Version"]), ("Kernel ports", engine["Kernel"]), ("Linux", engine["KernelVersion"])))
    return 0


def _print(rows: tuple[tuple[str, str], ...]) -> None:
    for name, value in rows:
        print(f" {name + ':':<18} {value}")


VERSION = Command("[OPTIONS]", "Show the version of minidock and of what it runs on", version, (FORMAT_SHORT,))
