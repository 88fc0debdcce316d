"""``minidock pull``."""

from __future__ import annotations

import sys

from minidock.cli.command import Command
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Values
from minidock.cli.kinds import BOOL, STRING
from minidock.cli.output.progress import pull_progress
from minidock.cli.run.life import platform
from minidock.cli.session import STEPS, Session
from minidock.oci.reference import parse_reference


def pull(session: Session, values: Values) -> int:
    """Pull an image; the last line is its full name."""
    if values["all-tags"]:
        raise BadRequest("--all-tags: a registry may have thousands of tags", "pull the tags you need by name")
    if not values["disable-content-trust"]:
        raise BadRequest(
            "--disable-content-trust=false: signatures of a notary cannot be checked",
            "name the image by its digest (IMAGE@sha256:...): then its contents cannot change",
        )
    name = values.words[0]
    bare, reference = parse_reference(name, default_tag=False), parse_reference(name)
    if bare.tag is None and bare.digest is None and not values["quiet"]:
        print(f"Using default tag: {reference.tag}", flush=True)
    with session.engine(values) as engine:
        engine.images.pull(reference, platform(values), pull_progress(values["quiet"], sys.stdout))
    print(reference)
    return 0


PULL = Command(
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    pull,
    (
        Flag("a,all-tags", BOOL, "Pull every tag (not supported)"),
        Flag("disable-content-trust", BOOL, "Do not ask a notary for signatures", True),
        Flag("platform", STRING, "Platform of the image (linux/arm64)"),
        Flag("q,quiet", BOOL, "Show only the image's name"),
        *STEPS,
    ),
    least=1,
    most=1,
)
