"""``inspect``: all that is known about containers and images, as JSON."""

from __future__ import annotations

from minidock.cli.command import Command
from minidock.cli.exits import PREFIX, BadRequest, complain
from minidock.cli.flags import Flag, Values
from minidock.cli.kinds import BOOL, FORMAT_SHORT, STRING
from minidock.cli.output.formats import print_inspected
from minidock.cli.session import Session
from minidock.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Look = Callable[[str], dict[str, object]]

_TYPES = ("container", "image")


def inspect(session: Session, values: Values) -> int:
    """Show containers, or else images, of these names."""
    kind = values["type"]
    if kind and kind not in _TYPES:
        raise BadRequest(f"unknown type: {kind!r}; must be one of {', '.join(map(repr, _TYPES))}".replace("'", '"'))
    with session.engine() as engine:
        looks: dict[str, Look] = {
            "container": lambda name: engine.containers.inspect(name, values["size"]),
            "image": engine.images.inspect,
        }
        chosen = [looks[name] for name in _TYPES if kind in ("", name)]
        return _show(values, chosen, "" if kind else "No such object: ")


def inspect_images(session: Session, values: Values) -> int:
    """Show images of these names."""
    if values["platform"]:
        raise BadRequest("--platform: images are kept for one platform each", "leave --platform out")
    with session.engine() as engine:
        return _show(values, [engine.images.inspect], "")


def inspect_containers(session: Session, values: Values) -> int:
    """Show containers of these names."""
    with session.engine() as engine:
        return _show(values, [lambda name: engine.containers.inspect(name, values["size"])], "")


def _show(values: Values, looks: Sequence[Look], missing: str) -> int:
    """Print what is found, then say what is not.

    :param missing: how the message for a missing name begins; empty: with the engine's own words.
    """
    found, errors = [], []
    for name in values.words:
        last = ""
        for look in looks:
            try:
                found.append(look(name))
                break
            except NotFound as absent:
                last = absent.message
        else:
            errors.append(f"Error: {missing}{name}" if missing else f"{PREFIX}{last}")
    print_inspected(values["format"], found)
    for error in errors:
        complain(error)
    return 1 if errors else 0


_SIZE = Flag("s,size", BOOL, "Add the sizes of a container's files")
_TYPE = Flag("type", STRING, "Look only for a container, or an image")
_PLATFORM = Flag("platform", STRING, "Look at another platform (not supported)")

INSPECT = Command(
    "[OPTIONS] NAME|ID [NAME|ID...]",
    "Return low-level information on objects",
    inspect,
    (FORMAT_SHORT, _SIZE, _TYPE),
    least=1,
    most=None,
)
IMAGE = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Display detailed information on one or more images",
    inspect_images,
    (FORMAT_SHORT, _PLATFORM),
    least=1,
    most=None,
)
CONTAINER = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Display detailed information on one or more containers",
    inspect_containers,
    (FORMAT_SHORT, _SIZE),
    least=1,
    most=None,
)
