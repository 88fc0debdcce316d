"""Images from files: ``load`` and ``import``."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext

from minidock.cli.command import Command
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Values
from minidock.cli.kinds import BOOL, LIST, STRING
from minidock.cli.session import STEPS, Session
from minidock.errors import InvalidReference
from minidock.oci.reference import Reference, parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import BinaryIO


def _opened(path: str) -> AbstractContextManager[BinaryIO]:
    """Open a file, or standard input for ``-``.

    :raises BadRequest: it cannot be opened.
    """
    if path in ("", "-"):
        return nullcontext(sys.stdin.buffer)
    try:
        return open(path, "rb")
    except OSError as error:
        raise BadRequest(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def load(session: Session, values: Values) -> int:
    """Load the images of an archive."""
    from minidock.cli.output.progress import pull_progress

    if values["platform"]:
        raise BadRequest("--platform: an archive's images are loaded for this host", "leave --platform out")
    if not values["input"] and sys.stdin.isatty():
        raise BadRequest("requested load from stdin, but stdin is empty")
    progress = pull_progress(values["quiet"], sys.stdout)
    if os.path.isdir(values["input"]):
        with session.engine(values) as engine:
            names = engine.images.load_folder(values["input"], progress)
    else:
        with _opened(values["input"]) as archive, session.engine(values) as engine:
            names = engine.images.load(archive, progress)
    for name in names:
        kind = "image ID" if name.startswith("sha256:") else "image"
        print(f"Loaded {kind}: {name}")
    return 0


def import_(session: Session, values: Values) -> int:
    """Make an image of one layer from a tar archive."""
    source, name = values.words[0], values.words[1] if len(values.words) > 1 else ""
    if source.startswith(("http://", "https://")):
        raise BadRequest(
            f"{source}: archives are imported from files only", f"curl -fsSL {source} | minidock import - {name}"
        )
    if values["platform"]:
        raise BadRequest("--platform: an imported archive gets this host's platform", "leave --platform out")
    with _opened(source) as archive, session.engine(values) as engine:
        print(engine.images.import_(archive, _reference(name), values["change"], values["message"]))
    return 0


def _reference(name: str) -> Reference | None:
    if not name:
        return None
    try:
        return parse_reference(name)
    except InvalidReference as wrong:
        raise BadRequest(str(wrong)) from None


LOAD = Command(
    "[OPTIONS]",
    "Load an image from a tar archive or STDIN",
    load,
    (
        Flag("i,input", STRING, "Read this file or OCI layout folder, not STDIN (docker or OCI; plain, gzip or zstd)"),
        Flag("platform", STRING, "Load one platform only (not supported)"),
        Flag("q,quiet", BOOL, "Show only the names of the images"),
        *STEPS,
    ),
)
IMPORT = Command(
    "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    "Import the contents from a tarball to create a filesystem image",
    import_,
    (
        Flag("c,change", LIST, 'Set something in the image, in Dockerfile\'s words (CMD ["sh"])'),
        Flag("m,message", STRING, "Comment for the image's history"),
        Flag("platform", STRING, "Platform of the image (not supported)"),
        *STEPS,
    ),
    least=1,
    most=2,
)
