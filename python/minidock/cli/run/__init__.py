"""The flags of ``run`` (and later of ``create``): 105 of Docker's, in groups of one idea each.

Each file declares the flags of its group as data, reads their values, and says what they mean in the words of
:mod:`minidock.api`. :mod:`minidock.cli.run.request` puts the groups together into one
:class:`~minidock.api.CreateRequest`. Nothing here asks the engine or changes anything: a request is decided purely.

==============  ====================================================================================
process.py      user, working directory, environment, labels, entry point, terminal, what is attached
resources.py    memory, CPU, block I/O, pids, ulimits
isolation.py    namespaces, capabilities, security options, sysctls, the OCI runtime
devices.py      devices and their cgroup rules
volumes.py      ``-v``, ``--tmpfs``, storage;  mounts.py: ``--mount``
network.py      networks, addresses, DNS;  ports.py: ``-p`` and ``--expose``
health.py       health checks
life.py         name, pull, restart, log, removal
foreign.py      flags that need something minidock does not have: each says so, and what to do instead
==============  ====================================================================================

Where Docker's client checks a value, so do these, with its words; what Docker's engine checks is left to ours.
"""
