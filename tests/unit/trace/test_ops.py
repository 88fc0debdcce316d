"""The table of operations: every entry says why, and its commands and undos can be made from its arguments."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from minidock.errors import InvalidArgument
from minidock.kernel.ports import PORTS
from minidock.trace.ops import OPS, describe, undo_of

#: One plausible set of arguments for each operation; a new operation needs a row here.
SAMPLES: dict[str, dict[str, Any]] = {
    "store.write": {"path": "/r/ingest/x"},
    "store.publish": {"source": "/r/a", "target": "/r/b"},
    "store.remove": {"path": "/r/x y"},
    "store.condemn": {"path": "/r/d"},
    "host.folder": {"path": "/data"},
    "store.folder": {"path": "/r/d"},
    "store.commit": {"what": "image"},
    "layer.apply": {"source": "/b", "target": "/t", "compression": "gzip", "whiteouts": "overlay"},
    "layer.make": {"upper": "/u", "target": "/t", "compression": "gzip", "whiteouts": "overlay"},
    "layer.copy": {"source": "/b", "target": "/t"},
    "registry.resolve": {"reference": "busybox"},
    "registry.fetch": {"digest": "sha256:…", "size": 3},
    "cgroup.create": {"dirs": ["/sys/fs/cgroup/a", "/sys/fs/cgroup/b"]},
    "cgroup.limit": {"file": "/sys/fs/cgroup/a/pids.max", "value": "3"},
    "cgroup.devices": {"dir": "/sys/fs/cgroup/devices/a", "mode": "v1", "rules": []},
    "cgroup.enter": {"files": ["/sys/fs/cgroup/a/tasks"]},
    "cgroup.kill": {"dirs": ["/sys/fs/cgroup/a"]},
    "cgroup.freeze": {"dirs": ["/sys/fs/cgroup/a"]},
    "cgroup.thaw": {"dirs": ["/sys/fs/cgroup/a"]},
    "cgroup.delete": {"dirs": ["/sys/fs/cgroup/a"]},
    "ns.create": {"namespaces": ["mount", "pid"], "cgroup": None},
    "ns.idmap": {"uids": [[0, 1000, 1]], "gids": [[0, 1000, 1]]},
    "ns.unshare": {"namespaces": ["cgroup"]},
    "ns.join": {"namespace": "network", "path": "/run/n"},
    "ns.pin": {"path": "/run/n"},
    "ns.unpin": {"path": "/run/n"},
    "ns.hold": {"uids": [[0, 1000, 1]], "gids": [[0, 1000, 1]], "ranges": False},
    "ns.release": {"pid": 42},
    "outward.connect": {"program": "slirp4netns"},
    "outward.publish": {"ports": [{"protocol": "tcp", "address": "0.0.0.0", "port": 8080}]},
    "outward.unpublish": {"ports": [{"protocol": "tcp", "address": "0.0.0.0", "port": 8080}]},
    "mount.propagation": {"target": "/", "mode": "rslave"},
    "mount.overlay": {"target": "/t", "lower": ["/b", "/a"], "upper": "/u", "work": "/w", "options": []},
    "mount.bind": {"source": "/s", "target": "/t", "options": ["rbind", "ro"], "root": "/r"},
    "mount.fs": {"type": "proc", "source": "proc", "root": "/r", "target": "/proc", "options": ["nosuid"]},
    "mount.mask": {"paths": ["/proc/kcore"]},
    "mount.readonly": {"paths": ["/proc/sys"]},
    "mount.unmount": {"target": "/t"},
    "root.pivot": {"root": "/r"},
    "root.readonly": {},
    "dev.create": {
        "root": "/r",
        "bind": False,
        "devices": [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "mode": 0o666, "uid": 0, "gid": 0}],
    },
    "dev.links": {"root": "/r", "links": {"/dev/fd": "/proc/self/fd"}},
    "dev.console": {"root": "/r"},
    "uts.hostname": {"name": "h"},
    "uts.domainname": {"name": "d"},
    "sysctl.set": {"name": "net.ipv4.ip_forward", "value": "1"},
    "process.session": {"terminal": False},
    "process.limits": {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]},
    "process.oom": {"score": 10},
    "process.user": {"uid": 0, "gid": 0, "groups": [], "umask": None},
    "process.capabilities": {
        "bounding": [],
        "effective": [],
        "inheritable": [],
        "permitted": [],
        "ambient": [],
    },
    "process.no_new_privs": {},
    "process.seccomp": {"profile": {"defaultAction": "SCMP_ACT_ERRNO"}},
    "process.cwd": {"cwd": "/"},
    "process.close_fds": {},
    "process.exec": {"argv": ["echo", "two words"], "env": []},
    "monitor.start": {"id": "x", "bundle": "/b"},
    "runtime.run": {"runtime": "runc", "bundle": "/b", "id": "x", "cgroups": ["/sys/fs/cgroup/a"]},
    "bundle.write": {"path": "/c", "files": ["config.json"]},
    "link.bridge": {"name": "md0", "mtu": 1500, "mac": None},
    "link.veth": {
        "name": "v",
        "bridge": "md0",
        "peer": "eth0",
        "netns": "/run/n",
        "mtu": 1500,
        "mac": "02:42:ac:11:00:02",
    },
    "link.address": {"name": "eth0", "address": "172.17.0.2/16", "netns": "/run/n"},
    "link.up": {"name": "lo", "netns": None},
    "link.route": {"destination": "default", "gateway": "172.17.0.1", "netns": "/run/n"},
    "link.delete": {"name": "v"},
    "nft.apply": {"table": "minidock-1f2e", "rules": "add table inet x", "undo": "delete table inet x"},
    "conntrack.forget": {"ports": [53], "address": "172.17.0.2"},
    "sysctl.link": {"name": "net.ipv4.conf.md0.route_localnet", "value": "1"},
    "sysctl.host": {"name": "net.ipv4.ip_forward", "value": "1"},
}


def test_every_operation_has_a_sample() -> None:
    assert set(SAMPLES) == set(OPS)


@pytest.mark.parametrize("op", sorted(OPS))
def test_an_entry_is_whole(op: str) -> None:
    entry = OPS[op]
    assert entry.why.endswith(".")
    assert entry.man
    command = entry.shell(SAMPLES[op])
    if command is not None:
        for line in command.splitlines():
            shlex.split(line, comments=True)  # it is at least balanced
    undo = undo_of(op, SAMPLES[op])
    if undo is not None:
        undo_op, undo_args = undo
        assert undo_op in OPS
        assert undo_of(undo_op, undo_args) is None, "an undo is final"


def test_each_marked_method_names_a_known_operation() -> None:
    for protocol in PORTS.values():
        for name, method in vars(protocol).items():
            if operation := getattr(method, "__op__", None):
                assert operation in OPS, f"{protocol.__name__}.{name}"


def test_an_unknown_operation_is_an_error() -> None:
    with pytest.raises(InvalidArgument, match="unknown operation"):
        describe("mount.everything")
