"""Images: ``images``, ``rmi``, ``tag``, ``history``."""

from __future__ import annotations

import time

from minidock.cli.command import Command
from minidock.cli.exits import PREFIX, BadRequest, complain
from minidock.cli.flags import Flag, Values
from minidock.cli.kinds import BOOL, FILTER, FORMAT, STRING, STRINGS, filters
from minidock.cli.output import images as rows
from minidock.cli.output.formats import print_rows
from minidock.cli.session import STEPS, Session
from minidock.errors import InvalidReference, MinidockError
from minidock.oci.reference import parse_reference


def ls(session: Session, values: Values) -> int:
    """List images."""
    if values["tree"]:
        raise BadRequest("--tree: images of one platform have no tree", "leave --tree out")
    wanted = filters(values["filter"])
    if values.words:
        wanted.setdefault("reference", []).append(values.words[0])
    with session.engine() as engine:
        found = engine.images.list(wanted, values["all"])
    now = time.time()
    cut, digests = not values["no-trunc"], values["digests"] or ".Digest" in values["format"]
    table = [row for image in found for row in rows.rows(image, cut=cut, digests=digests, now=now)]
    form = values["format"]
    if values["quiet"] and not form:
        form = "{{.ID}}"
    print_rows(form, rows.USUAL_DIGESTS if values["digests"] else rows.USUAL, rows.HEADINGS, table)
    return 0


def rm(session: Session, values: Values) -> int:
    """Remove images, one after the other; go on after an error."""
    if values["platform"]:
        raise BadRequest("--platform: images are kept for one platform each", "leave --platform out")
    status = 0
    with session.engine(values) as engine:
        for name in values.words:
            try:
                for deleted in engine.images.remove(name, values["force"], not values["no-prune"]):
                    print(f"Untagged: {deleted.untagged}" if deleted.untagged else f"Deleted: {deleted.deleted}")
            except MinidockError as error:
                status = 1
                complain(f"{PREFIX}{error.message}" + (f"\nhint: {error.hint}" if error.hint else ""))
    return status


def tag(session: Session, values: Values) -> int:
    """Give an image one more name."""
    source, target = values.words
    try:
        reference = parse_reference(target)
    except InvalidReference as wrong:
        raise BadRequest(f'Error parsing reference: "{target}" is not a valid repository/tag: {wrong}') from None
    if reference.digest:
        raise BadRequest("refusing to create a tag with a digest reference")
    with session.engine(values) as engine:
        engine.images.tag(source, reference)
    return 0


def history(session: Session, values: Values) -> int:
    """Show how an image was made."""
    refuse_platform(values)
    with session.engine() as engine:
        items = engine.images.history(values.words[0])
    now, human = time.time(), values["human"]
    table = [rows.history_row(item, cut=not values["no-trunc"], human=human, now=now) for item in items]
    form = values["format"] or ("{{.ID}}" if values["quiet"] else "")
    print_rows(form, rows.HISTORY_USUAL if human else rows.HISTORY_USUAL_EXACT, rows.HISTORY_HEADINGS, table)
    return 0


def refuse_platform(values: Values) -> None:
    """Images here have one platform: another cannot be chosen.

    :raises BadRequest: ``--platform`` was given.
    """
    if values["platform"]:
        raise BadRequest(
            "--platform: images are kept for one platform each", "pull the image with --platform under another tag"
        )


LS = Command(
    "[OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    ls,
    (
        Flag("a,all", BOOL, "Show all images"),
        Flag("digests", BOOL, "Show digests"),
        Flag("f,filter", FILTER, "Show only some (dangling=true, label=a=b, reference=PATTERN, before=, since=)"),
        FORMAT,
        Flag("no-trunc", BOOL, "Shorten nothing"),
        Flag("q,quiet", BOOL, "Show only ids"),
        Flag("tree", BOOL, "Show the platforms of each image (not supported)"),
    ),
    most=1,
)
RM = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Remove one or more images",
    rm,
    (
        Flag("f,force", BOOL, "Remove it even if it has several names or a stopped container uses it"),
        Flag("no-prune", BOOL, "Keep its layers"),
        Flag("platform", STRINGS, "Remove one platform only (not supported)"),
        *STEPS,
    ),
    least=1,
    most=None,
)
TAG = Command(
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    tag,
    STEPS,
    least=2,
    most=2,
)
HISTORY = Command(
    "[OPTIONS] IMAGE",
    "Show the history of an image",
    history,
    (
        FORMAT,
        Flag("H,human", BOOL, "Show sizes and times in words", True),
        Flag("no-trunc", BOOL, "Shorten nothing"),
        Flag("platform", STRING, "Show another platform's history (not supported)"),
        Flag("q,quiet", BOOL, "Show only ids"),
    ),
    least=1,
    most=1,
)
