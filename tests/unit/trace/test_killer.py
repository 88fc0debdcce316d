from __future__ import annotations

import pytest
from tests.support.stores import run_python

from minidock.errors import InvalidArgument
from minidock.trace.killer import VARIABLE, killer_from_environment

CODE = """
from minidock.trace.killer import killer_from_environment
from minidock.trace.recorder import Recorder
recorder = Recorder([killer_from_environment()])
for name in ("one", "two"):
    recorder.call("store.remove", {"path": name}, lambda: print(name, flush=True))
"""


@pytest.mark.parametrize(("at", "printed"), [(1, ""), (2, "one\n"), (3, "one\n"), (4, "one\ntwo\n")])
def test_it_kills_at_the_nth_notification(at: int, printed: str) -> None:
    result = run_python(CODE, env={VARIABLE: str(at)})
    assert (result.returncode, result.stdout) == (-9, printed)


def test_beyond_the_last_notification_all_goes_well() -> None:
    result = run_python(CODE, env={VARIABLE: "5"})
    assert (result.returncode, result.stdout) == (0, "one\ntwo\n")


def test_without_the_variable_there_is_no_killer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert killer_from_environment() is None


@pytest.mark.parametrize("value", ["", "0", "-1", "two", "1.5"])
def test_nonsense_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(InvalidArgument):
        killer_from_environment()
