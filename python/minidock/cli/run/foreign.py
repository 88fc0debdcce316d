"""Flags of Docker's ``run`` that need something minidock does not have. Each is known, and says what to do instead."""

from __future__ import annotations

from minidock.cli.exits import BadRequest
from minidock.cli.flags import Flag, Kind, Values
from minidock.cli.kinds import BOOL, BYTES, INT, STRING, UINT
from minidock.cli.run.csv import split_fields
from minidock.cli.values.numbers import parse_int

_GPU_KEYS = ("driver", "count", "device", "capabilities", "options")


def parse_gpus(text: str) -> str:
    """Check one ``--gpus``, as Docker does."""
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        key, value = (key, value) if equals else ("count" if len(text.split(",")) == 1 else key, key)
        if equals and key not in _GPU_KEYS:
            raise ValueError(f"unexpected key '{key}' in '{field}'")
        if key == "count" and value != "all":
            try:
                parse_int(value)
            except ValueError as wrong:
                reason = str(wrong).rpartition(": ")[2]
                raise ValueError(
                    f'invalid count ({value}): value must be either "all" or an integer: {reason}'
                ) from None
    return text


FLAGS = (
    Flag("cpu-count", INT, "Number of CPUs (Windows only)"),
    Flag("cpu-percent", INT, "Percentage of all CPUs (Windows only)"),
    Flag("disable-content-trust", BOOL, "Do not ask a notary for signatures", True),
    Flag("gpus", Kind("gpu-request", parse_gpus, ""), "Devices of a GPU vendor's plugin (not supported)"),
    Flag("io-maxbandwidth", BYTES, "Largest bandwidth of the system drive (Windows only)"),
    Flag("io-maxiops", UINT, "Largest I/O rate of the system drive (Windows only)"),
    Flag("isolation", STRING, "Isolation technology: default"),
    Flag("use-api-socket", BOOL, "Give the container the engine's socket (not supported)"),
)

_WINDOWS = ("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops")
_INSTEAD = {
    "cpu-count": "use --cpus",
    "cpu-percent": "use --cpus or --cpu-quota",
    "io-maxbandwidth": "use --device-read-bps and --device-write-bps",
    "io-maxiops": "use --device-read-iops and --device-write-iops",
}


def refuse(values: Values) -> None:
    """Say what cannot be done.

    :raises BadRequest: one of these flags asks for something.
    """
    for name in _WINDOWS:
        if values[name]:
            raise BadRequest(f'"--{name}" is only supported by an engine running on windows', _INSTEAD[name])
    if values["isolation"] not in ("", "default"):
        raise BadRequest(
            f'invalid isolation "{values["isolation"]}" on linux', 'leave --isolation out: "default" is all there is'
        )
    if values["gpus"]:
        raise BadRequest(
            'could not select device driver "" with capabilities: [[gpu]]',
            "minidock has no GPU plugins: pass the device files with --device and the libraries with --volume",
        )
    if values["use-api-socket"]:
        raise BadRequest(
            "--use-api-socket: this engine runs in the command's own process and has no API socket",
            "mount the socket of another engine with --volume",
        )
    if not values["disable-content-trust"]:
        raise BadRequest(
            "--disable-content-trust=false: signatures of a notary cannot be checked",
            "name the image by its digest (IMAGE@sha256:...): then its contents cannot change",
        )
