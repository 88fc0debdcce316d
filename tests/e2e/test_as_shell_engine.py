"""The script of a real ``run`` makes what the run makes: both are run, and what they see inside is compared."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.support.world import World

pytestmark = pytest.mark.root

TELL = """
echo host $(hostname); echo $(id); echo folder $(pwd); echo share $(ls /share | head -3)
grep -E '^(Cap|Uid|Gid|Groups|NoNewPrivs)' /proc/self/status
for kind in mnt uts ipc net pid cgroup; do echo ns $kind $(readlink /proc/self/ns/$kind); done
echo limit $(ulimit -n) $(cat /proc/self/oom_score_adj)
cat /proc/self/cgroup | sed 's/^/cgroup /'
echo first $$; echo routes $(ip route | sort); echo links $(ip -o link | wc -l) $(ip -4 -o addr show dev eth0)
cat /proc/self/mounts | sed 's/^/mount /'
exit 6
"""
FLAGS = ("ro", "rw", "nosuid", "noexec", "nodev")

CASES = [
    ["--network", "none"],
    ["--network", "none", "--user", "7:8", "--hostname", "byhand", "--read-only", "--tmpfs", "/scratch:size=1m"],
    [
        "--network",
        "none",
        "-v",
        "/usr/share:/share:ro",
        "--memory",
        "64m",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "SYS_CHROOT",
    ],
    ["--network", "none", "--security-opt", "no-new-privileges", "--ulimit", "nofile=64:128", "--oom-score-adj", "50"],
    ["--network", "none", "--workdir", "/new/folder", "--group-add", "44", "--pids-limit", "50", "--privileged"],
    ["-p", "127.0.0.1:8080:80", "--dns", "192.0.2.53"],
    ["--network", "host", "--ipc", "host", "--pid", "host", "--uts", "host"],
]


def by_hand(world: World, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*world.argv()[:-1], "unshare", "--mount", "--propagation", "slave", "bash"],
        input=script,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": world.env["PATH"]},
        timeout=60,
        check=False,
    )


def seen(text: str) -> dict[str, set[str]]:
    """What was told, without the names that are new each time."""
    facts: dict[str, set[str]] = {"other": set(), "mounts": set(), "own namespaces": set()}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["mount"]:
            flags = ",".join(flag for flag in words[4].split(",") if flag in FLAGS)
            facts["mounts"].add(f"{words[2]} {words[3]} {flags}")
        elif words[:1] == ["ns"]:
            kind, inode = words[1:]
            if os.readlink(f"/proc/self/ns/{kind}") != inode:
                facts["own namespaces"].add(kind)
        elif words[:1] == ["host"] and len(words[1]) == 12:
            facts["other"].add("a host name of 12 digits")
        elif words[:1] == ["first"]:
            facts["other"].add(f"the first process: {words[1] == '1'}")
        else:
            facts["other"].add(line)
    return facts


@pytest.mark.parametrize("flags", CASES, ids=[" ".join(flags) for flags in CASES])
def test_both_see_the_same_inside(world: World, flags: list[str]) -> None:
    words = ["--rm", *flags, "busybox", "sh", "-c", TELL]
    script = world.ok("run", "--as-shell", *words)
    hand = by_hand(world, script)
    engine = world.cli("run", *words)
    assert engine.returncode == 6, engine.stderr
    assert hand.returncode == 6, hand.stderr
    ours, theirs = seen(hand.stdout), seen(engine.stdout)
    for name in ("other", "own namespaces", "mounts"):
        assert ours[name] == theirs[name], name
    assert len(theirs["mounts"]) > 10


def test_the_script_and_asking_for_it_leave_nothing(world: World) -> None:
    def files() -> list[str]:
        return sorted(str(path) for path in Path(world.root).rglob("*") if "minidock.db" not in path.name)

    before = files()
    script = world.ok("run", "--as-shell", "--rm", "--network", "none", "busybox", "true")
    assert files() == before
    assert by_hand(world, script).returncode == 0
    assert files() == before


def test_removing_by_hand(world: World) -> None:
    world.ok("run", "--network", "none", "--name", "gone", "busybox", "true")
    container = Path(world.root, "containers", world.ok("ps", "-aq", "--no-trunc").strip())
    assert container.is_dir()
    assert by_hand(world, world.ok("rm", "--as-shell", "gone")).returncode == 0
    assert not container.exists()
    world.ok("rm", "gone")  # the rows are the engine's
    assert world.ok("ps", "-aq") == ""
    assert "clean" in world.ok("system", "check")


def test_an_image_that_is_not_there_has_no_script(world: World) -> None:
    result = world.cli("run", "--as-shell", "--pull", "never", "nowhere.example/none", "true")
    assert result.returncode == 125
    assert result.stdout == ""
