"""``--log-driver`` and ``--log-opt``: where the output is kept, and when it is rotated. Pure.

Output is rotated by default, 10 MB three times: a container that talks for a year must not fill the disk.
"""

from __future__ import annotations

import re

import msgspec

from minidock.api import LogSettings
from minidock.errors import InvalidArgument, Unsupported
from minidock.kernel.protocol import LogConfig

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kKmMgGtT]?)(?:i?[bB])?")
_FACTORS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}


def log_config(settings: LogSettings, path: str) -> LogConfig:
    """Return the monitor's part of the settings; the file would be at *path*.

    :raises InvalidArgument: an unknown option, or a value that cannot be parsed, in Docker's words.
    :raises Unsupported: a driver of Docker's that this engine does not have.
    """
    driver = settings.type or "json-file"
    if driver == "none":
        return LogConfig("none")
    if driver != "json-file":
        raise Unsupported(f"the log driver {driver} is not supported", "use json-file or none")
    config = LogConfig(driver, path)
    for name, value in settings.config.items():
        if name == "max-size":
            config = msgspec.structs.replace(config, max_size=_size(value))
        elif name == "max-file":
            config = msgspec.structs.replace(config, max_files=_count(value))
        else:
            raise InvalidArgument(f"unknown log opt '{name}' for json-file log driver")
    return config


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if not match or not float(match[1]):
        raise InvalidArgument(f"invalid size: '{text}'")
    return int(float(match[1]) * _FACTORS[match[2].lower()])


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise InvalidArgument(f"max-file cannot be less than 1: {text}")
    return int(text)
