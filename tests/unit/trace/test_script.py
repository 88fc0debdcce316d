"""Scripts stay scripts, whatever the arguments of the steps hold; they are run in tests/e2e/test_as_shell.py."""

from __future__ import annotations

import subprocess

from minidock.trace.script import make_script
from minidock.trace.step import Step

NASTY = "x'; touch /tmp/pwned; echo '$(id)\nINSIDE\nINSIDE_\nrm -rf /"


def parsed(script: str) -> str:
    """What bash makes of it, without running it; fails if it makes nothing of it."""
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return script


def inside(op: str, **args: object) -> Step:
    return Step(op, args, "inside")


def plan(argv: list[str], env: list[str]) -> list[Step]:
    return [
        Step("cgroup.create", {"dirs": ["/sys/fs/cgroup/x/y z"]}),
        Step("ns.create", {"namespaces": ["mount", "pid"], "cgroup": None}),
        inside("mount.overlay", target="/b/rootfs", lower=["/l"], upper="/u", work="/w", options=[]),
        inside("root.pivot", root="/b/rootfs"),
        inside("mount.readonly", paths=["/proc/sys"]),
        inside("process.cwd", cwd="/"),
        inside("process.exec", argv=argv, env=env),
    ]


def test_arguments_cannot_break_out() -> None:
    script = parsed(make_script(f"minidock run {NASTY}", plan(["sh", "-c", NASTY], [f"A={NASTY}"])))
    assert "<<'INSIDE__'" in script
    words = script[script.index("program=(") : script.index("exec env -i")]
    shown = subprocess.run(
        ["bash", "-c", f'{words}\nprintf "%s" "${{program[2]}}"'], capture_output=True, text=True, check=True
    )
    assert shown.stdout == NASTY


def test_without_a_plan_there_is_one_part() -> None:
    script = parsed(make_script("minidock rm x", [Step("store.remove", {"path": "/a b"})]))
    assert "rm -rf '/a b'" in script
    assert "part 2" not in script


def test_what_is_made_is_taken_back_last_first() -> None:
    steps = [Step("store.folder", {"path": "/one"}), Step("ns.pin", {"path": "/two"}), *plan(["true"], [])]
    script = parsed(make_script("t", steps))
    cleanup = script[script.index("cleanup() {") : script.index("trap cleanup")]
    order = [
        cleanup.index(word) for word in ("rmdir '/sys/fs/cgroup/x/y z'", "umount /two", "rm -rf /one", 'rm -rf "$work"')
    ]
    assert order == sorted(order)


def test_long_words_get_names() -> None:
    key = "0123456789abcdef" * 4
    steps = [
        Step("ns.create", {"namespaces": ["mount"], "cgroup": None}),
        inside("mount.bind", source=f"/c/{key}/rootfs", target=f"/c/{key}/rootfs", options=["rbind"]),
        inside("mount.bind", source=f"/c/{key}/hosts", target="/etc/hosts", options=["bind"], root=f"/c/{key}/rootfs"),
        inside("root.pivot", root=f"/c/{key}/rootfs"),
        inside("process.exec", argv=["echo", f"it's {key}"], env=[]),
    ]
    script = parsed(make_script("t", steps))
    assert "mount --rbind $root $root" in script
    assert "mount --bind /c/$id/hosts $root/etc/hosts" in script
    assert f"program=(echo 'it'\"'\"'s {key}')" in script


def test_steps_after_the_pivot_are_done_before_it() -> None:
    script = make_script("t", plan(["true"], []))
    assert script.index("for path in $root/proc/sys") < script.index("mount --move . /")
