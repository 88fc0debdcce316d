"""Containers: ``ps`` and ``rm``."""

from __future__ import annotations

import time

from minidock.cli.command import Command
from minidock.cli.exits import PREFIX, BadRequest, complain
from minidock.cli.flags import Flag, Values
from minidock.cli.kinds import BOOL, FILTER, FORMAT, INT, filters
from minidock.cli.output import containers as rows
from minidock.cli.output.formats import print_rows
from minidock.cli.session import AS_SHELL, STEPS, Session
from minidock.errors import MinidockError, NotFound


def ls(session: Session, values: Values) -> int:
    """List containers."""
    limit = 1 if values["latest"] else max(values["last"], 0)
    form = values["format"] or ("{{.ID}}" if values["quiet"] else "")
    size = values["size"] or ".Size" in form
    with session.engine() as engine:
        found = engine.containers.list(values["all"], filters(values["filter"]), limit, size)
    now = time.time()
    usual = rows.USUAL + ("\t{{.Size}}" if size else "")
    table = [rows.row(summary, cut=not values["no-trunc"], now=now) for summary in found]
    print_rows(form, usual, rows.HEADINGS, table, ("failed to parse template", "failed to execute template"))
    return 0


def rm(session: Session, values: Values) -> int:
    """Remove containers, one after the other; go on after an error."""
    if values["link"]:
        raise BadRequest("--link: there are no links between containers", "leave --link out")
    if session.setting(values, "as-shell"):
        from minidock.cli.scripts import print_remove

        return print_remove(session, values.words, force=values["force"], volumes=values["volumes"])
    status = 0
    with session.engine(values) as engine:
        for name in values.words:
            try:
                engine.containers.remove(name.strip("/"), values["force"], values["volumes"])
                print(name)
            except NotFound as missing:
                status = 0 if values["force"] else 1
                complain(f"{PREFIX}{missing.message}")
            except MinidockError as error:
                status = 1
                complain(f"{PREFIX}{error.message}" + (f"\nhint: {error.hint}" if error.hint else ""))
    return status


LS = Command(
    "[OPTIONS]",
    "List containers",
    ls,
    (
        Flag("a,all", BOOL, "Show all containers, not only those that run"),
        Flag("f,filter", FILTER, "Show only some (status=exited, name=web, label=a=b, ancestor=IMAGE, ...)"),
        FORMAT,
        Flag("n,last", INT, "Show the last n that were made, whatever their state; -1: no limit", -1),
        Flag("l,latest", BOOL, "Show the last one that was made, whatever its state"),
        Flag("no-trunc", BOOL, "Shorten nothing"),
        Flag("q,quiet", BOOL, "Show only ids"),
        Flag("s,size", BOOL, "Show the sizes of their files"),
    ),
)
RM = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove one or more containers",
    rm,
    (
        Flag("f,force", BOOL, "Kill the container first if it runs"),
        Flag("l,link", BOOL, "Remove a link, not the container (not supported)"),
        Flag("v,volumes", BOOL, "Remove its anonymous volumes too"),
        *STEPS,
        AS_SHELL,
    ),
    least=1,
    most=None,
)
