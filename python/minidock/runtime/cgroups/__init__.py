"""Which control groups this host has, and what a container's limits mean there.

Two ages of the kernel's interface are alive. On **v1** each controller has a tree of its own; on **v2** one tree has
them all. A *hybrid* host mounts v1 trees and an empty v2 tree beside them: for limits it is v1. The same limit has
another file, another unit and another rule in each::

    --memory 64m     v1  memory/…/memory.limit_in_bytes  67108864      v2  …/memory.max   67108864
    --cpus 1.5       v1  cpu/…/cpu.cfs_quota_us  150000                v2  …/cpu.max      150000 100000
    --cpu-shares 512 v1  cpu/…/cpu.shares  512                         v2  …/cpu.weight   20

=========  ===============================================================================
host       :func:`~minidock.runtime.cgroups.host.detect`: mounts and controllers, as found
v1, v2     pure: ``Resources`` → pairs of file and value
choose     pure: both joined to a :class:`~minidock.kernel.launch.CgroupPlan`
=========  ===============================================================================
"""
