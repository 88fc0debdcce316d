"""A container's life: its name, where its image comes from, its log, what happens when it ends."""

from __future__ import annotations

import os

import msgspec

from minidock.api import HostConfig, LogSettings, RestartPolicy, RunOptions
from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Kind, Values
from minidock.cli.kinds import BOOL, LIST, STRING
from minidock.cli.run.files import as_map
from minidock.cli.values.numbers import parse_int
from minidock.errors import InvalidArgument
from minidock.oci.platform import Platform, parse_platform

FLAGS = (
    Flag("annotation", Kind("map", str, repeats=True), "Add an annotation to the OCI bundle (name=value)"),
    Flag("cidfile", STRING, "Write the container's id into this new file"),
    Flag("log-driver", STRING, "Where the output is kept: json-file, none"),
    Flag("log-opt", LIST, "Option of the log driver (max-size=10m)"),
    Flag("name", STRING, "Name of the container"),
    Flag("platform", STRING, "Platform of the image (linux/arm64)"),
    Flag("pull", STRING, 'When to pull the image: "always", "missing", "never"', "missing"),
    Flag("q,quiet", BOOL, "Do not show the pull"),
    Flag("restart", STRING, "When to start it again: no, on-failure[:tries], always, unless-stopped", "no"),
    Flag("rm", BOOL, "Remove the container and its anonymous volumes when it ends"),
)


def parse_restart(text: str) -> RestartPolicy:
    """Read ``on-failure:3``.

    :raises BadRequest: with Docker's words.
    """
    name, colon, tries = text.partition(":")
    if not name and colon:
        raise BadRequest("invalid restart policy format: no policy provided before colon")
    if not colon:
        return RestartPolicy(name or "no")
    try:
        return RestartPolicy(name, parse_int(tries))
    except ValueError:
        raise BadRequest("invalid restart policy format: maximum retry count must be an integer") from None


def apply(values: Values, host: HostConfig) -> HostConfig:
    """Return *host* with what these flags say.

    :raises BadRequest: flags that contradict each other, a container id file that is already there.
    """
    restart = parse_restart(values["restart"])
    if values["rm"] and restart.name != "no":
        raise BadRequest("conflicting options: cannot specify both --restart and --rm")
    if values["log-driver"] == "none" and values["log-opt"]:
        raise BadRequest("invalid logging opts for driver none")
    cidfile = values["cidfile"]
    if cidfile and os.path.exists(cidfile):
        raise BadRequest(f"container ID file found, make sure the other container isn't running or delete {cidfile}")
    if cidfile and not os.path.isdir(os.path.dirname(os.path.abspath(cidfile))):
        raise BadRequest(f"failed to create the container ID file: open {cidfile}: no such file or directory")
    return msgspec.structs.replace(
        host,
        annotations=as_map(values["annotation"]),
        auto_remove=values["rm"],
        container_id_file=cidfile and os.path.abspath(cidfile),
        log_config=LogSettings(values["log-driver"], as_map(values["log-opt"])),
        restart_policy=restart,
    )


def platform(values: Values) -> Platform | None:
    """Return the platform that is asked for, or ``None``: this host's.

    :raises BadRequest: it cannot be read.
    """
    text = values["platform"] or os.environ.get("DOCKER_DEFAULT_PLATFORM", "")
    if not text:
        return None
    try:
        return parse_platform(text)
    except InvalidArgument as wrong:
        raise BadRequest(f'error parsing specified platform: "{text}": {wrong}', wrong.hint) from wrong


def options(values: Values) -> RunOptions:
    """Return what only ``run`` says.

    :raises BadRequest: an unknown way to pull.
    """
    pull = values["pull"] or "missing"
    if pull not in ("always", "missing", "never"):
        raise BadRequest(f'invalid pull option: \'{pull}\': must be one of "always", "missing" or "never"')
    return RunOptions(pull, values["quiet"], values["detach"])
