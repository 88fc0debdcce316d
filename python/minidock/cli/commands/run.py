"""``minidock run``: from flags to a running container, and its exit status."""

from __future__ import annotations

import sys

from minidock.cli.command import Command
from minidock.cli.exits import CommandFailed
from minidock.cli.flags import Values
from minidock.cli.run.life import options
from minidock.cli.run.request import FLAGS, create_request
from minidock.cli.session import AS_SHELL, STEPS, Session


def run(session: Session, values: Values) -> int:
    """Run a container in the foreground; return what it returns."""
    from minidock.cli.terminal import Terminal

    request, choices = create_request(values), options(values)
    if request.config.attach_stdin and request.config.tty and not sys.stdin.isatty():
        raise CommandFailed(1, "the input device is not a TTY")
    if session.setting(values, "as-shell"):
        from minidock.cli.scripts import print_run

        return print_run(session, request, choices)
    from minidock.cli.output.progress import pull_progress

    terminal = Terminal(
        request.config, values["detach-keys"], values["sig-proxy"], "" if session.dry(values) else values["cidfile"]
    )
    with session.engine(values) as engine:
        ran = engine.containers.run(request, choices, terminal, pull_progress(choices.quiet))
    if choices.detach and ran.id:
        print(ran.id)
    return ran.exit_code


RUN = Command(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    run,
    (*FLAGS, *STEPS, AS_SHELL),
    least=1,
    most=None,
    interspersed=False,
    failure=125,
)
