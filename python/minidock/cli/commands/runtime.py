"""``minidock runtime run BUNDLE``: the launcher alone, as an OCI runtime, without the store."""

from __future__ import annotations

import os

from minidock.cli.command import Command
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Values
from minidock.cli.session import Session


def run(_: Session, values: Values) -> int:
    """Become the launcher: it takes our place, our terminal and our exit status."""
    from minidock._pure.spawn import safe_program
    from minidock.kernel.choose import load_kernel

    bundle = os.path.abspath(values.words[0])
    if not os.path.isfile(f"{bundle}/config.json"):
        raise BadRequest(f"{bundle}: no OCI bundle: it has no config.json", "give the folder that holds config.json")
    id = values.words[1] if len(values.words) > 1 else os.path.basename(bundle)
    words = load_kernel().launch.command("run", "--bundle", bundle, id)
    program = safe_program(words[0])
    os.execv(f"/proc/self/fd/{program}", words)  # noqa: S606


RUN = Command("BUNDLE [ID]", "Run a container from an OCI bundle, as runc does", run, least=1, most=2, failure=125)
