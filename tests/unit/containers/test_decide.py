"""Merging, validation, devices, resources, namespaces, names and states."""

from __future__ import annotations

import pytest

from minidock.api import ContainerConfig, CreateRequest, DeviceMapping, HostConfig, RestartPolicy, Ulimit
from minidock.containers.devices import ALL_DEVICES, DEFAULT_RULES, devices_of, parse_rule
from minidock.containers.merge import command_line, merge_config, merge_env, process_env
from minidock.containers.names import check_name, made_up_name, new_id
from minidock.containers.namespaces import namespaces_of
from minidock.containers.resources import resources_of
from minidock.containers.state import MOVES, move
from minidock.containers.validate import check_request
from minidock.errors import Conflict, InvalidArgument, MinidockError
from minidock.oci.image import ExecutionConfig
from minidock.oci.runtime import Cpu, DeviceRule, Memory, Namespace, Pids

IMAGE = ExecutionConfig(
    user="app",
    env=("A=1", "PATH=/image"),
    entrypoint=("/entry",),
    cmd=("serve",),
    working_dir="/srv",
    labels={"a": "1"},
)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ContainerConfig(), ("/entry", "serve")),
        (ContainerConfig(cmd=("other",)), ("/entry", "other")),
        (ContainerConfig(entrypoint=("/mine",)), ("/mine",)),
        (ContainerConfig(entrypoint=("/mine",), cmd=("x",)), ("/mine", "x")),
        (ContainerConfig(entrypoint=("",), cmd=("x",)), ("x",)),
    ],
)
def test_the_command_line_is_dockers(request_: ContainerConfig, expected: tuple[str, ...]) -> None:
    assert command_line(merge_config(request_, IMAGE)) == expected


def test_the_request_wins_over_the_image() -> None:
    merged = merge_config(ContainerConfig(env=("A=2", "B=3", "PATH"), labels={"b": "2"}, user="0"), IMAGE)
    assert (merged.user, merged.working_dir, merged.labels) == ("0", "/srv", {"a": "1", "b": "2"})
    assert merged.env == ("A=2", "B=3")
    with pytest.raises(InvalidArgument, match="no command specified"):
        merge_config(ContainerConfig(), ExecutionConfig())
    with pytest.raises(InvalidArgument, match="no command specified"):
        merge_config(ContainerConfig(entrypoint=("",)), IMAGE)


def test_the_environment() -> None:
    env = process_env(ContainerConfig(tty=True, env=("X=1", "TERM=dumb")), "host", "/home/x")
    assert env[1:] == ("HOSTNAME=host", "TERM=dumb", "X=1", "HOME=/home/x")
    assert env[0].startswith("PATH=/usr/local/sbin:")
    assert merge_env(("A=1",), ("A=",), ("B",)) == ("A=",)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (HostConfig(memory=4096), "Minimum memory limit allowed is 6MB"),
        (
            HostConfig(memory=8 << 20, memory_swap=7 << 20),
            "Minimum memoryswap limit should be larger than memory limit",
        ),
        (HostConfig(memory_swap=7 << 20), "You should always set the Memory limit"),
        (HostConfig(nano_cpus=3_000_000_000), "range of CPUs is from 0.01 to 2.00"),
        (HostConfig(nano_cpus=1, cpu_quota=1000), "Conflicting options"),
        (HostConfig(cpu_period=10), "CPU cfs period"),
        (HostConfig(oom_score_adj=1001), "range for oom score adj"),
        (HostConfig(sysctls={"kernel.panic": "1"}), "sysctl 'kernel.panic' is not whitelisted"),
        (HostConfig(sysctls={"net.x": "1"}, network_mode="host"), "not allowed in host network namespace"),
        (HostConfig(auto_remove=True, restart_policy=RestartPolicy("always")), "can't create 'AutoRemove' container"),
        (HostConfig(cgroup_parent="/a/../.."), "invalid cgroup parent"),
        (HostConfig(cpuset_cpus="0-x"), "Invalid value 0-x for cpuset cpus"),
    ],
)
def test_requests_that_make_no_sense(host: HostConfig, words: str) -> None:
    with pytest.raises(MinidockError, match=words):
        check_request(CreateRequest(ContainerConfig(image="x"), host), cpus=2)


