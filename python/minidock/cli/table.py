"""Every command by its name: the group it is listed in, one line about it, and where its code is.

The module is imported only when the command is called or its help is asked for. A command of a group (``image ls``)
and its short form (``images``) are the same object.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minidock.cli.command import Command


class Entry:
    """One line of the table. ``where`` is ``module:NAME`` below ``minidock.cli.commands``; ``full`` its other name."""

    __slots__ = ("also", "group", "summary", "where")

    def __init__(self, where: str, summary: str, group: str = "", also: tuple[str, ...] = ()) -> None:
        self.where = where
        self.summary = summary
        self.group = group
        self.also = also

    def load(self) -> Command:
        """Import the module and return its command."""
        module, _, name = self.where.partition(":")
        loaded = __import__(f"minidock.cli.commands.{module}", fromlist=[name])  # importlib would be one more import
        command: Command = getattr(loaded, name)
        return command


COMMON, MANAGEMENT, COMMANDS = "Common Commands", "Management Commands", "Commands"

_IMAGE_LS = ("image ls", "image list", "images")
_CONTAINER_LS = ("container ls", "container list", "container ps", "ps")

#: Commands of one word.
TOP: Mapping[str, Entry] = {
    "run": Entry("run:RUN", "Create and run a new container from an image", COMMON, ("container run", "run")),
    "ps": Entry("container:LS", "List containers", COMMON, _CONTAINER_LS),
    "pull": Entry("pull:PULL", "Download an image from a registry", COMMON, ("image pull", "pull")),
    "images": Entry("image:LS", "List images", COMMON, _IMAGE_LS),
    "version": Entry("version:VERSION", "Show the version of minidock and of what it runs on", COMMON),
    "info": Entry("system:INFO", "Display system-wide information", COMMON, ("system info", "info")),
    "doctor": Entry("doctor:DOCTOR", "Try what this host can do, and say how to fix what it cannot", COMMANDS),
    "gc": Entry("gc:GC", "Remove what nothing needs any more, and say why", COMMANDS),
    "history": Entry("image:HISTORY", "Show the history of an image", COMMANDS, ("image history", "history")),
    "import": Entry(
        "archive:IMPORT",
        "Import the contents from a tarball to create a filesystem image",
        COMMANDS,
        ("image import", "import"),
    ),
    "inspect": Entry("inspect:INSPECT", "Return low-level information on objects", COMMANDS),
    "load": Entry("archive:LOAD", "Load an image from a tar archive or STDIN", COMMANDS, ("image load", "load")),
    "rm": Entry("container:RM", "Remove one or more containers", COMMANDS, ("container rm", "container remove", "rm")),
    "rmi": Entry("image:RM", "Remove one or more images", COMMANDS, ("image rm", "image remove", "rmi")),
    "tag": Entry("image:TAG", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", COMMANDS, ("image tag", "tag")),
}

#: Groups of commands: what they manage, and their commands.
GROUPS: Mapping[str, tuple[str, Mapping[str, Entry]]] = {
    "container": (
        "Manage containers",
        {
            "inspect": Entry("inspect:CONTAINER", "Display detailed information on one or more containers"),
            "ls": TOP["ps"],
            "rm": TOP["rm"],
            "run": TOP["run"],
        },
    ),
    "image": (
        "Manage images",
        {
            "bootstrap": Entry("bootstrap:BOOTSTRAP", "Make a first image without any registry"),
            "history": TOP["history"],
            "import": TOP["import"],
            "inspect": Entry("inspect:IMAGE", "Display detailed information on one or more images"),
            "load": TOP["load"],
            "ls": TOP["images"],
            "pull": TOP["pull"],
            "rm": TOP["rmi"],
            "tag": TOP["tag"],
        },
    ),
    "runtime": (
        "Start OCI bundles, without the store",
        {"run": Entry("runtime:RUN", "Run a container from an OCI bundle, as runc does")},
    ),
    "system": (
        "Manage minidock",
        {
            "check": Entry("system:CHECK", "Check the store, and repair it if asked to"),
            "info": TOP["info"],
            "release": Entry("system:RELEASE", "End the process that holds your namespaces (rootless)"),
        },
    ),
}

#: Other names of commands of a group.
ALIASES: Mapping[str, Mapping[str, str]] = {
    "container": {"list": "ls", "ps": "ls", "remove": "rm"},
    "image": {"list": "ls", "remove": "rm"},
}
