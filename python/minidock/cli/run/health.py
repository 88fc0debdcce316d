"""How to see whether a container works: ``--health-*``."""

from __future__ import annotations

from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Values
from minidock.cli.kinds import BOOL, DURATION, INT, STRING
from minidock.oci.image import Healthcheck

FLAGS = (
    Flag("health-cmd", STRING, "Command that says whether the container works"),
    Flag("health-interval", DURATION, "Time between two checks (ms|s|m|h)"),
    Flag("health-retries", INT, "Failures in a row that make it unhealthy"),
    Flag("health-start-interval", DURATION, "Time between two checks while it starts (ms|s|m|h)"),
    Flag("health-start-period", DURATION, "Time to start, in which failures do not count (ms|s|m|h)"),
    Flag("health-timeout", DURATION, "Longest time for one check (ms|s|m|h)"),
    Flag("no-healthcheck", BOOL, "Do not check, whatever the image says"),
)

_DETAILS = ("health-cmd", "health-interval", "health-retries", "health-start-interval", "health-start-period")
_POSITIVE = ("health-interval", "health-timeout", "health-retries", "health-start-period", "health-start-interval")


def healthcheck(values: Values) -> Healthcheck | None:
    """Return the health check these flags ask for, or ``None``: the image's.

    :raises BadRequest: the flags contradict each other.
    """
    said = any(values[name] for name in (*_DETAILS, "health-timeout"))
    if values["no-healthcheck"]:
        if said:
            raise BadRequest("--no-healthcheck conflicts with --health-* options")
        return Healthcheck(test=("NONE",))
    if not said:
        return None
    for name in _POSITIVE:
        if values[name] < 0:
            raise BadRequest(f"--{name} cannot be negative")
    return Healthcheck(
        test=("CMD-SHELL", values["health-cmd"]) if values["health-cmd"] else None,
        interval=values["health-interval"],
        timeout=values["health-timeout"],
        start_period=values["health-start-period"],
        start_interval=values["health-start-interval"],
        retries=values["health-retries"],
    )
