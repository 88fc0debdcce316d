"""The planner: both twins give the same bytes for the same bundle, and refuse the same ones in the same words."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidock import _native
from minidock._pure.plan import plan as pure_plan
from minidock.errors import InvalidArgument, MinidockError, Unsupported
from minidock.kernel.launch import CgroupPlan, LaunchOptions, OverlayRoot
from minidock.oci.capability import NAMES
from minidock.oci.runtime import (
    Capabilities,
    Device,
    DeviceRule,
    IdMap,
    Linux,
    Memory,
    Mount,
    Namespace,
    Process,
    Resources,
    Rlimit,
    Root,
    RuntimeSpec,
    Seccomp,
    SeccompArg,
    SyscallRule,
    User,
)

Planner = Callable[[bytes, bytes], bytes]

ALL_NAMESPACES = tuple(Namespace(kind) for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup"))
V1 = CgroupPlan("v1", ("/sys/fs/cgroup/memory/m", "/sys/fs/cgroup/devices/m"), devices="/sys/fs/cgroup/devices/m")
V2 = CgroupPlan("v2", ("/sys/fs/cgroup/m",), (("/sys/fs/cgroup/m/pids.max", "7"),), "/sys/fs/cgroup/m")


@pytest.fixture(params=["native", "pure"])
def planner(request: pytest.FixtureRequest) -> Planner:
    return pure_plan if request.param == "pure" else _native.plan


def outcome(planner: Planner, spec: bytes, options: bytes) -> bytes | tuple[type, str]:
    try:
        return planner(spec, options)
    except MinidockError as error:
        return type(error), error.message


def steps(planner: Planner, spec: RuntimeSpec | bytes, options: LaunchOptions | None = None) -> list[dict[str, Any]]:
    data = spec if isinstance(spec, bytes) else msgspec.json.encode(spec)
    found: list[dict[str, Any]] = json.loads(planner(data, msgspec.json.encode(options or LaunchOptions("/bundle"))))
    return found


def small(**linux: Any) -> RuntimeSpec:
    """The smallest specification that starts, with these fields of ``linux``."""
    return RuntimeSpec(
        process=Process(args=("sh",)), root=Root(), linux=Linux(**{"namespaces": ALL_NAMESPACES, **linux})
    )


def changed(**fields: Any) -> bytes:
    """The smallest specification as JSON, with fields at dotted paths (``__`` for the dot) changed."""
    raw = json.loads(msgspec.json.encode(small()))
    for path, value in fields.items():
        *folders, last = path.split("__")
        place = raw
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return json.dumps(raw).encode()


# --- the same bytes ---

texts = st.text(max_size=8)
paths = st.one_of(
    st.sampled_from(["/", "/proc", "/proc/cpuinfo", "/sys", "/sys/fs/cgroup", "/dev", "/dev/x", "/a/../b//c", "rel"]),
    texts,
)
numbers = st.one_of(st.integers(-2, 9), st.sampled_from([0o666, 2**31, 2**32 - 2, 2**32 - 1, 2**32, 2**40]))
u64 = st.one_of(st.integers(0, 5), st.sampled_from([2**32, 2**63, 2**64 - 1]))


def lists(of: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


def maybe(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | of


options_of_mounts = st.sampled_from(
    [
        "ro",
        "rw",
        "nosuid",
        "rbind",
        "bind",
        "rslave",
        "rro",
        "mode=755",
        "size=1k",
        "sync",
        "gid=5",
        "what",
        "",
        "remount",
    ]
)
mounts = st.builds(
    Mount,
    destination=paths,
    type=st.sampled_from(
        ["proc", "tmpfs", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "bind", "none", "ext4", ""]
    ),
    source=st.sampled_from(["", "/x", "rel", "/proc", "/sys/x"]),
    options=lists(options_of_mounts),
)
capability_sets = lists(st.sampled_from([*NAMES[:5], "CAP_SYS_ADMIN", "CAP_SYS_ADMIN", "CAP_NONE"]), 2)
id_maps = lists(st.builds(IdMap, container_id=numbers, host_id=numbers, size=numbers), 2)
filters = st.builds(
    Seccomp,
    default_action=st.sampled_from(["SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY", "ALLOW"]),
    default_errno_ret=maybe(numbers),
    architectures=maybe(lists(st.sampled_from(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_MIPS"]))),
    flags=maybe(lists(st.sampled_from(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_NEW_LISTENER"]), 1)),
    syscalls=maybe(
        lists(
            st.builds(
                SyscallRule,
                names=lists(texts),
                action=st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_KILL_PROCESS"]),
                errno_ret=maybe(numbers),
                args=maybe(
                    lists(
                        st.builds(
                            SeccompArg,
                            index=st.integers(-1, 6),
                            value=u64,
                            op=st.sampled_from(["SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ", "=="]),
                            value_two=u64,
                        ),
                        2,
                    )
                ),
            )
        )
    ),
)
linux_parts = st.builds(
    Linux,
    namespaces=st.one_of(
        st.just(ALL_NAMESPACES),
        st.just((*ALL_NAMESPACES, Namespace("user"))),
        lists(
            st.builds(
                Namespace,
                type=st.sampled_from(["mount", "pid", "uts", "network", "user", "time", ""]),
                path=st.sampled_from(["", "/proc/1/ns/net", "rel"]),
            )
        ),
    ),
    uid_mappings=maybe(id_maps),
    gid_mappings=maybe(id_maps),
    devices=maybe(
        lists(
            st.builds(
                Device,
                path=st.sampled_from(["/dev/null", "/dev/fuse", "/dev/../x", "fuse"]),
                type=st.sampled_from(["c", "b", "u", "p", "x"]),
                major=numbers,
                minor=numbers,
                file_mode=maybe(numbers),
                uid=maybe(numbers),
                gid=maybe(numbers),
            ),
            2,
        )
    ),
    resources=maybe(
        st.builds(
            Resources,
            devices=maybe(
                lists(
                    st.builds(
                        DeviceRule,
                        allow=st.booleans(),
                        type=st.sampled_from(["a", "b", "c", "u"]),
                        major=maybe(numbers),
                        minor=maybe(numbers),
                        access=st.sampled_from(["rwm", "r", "", "x"]),
                    )
                )
            ),
            memory=maybe(st.builds(Memory, limit=maybe(numbers))),
        )
    ),
    seccomp=maybe(filters),
    sysctl=maybe(
        st.dictionaries(
            st.sampled_from(
                ["net.ipv4.ip_forward", "kernel.sem", "kernel.hostname", "vm.swappiness", "net/x", "Ünet."]
            ),
            texts,
            max_size=3,
        )
    ),
    masked_paths=maybe(lists(paths)),
    readonly_paths=maybe(lists(paths)),
    rootfs_propagation=st.sampled_from(["", "", "rprivate", "slave", "shared"]),
)
specs = st.builds(
    RuntimeSpec,
    process=maybe(
        st.builds(
            Process,
            args=st.one_of(st.just(("sh",)), lists(texts)),
            cwd=st.sampled_from(["/", "/a/./b", "rel"]),
            terminal=st.booleans(),
            user=st.builds(
                User, uid=numbers, gid=st.just(0), umask=maybe(numbers), additional_gids=maybe(lists(numbers))
            ),
            env=st.one_of(st.just(("A=b",)), lists(texts)),
            capabilities=maybe(st.builds(Capabilities, bounding=capability_sets, ambient=capability_sets)),
            rlimits=maybe(
                lists(
                    st.builds(
                        Rlimit, type=st.sampled_from(["RLIMIT_NOFILE", "RLIMIT_CORE", "NOFILE"]), soft=u64, hard=u64
                    )
                )
            ),
            no_new_privileges=st.booleans(),
            oom_score_adj=maybe(st.integers(-1001, 1001)),
            apparmor_profile=st.sampled_from(["", "", "unconfined", "docker-default"]),
        )
    ),
    root=maybe(st.builds(Root, path=st.sampled_from(["rootfs", "/abs", "."]), readonly=st.booleans())),
    hostname=st.sampled_from(["", "box", "bøx\u2028"]),
    mounts=lists(mounts),
    linux=maybe(linux_parts),
)
launch_options = st.builds(
    LaunchOptions,
    bundle=st.sampled_from(["/bundle", "/bundle", "rel"]),
    overlay=maybe(st.just(OverlayRoot(("/l2", "/l1"), "/u", "/w", ("userxattr",)))),
    cgroup=st.sampled_from([None, V1, V2, CgroupPlan("v3", ()), CgroupPlan("v1", ("/elsewhere",))]),
    bind_devices=st.booleans(),
    capabilities=maybe(st.just(NAMES[:3])),
)


@settings(max_examples=1500, deadline=None)
@given(specs, launch_options)
def test_both_twins_agree(spec: RuntimeSpec, options: LaunchOptions) -> None:
    data, rest = msgspec.json.encode(spec), msgspec.json.encode(options)
    assert outcome(pure_plan, data, rest) == outcome(_native.plan, data, rest)


#: One part of a specification that starts, made strange: so the strange part is what decides.
parts = {
    "mounts": lists(mounts).map(lambda found: msgspec.structs.replace(small(), mounts=found)),
    "seccomp": filters.map(lambda found: small(seccomp=found)),
    "linux": linux_parts.map(lambda found: msgspec.structs.replace(small(), linux=found)),
}


@settings(max_examples=1500, deadline=None)
@given(st.one_of(*parts.values()), launch_options)
def test_both_twins_agree_on_one_strange_part(spec: RuntimeSpec, options: LaunchOptions) -> None:
    data, rest = msgspec.json.encode(spec), msgspec.json.encode(options)
    assert outcome(pure_plan, data, rest) == outcome(_native.plan, data, rest)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40) | st.recursive(st.none() | st.integers() | texts, lambda of: st.dictionaries(
    st.sampled_from(["process", "root", "mounts", "linux", "hooks", "args", "namespaces"]), of | st.lists(of)
)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_both_twins_refuse_what_is_no_specification(data: bytes) -> None:
    found = [outcome(twin, data, b'{"bundle":"/bundle"}') for twin in (pure_plan, _native.plan)]
    assert isinstance(found[0], tuple)
    assert isinstance(found[1], tuple)
    assert found[0][0] is found[1][0]  # the words are those of two JSON parsers


@pytest.mark.parametrize("options", [LaunchOptions("/b", cgroup=V1), LaunchOptions("/b", cgroup=V2)], ids=["v1", "v2"])
@pytest.mark.parametrize("flags", [[], ["--rootless"]], ids=["root", "rootless"])
def test_the_specification_of_runc(tmp_path: Path, flags: list[str], options: LaunchOptions) -> None:
    subprocess.run(["runc", "spec", *flags], cwd=tmp_path, check=True)
    spec = (tmp_path / "config.json").read_bytes()
    both = [outcome(twin, spec, msgspec.json.encode(options)) for twin in (pure_plan, _native.plan)]
    assert both[0] == both[1]
    assert isinstance(both[0], bytes), both[0]


# --- what is in a plan ---


def test_rights_are_given_up_last(planner: Planner) -> None:
    profile = Seccomp("SCMP_ACT_ALLOW")
    spec = small(seccomp=profile)
    ops = [step["op"] for step in steps(planner, spec)]
    assert ops[-5:] == [
        "process.seccomp", "process.capabilities", "process.user", "process.close_fds", "process.exec"
    ]  # fmt: skip
    hard = msgspec.structs.replace(spec, process=Process(args=("sh",), no_new_privileges=True))
    ops = [step["op"] for step in steps(planner, hard)]
    assert ops[-6:] == [
        "process.no_new_privs", "process.capabilities", "process.user", "process.close_fds", "process.seccomp",
        "process.exec",
    ]  # fmt: skip


def test_a_cgroup_namespace_is_made_after_the_group_is_joined_on_v1(planner: Planner) -> None:
    v1 = steps(planner, small(), LaunchOptions("/b", cgroup=V1))
    assert [s["op"] for s in v1[:4]] == ["cgroup.create", "ns.create", "cgroup.enter", "ns.unshare"]
    assert v1[1]["args"] == {"namespaces": ["ipc", "mount", "network", "pid", "uts"], "cgroup": None}
    v2 = steps(planner, small(), LaunchOptions("/b", cgroup=V2))
    assert v2[2]["args"] == {"namespaces": ["cgroup", "ipc", "mount", "network", "pid", "uts"], "cgroup": V2.dirs[0]}


def test_capabilities_of_the_host_are_the_most(planner: Planner) -> None:
    sets = Capabilities(bounding=("CAP_CHOWN", "CAP_SYS_RESOURCE"), effective=("CAP_SYS_RESOURCE",))
    spec = msgspec.structs.replace(small(), process=Process(args=("sh",), capabilities=sets))
    found = steps(planner, spec, LaunchOptions("/b", capabilities=("CAP_CHOWN", "CAP_KILL")))
    args = next(s["args"] for s in found if s["op"] == "process.capabilities")
    assert args == {"bounding": ["CAP_CHOWN"], "effective": [], "inheritable": [], "permitted": [], "ambient": []}


def test_a_read_only_tmpfs_stays_writable_until_all_below_it_is_mounted(planner: Planner) -> None:
    spec = msgspec.structs.replace(
        small(),
        mounts=(Mount("/t", "tmpfs", "tmpfs", ("ro", "nosuid", "size=1k")), Mount("/t/b", "bind", "/x", ("rbind",))),
    )
    found = [s["args"]["options"] for s in steps(planner, spec) if s["op"] in ("mount.fs", "mount.bind")]
    assert found == [["rbind"], ["nosuid", "size=1k"], ["rbind"], ["remount", "ro", "nosuid"]]


def test_the_default_devices_survive_deny_all(planner: Planner) -> None:
    resources = Resources(devices=(DeviceRule(False),))
    found = steps(planner, small(resources=resources), LaunchOptions("/b", cgroup=V1))
    rules = next(s["args"]["rules"] for s in found if s["op"] == "cgroup.devices")
    assert rules[0] == {"allow": False, "type": "a", "major": None, "minor": None, "access": "rwm"}
    assert {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"} in rules
    everything = Resources(devices=(DeviceRule(True),))
    found = steps(planner, small(resources=everything), LaunchOptions("/b", cgroup=V1))
    assert len(next(s["args"]["rules"] for s in found if s["op"] == "cgroup.devices")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"hooks": {"prestart": [{"path": "/bin/true"}]}},
        {"linux__intelRdt": {"closID": "x"}},
        {"linux__resources__unified": {"memory.high": "1"}},
        {"linux__timeOffsets": {"monotonic": {"secs": 1}}},
        {"linux__personality": {"domain": "LINUX32"}},
        {"linux__netDevices": {"eth0": {}}, "linux__memoryPolicy": {"mode": "MPOL_BIND"}},
        {"process__scheduler": {"policy": "SCHED_IDLE"}},
        {"process__ioPriority": {"class": "IOPRIO_CLASS_IDLE"}},
        {"process__apparmorProfile": "docker-default"},
        {"process__selinuxLabel": "system_u:system_r"},
        {"linux__rootfsPropagation": "shared"},
        {"mounts": [{"destination": "/x", "source": "/y", "options": ["bind"], "uidMappings": [{"size": 1}]}]},
        {"linux__namespaces": [{"type": "mount"}, {"type": "time"}]},
        {"linux__namespaces": [{"type": "pid"}]},
        {"linux__namespaces": [{"type": "mount", "path": "/proc/1/ns/mnt"}]},
        {"linux__resources__memory": {"limit": 1 << 20}},
        {"linux__seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x"}},
        {"linux__devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_no_step_carries_out_is_unsupported(planner: Planner, fields: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match=r"^config\.json: "):
        steps(planner, changed(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"process__user": {"uid": 2**32 - 1}},
        {"process__user": {"uid": -1}},
        {"process__args": []},
        {"process__args": ["a\0b"]},
        {"process__env": ["NOVALUE"]},
        {"process__cwd": "relative"},
        {"process__rlimits": [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]},
        {"process__capabilities": {"bounding": ["CAP_NONE"]}},
        {"mounts": [{"destination": "/x", "type": "ext4"}]},
        {"mounts": [{"destination": "/x", "type": "tmpfs", "options": ["frob=1"]}]},
        {"mounts": [{"destination": "/x", "type": "bind", "source": "/y", "options": ["mode=755"]}]},
        {"mounts": [{"destination": "/x", "type": "bind"}]},
        {"mounts": [{"destination": "/", "type": "tmpfs"}]},
        {"mounts": [{"destination": "/proc", "type": "tmpfs"}]},
        {"mounts": [{"destination": "/a/../proc/self", "type": "bind", "source": "/y"}]},
        {"mounts": [{"destination": "/elsewhere", "type": "proc"}]},
        {"mounts": [{"destination": "/sys/kernel", "type": "tmpfs"}]},
        {"mounts": [{"destination": "/sys", "type": "bind", "source": "/y"}]},
        {"linux__sysctl": {"kernel.core_pattern": "|/x"}},
        {"linux__sysctl": {"net/../kernel/core_pattern": "|/x"}},
        {"linux__namespaces": [{"type": "mount"}, {"type": "mount"}]},
        {"linux__namespaces": [{"type": "mount"}, {"type": "user"}]},
        {"linux__namespaces": [{"type": "mount"}], "hostname": "x"},
        {"linux__seccomp": {"defaultAction": "ALLOW"}},
        {"root": None},
        {"process": None},
    ],
    ids=lambda fields: "-".join(map(str, next(iter(fields.items()))))[:60],
)
def test_what_makes_no_sense_is_an_invalid_argument(planner: Planner, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"^config\.json: "):
        steps(planner, changed(**fields))


def test_an_empty_value_asks_for_nothing(planner: Planner) -> None:
    empty = changed(
        hooks={}, linux__intelRdt=None, linux__resources__unified={}, linux__resources__pids={"limit": -1},
        process__apparmorProfile="unconfined",
    )  # fmt: skip
    assert steps(planner, empty) == steps(planner, changed())


def test_what_is_unknown_is_ignored_as_the_specification_asks(planner: Planner) -> None:
    assert steps(planner, changed(future={"x": 1})) == steps(planner, changed())
