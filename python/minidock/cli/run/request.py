"""Flags → one :class:`~minidock.api.CreateRequest`: the groups of this folder put together."""

from __future__ import annotations

import msgspec

from minidock.api import CreateRequest, HostConfig
from minidock.cli.flags import Flag, Values
from minidock.cli.run import devices, foreign, health, isolation, life, network, process, resources, volumes
from minidock.oci.reference import parse_reference

#: All flags of ``run`` that make the container.
FLAGS: tuple[Flag, ...] = (
    *process.FLAGS,
    *resources.FLAGS,
    *isolation.FLAGS,
    *devices.FLAGS,
    *volumes.FLAGS,
    *network.FLAGS,
    *health.FLAGS,
    *life.FLAGS,
    *foreign.FLAGS,
)


def create_request(values: Values) -> CreateRequest:
    """Return what the flags and words of ``run`` ask for.

    :raises BadRequest: they contradict each other, or ask for what is not there.
    :raises InvalidReference: the image's name makes no sense.
    """
    foreign.refuse(values)
    config = process.config(values)
    config = msgspec.structs.replace(config, healthcheck=health.healthcheck(values))
    host = resources.apply(values, HostConfig())
    host = isolation.apply(values, host)
    host = devices.apply(values, host)
    host = life.apply(values, host)
    config, host = volumes.apply(values, config, host)
    config, host = network.apply(values, config, host)
    parse_reference(config.image)
    return CreateRequest(
        config=config,
        host=host,
        name=values["name"],
        platform=life.platform(values),
        networks=network.endpoints(values),
    )
