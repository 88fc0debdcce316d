"""The ports: everything that touches the kernel or is hot, behind small Protocols.

Each Protocol (:mod:`minidock.kernel.ports`) has two real implementations with the same signatures, steps and errors:

*native*
    ``minidock._native``, the Rust extension, and the static ``minidock-runtime``: the default.
*pure*
    :mod:`minidock._pure`, readable Python: the one to read first.

``MINIDOCK_KERNEL=native|pure`` chooses (:mod:`minidock.kernel.choose`). A third form, :mod:`minidock.kernel.dry`, does
nothing at all: under ``--dry-run`` it stands in for both.
"""
