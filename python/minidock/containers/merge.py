"""What really runs: the request's words over the image's defaults, by Docker's rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from minidock.api import ContainerConfig
from minidock.errors import InvalidArgument
from minidock.oci.image import ExecutionConfig

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def merge_config(request: ContainerConfig, image: ExecutionConfig) -> ContainerConfig:
    """Return *request* with everything that it does not say filled in from *image*.

    A new entrypoint makes the image's command void: it was written for the old one. An entrypoint of one empty string
    takes the image's away.

    :raises InvalidArgument: nothing says what to run.
    """
    entrypoint, cmd = request.entrypoint, request.cmd
    if entrypoint is None:
        entrypoint = image.entrypoint
        cmd = cmd or image.cmd
    if entrypoint == ("",):
        entrypoint = None
    if not (entrypoint or cmd):
        raise InvalidArgument("no command specified", "name a command after the image, or use an image that has one")
    return msgspec.structs.replace(
        request,
        entrypoint=entrypoint,
        cmd=cmd,
        user=request.user or image.user,
        env=merge_env(image.env or (), request.env or ()),
        working_dir=request.working_dir or image.working_dir,
        labels={**(image.labels or {}), **(request.labels or {})} or None,
        volumes={**(image.volumes or {}), **(request.volumes or {})} or None,
        exposed_ports={**(image.exposed_ports or {}), **(request.exposed_ports or {})} or None,
        stop_signal=request.stop_signal or image.stop_signal,
        healthcheck=request.healthcheck or image.healthcheck,
    )


def merge_env(*layers: Iterable[str]) -> tuple[str, ...]:
    """Join lists of ``NAME=value``, later ones winning in the place of the first; a bare ``NAME`` takes it away."""
    merged: dict[str, str | None] = {}
    for layer in layers:
        for entry in layer:
            name, equals, value = entry.partition("=")
            merged[name] = value if equals else None
    return tuple(f"{name}={value}" for name, value in merged.items() if value is not None)


def process_env(config: ContainerConfig, hostname: str, home: str) -> tuple[str, ...]:
    """Return the environment of the first process: Docker's defaults, then what image and user say."""
    defaults = [f"PATH={DEFAULT_PATH}"]
    if hostname:
        defaults.append(f"HOSTNAME={hostname}")
    if config.tty:
        defaults.append("TERM=xterm")
    env = merge_env(defaults, config.env or ())
    return env if any(entry.startswith("HOME=") for entry in env) else (*env, f"HOME={home}")


def command_line(config: ContainerConfig) -> tuple[str, ...]:
    """Return the whole argument vector: entrypoint, then command."""
    return (*(config.entrypoint or ()), *(config.cmd or ()))


def quoted_command(argv: Sequence[str]) -> str:
    """Return the command as ``ps`` shows it: the words joined by blanks."""
    return " ".join(argv)
