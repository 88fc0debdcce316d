"""Steps as text and as JSON."""

from __future__ import annotations

import io
import json

import pytest

from minidock.trace.ops import OPS
from minidock.trace.render import JsonRenderer, TextRenderer, explain, milliseconds, renderer
from minidock.trace.step import Step
from minidock.trace.words import short_args, wrap

STEP = Step(
    "mount.overlay",
    {"target": "/run/x", "lower": ["/a", "/b"], "upper": "/u", "work": "/w", "options": []},
    "inside",
    began=1_002_100_000,
    took=310_000,
)


def test_a_step_in_words() -> None:
    lines = explain(STEP, 2_100_000)
    assert lines[0].startswith("   +2.1 ms ┃ mount.overlay  target=/run/x lower=/a,/b upper=/u work=/w")
    assert lines[0].endswith(" 310 µs")
    text = "\n".join(lines)
    assert "one writable folder on top" in text
    assert "$ mount -t overlay" in text
    assert "see kernel filesystems/overlayfs" in text
    assert all(len(line) <= 100 for line in lines)


def test_a_failed_step_says_so() -> None:
    step = Step(
        "cgroup.limit", {"file": "/f", "value": "1"}, error="cgroup.limit: /f: No space left on device", errno=28
    )
    assert any("FAILED: cgroup.limit: /f: No space left" in line for line in explain(step, 0))


def test_a_step_that_was_not_carried_out_has_no_times() -> None:
    assert "ms" not in explain(STEP, None)[0]


@pytest.mark.parametrize("room", [10, 40, 80])
def test_arguments_keep_within_their_room(room: int) -> None:
    args = {"first": "x" * 200, "second": list(range(100)), "third": {"a": 1}, "none": None, "yes": True}
    assert len(short_args(args, room)) <= room


def test_words_are_wrapped() -> None:
    assert wrap("a bb ccc dddd", 6) == ["a bb", "ccc", "dddd"]


def test_milliseconds() -> None:
    assert [milliseconds(n) for n in (0, 12_000, 2_100_000, 1_500_000_000)] == ["0 µs", "12 µs", "2.1 ms", "1.50 s"]


def test_times_are_counted_from_the_first_step() -> None:
    out = io.StringIO()
    text = TextRenderer(out)
    for began in (5_000_000_000, 5_003_000_000):
        step = Step("store.remove", {"path": "/x"}, began=began, took=1000)
        text.began(step)
        text.ended(step)
    assert "+0 µs" in out.getvalue()
    assert "+3.0 ms" in out.getvalue()


def test_a_dry_run_prints_the_plan() -> None:
    dry, real = io.StringIO(), io.StringIO()
    TextRenderer(dry, dry=True).planned([STEP])
    TextRenderer(real).planned([STEP])
    assert "mount.overlay" in dry.getvalue()
    assert real.getvalue() == ""


def test_json_has_every_field() -> None:
    out = io.StringIO()
    listener = JsonRenderer(out)
    listener.planned([STEP])
    listener.ended(STEP)
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["state"], second["state"]) == ("planned", "done")
    assert set(first) == {
        *("op", "side", "state", "args", "began", "took", "error", "errno"),
        *("why", "man", "shell", "undo"),
    }
    assert second["args"] == STEP.args


def test_undo_is_told() -> None:
    out = io.StringIO()
    renderer("json", out=out).ended(Step("cgroup.create", {"dirs": ["/x"]}))
    assert json.loads(out.getvalue())["undo"] == {"op": "cgroup.delete", "args": {"dirs": ["/x"]}}


def test_every_operation_has_words() -> None:
    assert all(op.why.endswith(".") and op.man for op in OPS.values())
