"""From an OCI bundle to a running process, and back to nothing.

A container is described by an OCI ``config.json`` before it is started. The planner (port ``Launch``) turns it into a
list of steps; the *monitor*, one small process beside each container, carries it out::

      engine                     monitor                          the container's first process
        │  monitor.start            │
        ├──────── spawn ───────────▶│  (double fork, own session, subreaper)
        ├──────── request ─────────▶│  host steps: cgroup …
        │                           ├────── ns.create (clone3) ──────▶│  inside steps: mounts, pivot, limits …
        │◀─ step, step, step … ─────┤◀───────── reports ──────────────┤
        │◀─────── created ──────────┤                                 │  waits before process.exec
        │  (commits the state)      │                                 │
        ├────────── go ────────────▶├────────────────────────────────▶│  process.exec
        │◀─────── started ──────────┤
        │◀── stdout, stderr ────────┤◀──────── pipes or pty ──────────┤
        │◀─────── exited ───────────┤  teardown list, ``exit`` file   ✗

Both sides of a launch walk the *same* list: each does the steps of its own side, and waits where the next one is the
other's. If the control socket closes before ``go``, the monitor kills what it made, undoes its steps and leaves.
After ``go`` the monitor needs no engine: it keeps the log, answers on ``monitor.sock``, writes ``exit`` and tears down.

The order of a plan
===================

====== ======================= =====================================================================================
side   op                      from
====== ======================= =====================================================================================
host   cgroup.create           ``options.cgroup`` (absent: no cgroup); ``dirs`` in the order of ``options.cgroup.dirs``
host   cgroup.limit            one step per file of ``options.cgroup.limits``, in their order
host   cgroup.devices          if ``options.cgroup.devices`` is set: ``linux.resources.devices``
host   ns.create               namespaces of the spec without a path (v1: without ``cgroup``), sorted as in the kernel's
                               ``/proc/self/ns``; ``cgroup``: the folder to be born in, on v2, else null
host   ns.idmap                if a user namespace is made
inside cgroup.enter            v1: the ``tasks`` files (see the planner)
inside ns.unshare              v1: ``["cgroup"]``, if the spec asks for a cgroup namespace
inside ns.join                 each namespace with a path, in the order of the spec
inside process.session         always: setsid; without a terminal, pipes become 0, 1, 2
inside mount.propagation       ``/``, ``linux.rootfsPropagation`` or ``rslave``
inside mount.overlay / .bind   the root: ``options.overlay``, or ``root.path`` bound on itself (recursively)
inside mount.fs / mount.bind   each of ``mounts``, in order; targets are resolved inside the root (RESOLVE_IN_ROOT);
                               type ``cgroup``: what this host has, on v1 a tmpfs and one mount per hierarchy
inside dev.create, dev.links   default devices and ``linux.devices``, if a mount covers ``/dev``
inside dev.console             if ``process.terminal``: of its own devpts; becomes 0, 1, 2 and /dev/console
inside mount.fs                again, options ``remount, ro, …``: each tmpfs with ``ro``, when all below it is mounted
inside root.pivot
inside root.readonly           if ``root.readonly``
inside uts.hostname
inside uts.domainname
inside sysctl.set              sorted by name
inside mount.readonly          ``linux.readonlyPaths``, those that exist
inside mount.mask              ``linux.maskedPaths``, those that exist
inside process.oom, .limits
inside process.cwd             made if missing
inside process.no_new_privs    if asked for; then a filter needs no capability
inside process.seccomp         before ``process.user`` without no_new_privs, as the last step before exec with it
inside process.capabilities    bounding set first, with ``process.user`` in between (keepcaps)
inside process.user
inside process.close_fds
inside process.exec            after "go"
====== ======================= =====================================================================================

Every step is in :mod:`minidock.trace.ops`; what no step would carry out is an error of the planner.
"""
