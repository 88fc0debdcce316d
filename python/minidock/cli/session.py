"""One call of the command line: the global settings, and the engine when a command needs one."""

from __future__ import annotations

import os

from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Kind, Values
from minidock.cli.kinds import BOOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minidock.engine import Engine
    from minidock.trace.recorder import Listener


def _explain(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError("must be 'text' or 'json'")
    return text


EXPLAIN = Flag(
    "explain",
    Kind("", _explain, "", implied="text"),
    "Print each step as it happens: what is done, why, and the command you would type (--explain=json: for programs)",
)
DRY_RUN = Flag("dry-run", BOOL, "Read everything and change nothing: only print the steps that would be taken")
#: For commands that change something.
STEPS = (EXPLAIN, DRY_RUN)
AS_SHELL = Flag("as-shell", BOOL, "Print a script that does the same by hand, in two parts, and change nothing")


class Session:
    """What the global flags say; commands get it as their first argument.

    :param path: the command as messages name it, ``image ls``.
    """

    def __init__(self, path: str, settings: Values) -> None:
        self.path = path
        self.settings = settings

    def setting(self, values: Values, name: str) -> str | bool:
        """Return a setting that may stand before or after the command's name; the latter wins."""
        chosen: str | bool = values[name] if values.given(name) else self.settings[name]
        return chosen

    def dry(self, values: Values) -> bool:
        """Whether nothing may be changed."""
        return bool(self.setting(values, "dry-run"))

    def engine(self, values: Values | None = None) -> Engine:
        """Open the engine; the steps are explained if *values* (of a command with :data:`STEPS`) say so."""
        dry = values is not None and self.dry(values)
        listeners = [] if values is None else self._listeners(str(self.setting(values, "explain")), dry)
        return self.open_engine(listeners, dry)

    def open_engine(self, listeners: list[Listener], dry: bool, reconcile: bool = True) -> Engine:
        """Open the engine with these listeners of its steps.

        :param reconcile: take back first what commands that died have left.
        :raises BadRequest: another host or context is asked for.
        """
        refuse_remote(self.settings)
        from minidock.engine import Engine

        return Engine.open(self.settings["root"] or None, listeners, dry, reconcile)

    @staticmethod
    def _listeners(form: str, dry: bool) -> list[Listener]:
        if not form and not dry:
            return []
        from minidock.trace.render import renderer

        return [renderer(form or "text", dry)]


def refuse_remote(settings: Values) -> None:
    """Say clearly that there is no remote engine, rather than act on this machine instead.

    :raises BadRequest: a host or a context other than the default is asked for.
    """
    hosts = settings["host"]
    if hosts:
        source, value = "--host", hosts[0]
    elif settings["context"] not in ("", "default"):
        source, value = "--context", settings["context"]
    elif settings.given("tls", "tlsverify", "tlscacert", "tlscert", "tlskey"):
        source, value = "--tls", "a remote engine"
    else:
        name = next((name for name in ("MINIDOCK_HOST", "DOCKER_HOST") if os.environ.get(name)), None)
        if name is None:
            return
        source, value = name, os.environ[name]
    raise BadRequest(
        f"{source}: {value}: this version of minidock runs its engine in its own process, and reaches no other",
        f"leave {source} out (unset it), or use the docker command for that engine",
    )
