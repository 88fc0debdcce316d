"""From a kind to a finished tree: the recipes, and the order that ``auto`` tries them in."""

from __future__ import annotations

from minidock.errors import InvalidArgument, MinidockError, Unavailable
from minidock.images.bootstrap.recipe import Recipe, RootFilesystem, Workshop

KINDS = ("auto", "busybox", "host", "tiny", "debian")
#: The last one cannot fail on an installation that is whole.
AUTO = ("busybox", "host", "tiny")


def make_root(kind: str, workshop: Workshop) -> RootFilesystem:
    """Make the tree of *kind* inside the workshop.

    :raises InvalidArgument: there is no such kind.
    :raises MinidockError: the recipe fails; for ``auto``, all do, and the message holds every reason.
    """
    if kind != "auto":
        return find_recipe(kind)(workshop)
    reasons = []
    for name in AUTO:
        try:
            return find_recipe(name)(workshop)
        except (MinidockError, OSError) as failed:
            reasons.append(f"{name}: {failed}")
    raise Unavailable("no default image can be made: " + "; ".join(reasons))


def find_recipe(kind: str) -> Recipe:
    """Return the recipe of *kind*; only its own module is imported."""
    if kind == "busybox":
        from minidock.images.bootstrap.busybox import make_busybox as recipe
    elif kind == "host":
        from minidock.images.bootstrap.host import make_host as recipe
    elif kind == "tiny":
        from minidock.images.bootstrap.tiny import make_tiny as recipe
    elif kind == "debian":
        from minidock.images.bootstrap.debian import make_debian as recipe
    else:
        raise InvalidArgument(f"unknown kind of image {kind!r}", f"choose one of {', '.join(KINDS)}")
    return recipe
