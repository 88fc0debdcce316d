"""Probes can succeed and can fail: each failure is made on purpose, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from minidock.doctor import LESSONS, PROBES, examine, probe
from minidock.doctor.probe import BLOCKED, DEGRADED, OK, Probe, run_in_child
from minidock.doctor.report import as_json, as_text

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes what is missing in a namespace")


def under(setup: str, name: str, root: str = "") -> Probe:
    """Run one probe in a mount namespace in which *setup*, a piece of shell, has taken something away."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = f'{setup}\nexec "$@"'
    child = [sys.executable, "-m", "minidock.doctor.child", name, PROBES[name], root]
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", command, "sh", *child],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=Probe)


@pytest.mark.parametrize("name", PROBES)
def test_every_probe_answers(name: str) -> None:
    answer = probe(name)
    assert answer.name == name
    assert answer.state in (OK, DEGRADED, BLOCKED)
    assert answer.tried
    assert answer.works == (answer.state == OK)
    if not answer.works:
        assert answer.cause
        assert answer.reason.startswith(name)


def test_lessons_name_probes() -> None:
    assert {name for names in LESSONS.values() for name in names} <= set(PROBES)


@needs_root
def test_probes_leave_nothing() -> None:
    def host() -> tuple[str, list[str], list[str]]:
        groups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if "minidock-doctor" in path]
        return Path("/proc/self/mountinfo").read_text(), groups, sorted(os.listdir("/var/lib"))

    before = host()
    examine()
    assert host() == before


@needs_root
def test_no_user_namespaces() -> None:
    # the limit belongs to a user namespace, so it can be set in one of our own
    setup = (
        'exec unshare --user --map-root-user sh -c \'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"\' sh "$@"'
    )
    answer = under(setup, "user-namespace")
    assert answer.state != OK
    assert answer.cause == "user.max_user_namespaces=0"
    assert "sysctl -w user.max_user_namespaces=" in answer.fix
    assert answer.undo.endswith("user.max_user_namespaces=0")


@needs_root
def test_no_right_to_make_namespaces() -> None:
    answer = under('set -- setpriv --bounding-set -sys_admin "$@"', "namespaces")
    assert (answer.state, answer.errno) == (BLOCKED, 1)
    assert "SYS_ADMIN" in answer.fix


@needs_root
def test_nft_is_missing() -> None:
    answer = under(
        "for f in /usr/sbin/nft /sbin/nft /usr/bin/nft; do [ -e $f ] && mount --bind /dev/null $f || :; done", "nft"
    )
    assert (answer.state, answer.errno) == (DEGRADED, 2)
    assert "nftables" in answer.fix


@needs_root
def test_no_control_groups() -> None:
    answer = under("umount -R -l /sys/fs/cgroup; mount -t tmpfs none /sys/fs/cgroup", "cgroup")
    assert answer.state == DEGRADED
    assert "cgroup" in answer.fix


@needs_root
def test_an_overlay_on_an_overlay(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    setup = (
        f"mount -t tmpfs none {tmp_path}/work && mkdir {tmp_path}/work/u {tmp_path}/work/w &&"
        f" mount -t overlay none -o lowerdir={tmp_path}/lower,upperdir={tmp_path}/work/u,workdir={tmp_path}/work/w"
        f" {tmp_path}/merged"
    )
    answer = under(setup, "overlay", f"{tmp_path}/merged")
    assert answer.state == DEGRADED
    assert "overlay" in answer.cause


@needs_root
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    setup = f"mount -t tmpfs -o ro none {tmp_path}"
    answer = under(setup, "overlay", str(tmp_path))
    assert answer.state == DEGRADED
    assert "--root" in answer.fix


def test_a_probe_that_dies_is_an_answer() -> None:
    answer = run_in_child("none", "host:no_such_function", None)
    assert answer.state == BLOCKED
    assert "no_such_function" in answer.cause


PROBES_OF_A_REPORT = [
    Probe("good", OK, "Do it", "works"),
    Probe("poor", DEGRADED, "Try it", cause="no", errno=2, fix="mend", undo="unmend"),
    Probe("bad", BLOCKED, "Try that", cause="never"),
]


def test_text() -> None:
    text = as_text(PROBES_OF_A_REPORT, "4")
    assert "[ ok ] good  works" in text
    assert "[POOR] poor  no\n       tried  Try it (ENOENT)\n       fix    mend\n       undo   unmend" in text
    assert text.endswith("lesson 4: blocked by bad\n")
    assert as_text(PROBES_OF_A_REPORT[:2]).endswith("minidock: works, without poor\n")
    assert as_text(PROBES_OF_A_REPORT[:1]).endswith("minidock: everything works\n")


def test_json() -> None:
    found = json.loads(as_json(PROBES_OF_A_REPORT))
    assert [item["name"] for item in found] == ["good", "poor", "bad"]
    assert all(set(item) == set(Probe.__struct_fields__) for item in found)
