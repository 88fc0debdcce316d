"""A command that attaches containers in the network namespace it is started in: to be killed, or to be run many times.

``python -m tests.support.attach FOLDER TWIN PORT CONTAINER…``; PORT 0 publishes nothing. It prints the addresses.
"""

from __future__ import annotations

import sys

from tests.support.netengine import Here, Lab, request

from minidock._pure.links import PureLinks
from minidock.kernel.native.links import NativeLinks
from minidock.trace.journal import Journal
from minidock.trace.killer import killer_from_environment


def main(folder: str, twin: str, port: str, *containers: str) -> None:
    killer = killer_from_environment()
    links = NativeLinks() if twin == "native" else PureLinks()
    probe = Lab(Here(), folder, links)
    for container in containers:
        journal = Journal(f"{probe.layout.journals}/{container}.journal")
        lab = Lab(Here(), folder, links, journal, *([killer] if killer else []))
        publish: dict[str, tuple[tuple[str, str], ...]] = {"80/tcp": (("", port),)} if port != "0" else {}
        print(lab.start(container, request(publish=publish)).interfaces[0].address)


if __name__ == "__main__":
    main(*sys.argv[1:])
