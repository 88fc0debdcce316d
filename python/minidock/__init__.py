"""minidock: a small, real container engine that people can read, and that explains every step it takes.

The folders of this package are layers; imports point down only (``tests/test_architecture.py``)::

    cli           argv -> request -> api -> text
    engine        wires all parts; ``engine/run.py`` is ``minidock run`` on one page
    images  networks  containers      the features
    registry      the OCI distribution protocol, client side
    api           what an engine can do, as Protocols
    runtime       OCI bundles, the monitor's client, cgroup choice
    store         blobs, snapshots, metadata, leases, garbage collection
    trace         steps: what is done to the machine, why, and how to undo it
    kernel        the ports: everything that touches the kernel or is hot, twice: in Rust and in Python
    oci  errors   frozen values and one error tree
"""

__version__ = "0.1.0"
