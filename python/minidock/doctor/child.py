"""``python -m minidock.doctor.child NAME MODULE:FUNCTION ROOT``: run one probe here, and print its answer."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module

import msgspec

from minidock.doctor.probe import OK, Finding, Probe


def main(name: str, where: str, root: str) -> None:
    """Run the probe; it returns a detail, or raises what is wrong."""
    module, _, function = where.partition(":")
    action = getattr(import_module(f"minidock.doctor.probes.{module}"), function)
    tried = (inspect.getdoc(action) or name).split("\n", 1)[0].rstrip(".")
    try:
        answer = Probe(name, OK, tried, detail=action(root) or "")
    except Finding as found:
        answer = Probe(name, found.state, tried, found.detail, found.errno, found.cause, found.fix, found.undo)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
