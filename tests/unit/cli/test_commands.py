"""Commands ask the engine for the right thing, and report what it says."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.fake_engine import FakeEngine

from minidock.cli.main import main
from minidock.cli.session import Session
from minidock.errors import LaunchFailed, StepFailed, Unavailable

DETAILS: dict[str, dict[str, Any]] = {"web": {"Id": "1"}, "img": {"Id": "2"}}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine(container_details=DETAILS, image_details=DETAILS)
    monkeypatch.setattr(Session, "open_engine", lambda *args, **named: fake.open_engine(*args, **named))
    for name in ("DOCKER_HOST", "MINIDOCK_HOST", "DOCKER_DEFAULT_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    return fake


def test_ps_passes_its_choices(engine: FakeEngine) -> None:
    main(["ps", "-a", "-n", "3", "-s", "-f", "status=exited", "--filter", "Label=a=b", "-f", "label=c"])
    assert engine.containers.asked == [("list", True, {"status": ["exited"], "label": ["a=b", "c"]}, 3, True)]


def test_the_latest_is_one(engine: FakeEngine) -> None:
    main(["ps", "-l"])
    assert engine.containers.asked == [("list", False, {}, 1, False)]


def test_a_template_with_sizes_asks_for_them(engine: FakeEngine) -> None:
    main(["ps", "--format", "{{.Size}}"])
    assert engine.containers.asked == [("list", False, {}, 0, True)]


def test_rm_goes_on_after_an_error(engine: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["rm", "-fv", "gone", "busy", "web"]) == 1
    out, err = capfd.readouterr()
    assert out == "web\n"
    assert err.splitlines() == [
        "Error response from daemon: No such container: gone",
        'Error response from daemon: cannot remove container "/busy": container is running',
        "hint: stop it first",
    ]
    assert ("remove", "web", True, True) in engine.containers.asked


def test_rmi(engine: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["rmi", "--no-prune", "img", "gone"]) == 1
    out, err = capfd.readouterr()
    assert out == "Untagged: img:latest\nDeleted: sha256:1234\n"
    assert err == "Error response from daemon: No such image: gone\n"
    assert engine.images.asked[0] == ("remove", "img", False, False)


def test_pull(engine: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "x", "--platform", "linux/arm64"]) == 0
    assert capfd.readouterr().out.splitlines() == [
        "Using default tag: latest",
        "latest: Pulling from library/x",
        "0123456789ab: Pulling fs layer",
        "0123456789ab: Pull complete",
        "Status: done",
        "docker.io/library/x:latest",
    ]
    assert main(["pull", "-q", "x:1"]) == 0
    assert capfd.readouterr().out == "docker.io/library/x:1\n"


def test_tag(engine: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "img", "team/b:1"]) == 0
    assert engine.images.asked == [("tag", "img", "docker.io/team/b:1")]
    assert main(["tag", "img", "UP"]) == 1
    assert "not a valid repository/tag" in capfd.readouterr().err


def test_load_and_import(engine: FakeEngine, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(b"tar")
    assert main(["load", "-q", "-i", str(archive)]) == 0
    assert capfd.readouterr().out == "Loaded image: x:latest\nLoaded image ID: sha256:1234\n"
    assert main(["import", "-c", "CMD x", "-m", "hi", str(archive), "name"]) == 0
    assert engine.images.asked == [
        ("load", b"tar"),
        ("import", b"tar", "docker.io/library/name:latest", ["CMD x"], "hi"),
    ]
    assert main(["load", "-i", "/no/such"]) == 1
    assert "open /no/such: no such file" in capfd.readouterr().err


def test_load_from_standard_input(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"piped"), isatty=lambda: False))
    assert main(["load"]) == 0
    assert engine.images.asked == [("load", b"piped")]


def test_bootstrap(engine: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "bootstrap", "tiny"]) == 0
    assert capfd.readouterr().out == "minidock.local/tiny:latest\n"
    assert main(["image", "bootstrap", "windows"]) == 1


def test_run_returns_what_the_container_returns(engine: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--name", "c", "img", "ls", "-l"]) == 42
    _, request, options = engine.containers.asked[0]
    assert (request.name, request.config.cmd, options.pull) == ("c", ("ls", "-l"), "missing")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "WARNING: low on magic\n")


def test_detached_run_prints_the_id(engine: FakeEngine, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-d", "--cidfile", str(tmp_path / "id"), "img"]) == 0
    assert capfd.readouterr().out == "f00d\n"
    assert (tmp_path / "id").read_text() == "f00d"


def test_explain_and_dry_run_open_the_engine_so(engine: FakeEngine) -> None:
    main(["run", "img"])
    main(["run", "--explain", "img"])
    main(["--explain=json", "run", "img"])
    main(["--dry-run", "rm", "web"])
    main(["pull", "--dry-run", "x"])
    main(["ps"])
    assert engine.opened == [(0, False), (1, False), (1, False), (1, True), (1, True), (0, False)]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (LaunchFailed('exec: "x": executable file not found in $PATH', 127), 127, "executable file not found"),
        (LaunchFailed('exec: "x": permission denied', 126), 126, "permission denied"),
        (StepFailed("mount.overlay", 22, "/x"), 125, "mount.overlay: /x: Invalid argument"),
        (Unavailable("busy", "try again"), 125, "busy\nhint: try again"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_exit_statuses_of_run(
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    words: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(engine.containers, "run", fail)
    assert main(["run", "img"]) == status
    text = capfd.readouterr().err
    assert words in text
    if status != 130:
        assert text.startswith("minidock: Error response from daemon: ")
        assert text.endswith("Run 'minidock run --help' for more information\n")


def test_unknown_errors_are_not_hidden(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(engine.containers, "run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["run", "img"])


@pytest.mark.parametrize(
    "argv", [["-H", "tcp://x", "ps"], ["-c", "prod", "ps"], ["--tlsverify", "ps"], ["run", "--gpus", "all", "x"]]
)
def test_what_is_not_there_is_refused(
    argv: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert main(argv) in (1, 125)
    assert "hint: " in capfd.readouterr().err


def test_a_remote_host_in_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://prod")
    assert main(["rm", "-f", "db"]) == 1
    assert "DOCKER_HOST: ssh://prod" in capfd.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ["--cpu-count", "2"], ["--io-maxiops", "5"], ["--isolation", "hyperv"], ["--use-api-socket"],
        ["--disable-content-trust=false"], ["--device", "vendor.com/class=name"],
    ],
)  # fmt: skip
def test_flags_that_need_what_is_not_there(
    engine: FakeEngine, flags: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *flags, "img"]) == 125
    assert "hint: " in capfd.readouterr().err
    assert engine.containers.asked == []


def test_a_reader_that_leaves_ends_us_quietly(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(engine.images, "list", broken)
    assert main(["images"]) == 141


def test_every_command_has_help(capfd: pytest.CaptureFixture[str]) -> None:
    from minidock.cli.table import GROUPS, TOP

    paths = [[name] for name in TOP] + [[group, name] for group, (_, names) in GROUPS.items() for name in names]
    for path in paths:
        assert main([*path, "--help"]) == 0
        assert capfd.readouterr().out.startswith(f"Usage:  minidock {' '.join(path)}")
        assert main(["help", *path]) == 0
        capfd.readouterr()
