"""``minidock image bootstrap``: a first image without any registry."""

from __future__ import annotations

from minidock.cli.command import Command
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Values
from minidock.cli.session import STEPS, Session

KINDS = ("auto", "busybox", "host", "tiny", "debian")


def bootstrap(session: Session, values: Values) -> int:
    """Make the image; print its name."""
    kind = values.words[0] if values.words else "auto"
    if kind not in KINDS:
        raise BadRequest(f"unknown kind of image: {kind}", f"choose one of {', '.join(KINDS)}")
    with session.engine(values) as engine:
        print(engine.images.bootstrap(kind))
    return 0


BOOTSTRAP = Command(
    f"[OPTIONS] [{'|'.join(KINDS)}]", "Make a first image without any registry", bootstrap, STEPS, most=1
)
