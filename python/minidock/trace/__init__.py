"""Every effect is a Step: what the engine does to the machine, in words, with a way back.

A *step* is one operation that changes the host or the new process: a mount, a namespace, a limit, a link, a layer
applied, a rename that publishes. It is an operation, not a system call. There are two kinds, of one type:

*called*
    A feature calls a port; the recorder that wraps the port (:mod:`minidock.trace.recorder`) records the call.
*planned*
    The launch plan is a pure list of steps; the monitor and the new process execute it and report each one back.

Features never build steps by hand, and never ask whether they are being explained. What a step means (``why``, ``man``,
``shell``, ``undo``) stands in one table, :mod:`minidock.trace.ops`::

      feature ──call──▶ recorder ──call──▶ port (native, pure or dry)
                           │
                           └─Step─▶ listeners: explain · journal · the crash tests' killer
"""