def test_a_plain_request_passes() -> None:
    check_request(CreateRequest(ContainerConfig(image="x", env=("A=", "B"))), cpus=2)
    for config in (
        ContainerConfig(),
        ContainerConfig(image="x", working_dir="rel"),
        ContainerConfig(image="x", env=("=",)),
    ):
        with pytest.raises(InvalidArgument):
            check_request(CreateRequest(config), cpus=2)


def test_devices() -> None:
    nodes, rules = devices_of(HostConfig(devices=(DeviceMapping("/dev/null", "/dev/mine", "r"),)))
    assert [(n.path, n.type, n.major, n.minor) for n in nodes] == [("/dev/mine", "c", 1, 3)]
    assert rules == (*DEFAULT_RULES, DeviceRule(True, "c", 1, 3, "r"))
    nodes, rules = devices_of(HostConfig(privileged=True))
    assert rules == ALL_DEVICES
    assert not any(node.path.startswith(("/dev/pts/", "/dev/shm/")) for node in nodes)
    assert parse_rule("c 13:* rwm") == DeviceRule(True, "c", 13, None)
    for bad in ("", "c 13:*", "x 1:1 r", "c 1:1 q"):
        with pytest.raises(InvalidArgument):
            parse_rule(bad)
    for path in ("/etc/passwd", "/dev/missing"):
        with pytest.raises(InvalidArgument):
            devices_of(HostConfig(devices=(DeviceMapping(path, "/dev/x"),)))


def test_resources() -> None:
    host = HostConfig(memory=64 << 20, nano_cpus=1_500_000_000, pids_limit=5, ulimits=(Ulimit("nofile", 1, 2),))
    resources = resources_of(host, DEFAULT_RULES, lambda path: (8, 0))
    assert resources.memory == Memory(limit=64 << 20, swap=128 << 20)
    assert resources.cpu == Cpu(quota=150_000, period=100_000)
    assert resources.pids == Pids(5)
    assert resources_of(HostConfig(pids_limit=-1), (), lambda path: (8, 0)).pids == Pids(-1)
    assert resources_of(HostConfig(), (), lambda path: (8, 0)).memory is None


def test_namespaces() -> None:
    def find(name: str, kind: str) -> str:
        return f"/proc/{name}/ns/{kind}"

    kinds = [n.type for n in namespaces_of(HostConfig(), "/run/n", find)]
    assert kinds == ["mount", "network", "uts", "pid", "ipc", "cgroup"]
    shared = HostConfig(pid_mode="host", ipc_mode="container:c", uts_mode="host", cgroupns_mode="host")
    assert namespaces_of(shared, None, find) == (Namespace("mount"), Namespace("ipc", "/proc/c/ns/ipc"))
    for bad in (HostConfig(pid_mode="x"), HostConfig(ipc_mode="container:"), HostConfig(userns_mode="private")):
        with pytest.raises(MinidockError):
            namespaces_of(bad, None, find)


def test_names_and_ids() -> None:
    assert len(new_id()) == 64
    check_name(made_up_name())
    check_name(made_up_name(2))
    for bad in ("", "a", "-ab", "a/b", "../x", "a b", "ab\n"):
        with pytest.raises(InvalidArgument):
            check_name(bad)


def test_every_move_leads_to_a_known_state_and_others_are_refused() -> None:
    states = {state for state, _ in MOVES} | set(MOVES.values())
    assert move("created", "start") == "running"
    for state in states:
        if (state, "pause") not in MOVES:
            with pytest.raises(Conflict, match=f"{state} cannot pause"):
                move(state, "pause")
