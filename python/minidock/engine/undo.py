"""What carries out each undo: the table that :mod:`minidock.containers.teardown` runs by."""

from __future__ import annotations

from collections.abc import Callable

from minidock.containers.teardown import Undoers
from minidock.kernel.ports import Kernel
from minidock.store.disk import Disk


def make_undoers(
    kernel: Callable[[], Kernel],
    disk: Disk,
    apply_rules: Callable[[str, str], None],
    remove_container: Callable[[str], None],
) -> Undoers:
    """Return op → action, on ports that record: an undo is a step too.

    :param kernel: returns the ports; they are not loaded before something must be undone.
    :param apply_rules: (table, rules) → one nftables transaction.
    :param remove_container: removes the container with this id, if it is there and does not run.
    """
    return {
        "cgroup.delete": lambda a: kernel().cgroups.delete(a["dirs"]),
        "ns.unpin": lambda a: kernel().mounts.unpin_network(a["path"]),
        "link.delete": lambda a: kernel().links.delete(a["name"]),
        "mount.unmount": lambda a: kernel().mounts.unmount(a["target"]),
        "store.remove": lambda a: disk.remove(a["path"]),
        "nft.apply": lambda a: apply_rules(a["table"], a["rules"]),
        "container.remove": lambda a: remove_container(a["id"]),
    }
