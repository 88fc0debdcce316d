"""The embedded images, made from this very machine: each is whole, runs in its own root, and is the same each time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.imagelab import ImageLab
from tests.support.world import World

from minidock.errors import InvalidArgument, Unavailable
from minidock.images.bootstrap import choose
from minidock.images.bootstrap.busybox import VARIABLE, find_busybox
from minidock.images.bootstrap.recipe import RootFilesystem, Workshop
from minidock.images.bootstrap.tiny import tiny_program
from minidock.kernel.native.layers import NativeLayers

BUSYBOX = shutil.which("busybox")
needs_busybox = pytest.mark.skipif(BUSYBOX is None, reason="needs busybox-static: tests/packages.txt")
root = pytest.mark.root


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ImageLab]:
    lab = ImageLab(tmp_path)
    yield lab
    lab.store.close()


def tree(lab: ImageLab, image: str) -> Path:
    chain = lab.images.resolve(image).chain
    assert chain is not None
    return Path(lab.store.snapshots.layers_of(chain)[0])


def inside(lab: ImageLab, image: str, *words: str) -> str:
    """Run a program with the image's files as its root, and nothing else of the host's files."""
    done = subprocess.run(
        ["/usr/sbin/chroot", str(tree(lab, image)), *words],
        capture_output=True,
        text=True,
        env={"PATH": "/bin:/usr/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def labels(lab: ImageLab, image: str) -> dict[str, str]:
    config = lab.images.resolve(image).config.config
    assert config is not None
    return config.labels or {}


@root
@needs_busybox
def test_busybox(lab: ImageLab) -> None:
    assert lab.images.bootstrap("busybox") == "minidock.local/busybox:latest"
    applets = subprocess.run([str(BUSYBOX), "--list"], capture_output=True, text=True, check=True).stdout.split()
    assert set(os.listdir(tree(lab, "busybox") / "bin")) == {"busybox", *applets}
    assert inside(lab, "busybox", "/bin/sh", "-c", "id -un; echo hello | tr a-z A-Z") == "root\nHELLO\n"
    assert inside(lab, "busybox", "/usr/bin/env", "id", "-u", "nobody") == "65534\n"
    known = labels(lab, "busybox")
    assert known["org.opencontainers.image.licenses"] == "GPL-2.0-only"
    assert known["org.opencontainers.image.version"].startswith("v1.")


@root
@needs_busybox
def test_busybox_is_the_same_each_time(tmp_path: Path) -> None:
    seen = set()
    for twin in ("native", "pure"):
        lab = ImageLab(tmp_path / twin, twin)
        lab.images.bootstrap("busybox")
        row = lab.store.rows.images.all()[0]
        seen.add((row.id, row.manifest))
        lab.store.close()
    assert len(seen) == 1


@needs_busybox
def test_the_licence_stays_with_the_program(lab: ImageLab) -> None:
    licence = "usr/share/doc/busybox-static/copyright"
    if not os.path.exists(f"/{licence}"):
        pytest.skip("this machine's busybox is no Debian package")
    lab.images.bootstrap("busybox")
    assert lab.files("busybox")[licence] == Path("/", licence).read_bytes()


@needs_busybox
def test_a_busybox_of_the_users_choice(lab: ImageLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine"
    shutil.copy(str(BUSYBOX), mine)
    monkeypatch.setenv(VARIABLE, str(mine))
    monkeypatch.setenv("PATH", "/nonexistent")
    lab.images.bootstrap("busybox")
    assert lab.files("busybox")["bin/busybox"] == mine.read_bytes()
    for bad in ("/bin/ls", "/etc/passwd", str(tmp_path / "nosuch")):
        monkeypatch.setenv(VARIABLE, bad)
        with pytest.raises(InvalidArgument):
            lab.images.bootstrap("busybox")
    assert os.listdir(lab.store.layout.tmp) == []


def test_a_dynamic_busybox_is_passed_over(tmp_path: Path) -> None:
    shutil.copy("/bin/ls", tmp_path / "busybox")
    workshop = Workshop(str(tmp_path), NativeLayers(), {"PATH": str(tmp_path)}, 0)
    found = find_busybox(workshop)
    assert found is None or not found.program.startswith(str(tmp_path))


@root
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get")
def test_busybox_by_apt(lab: ImageLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has none, apt-get fetches it as an ordinary user, and leaves nothing behind."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("minidock.images.bootstrap.busybox._INITRAMFS", "/nonexistent")
    before = set(os.listdir("/tmp"))
    try:
        lab.images.bootstrap("busybox")
    except Unavailable as offline:
        pytest.skip(f"apt-get cannot fetch here: {offline}")
    finally:
        assert not {name for name in set(os.listdir("/tmp")) - before if name.startswith("minidock-apt-")}
    known = labels(lab, "busybox")
    assert known["minidock.package"].startswith("busybox-static_")
    assert known["minidock.package.digest"].startswith("sha256:")
    assert b"GPL" in lab.files("busybox")["usr/share/doc/busybox-static/copyright"]
    assert inside(lab, "busybox", "/bin/sh", "-c", "echo $((6 * 7))") == "42\n"


@root
def test_host(lab: ImageLab) -> None:
    assert lab.images.bootstrap("host") == "minidock.local/host:latest"
    names = set(inside(lab, "host", "/bin/sh", "-c", "ls /usr/bin /bin").split())
    assert {"sh", "ls", "cat", "ps"} <= names
    for tool in sorted(names & {"ls", "cat", "ip", "grep", "sed", "mount", "find", "awk"}):
        words = {"ip": ("-V",), "awk": ("BEGIN { }",)}.get(tool, ("--version",))
        inside(lab, "host", "/usr/bin/env", tool, *words)  # its loader finds every library, or it fails
    assert "Linux" in labels(lab, "host")["minidock.host"]


@root
def test_tiny(lab: ImageLab) -> None:
    lab.images.bootstrap("tiny")
    names = inside(lab, "tiny", "/bin/tiny", "--list").split()
    assert set(os.listdir(tree(lab, "tiny") / "bin")) == {"tiny", *names}
    assert inside(lab, "tiny", "/bin/echo", "-n", "hello", "world") == "hello world"
    assert inside(lab, "tiny", "/bin/cat", "/etc/group").startswith("root:x:0:\n")
    assert inside(lab, "tiny", "/bin/id").startswith("uid=0 gid=0 groups=")
    assert inside(lab, "tiny", "/bin/env", "A=1", "/bin/env") == "A=1\nPATH=/bin:/usr/bin\n"
    assert "l 0777     0     0          4 ls -> tiny\n" in inside(lab, "tiny", "/bin/ls", "-l", "/bin")


def failing(name: str) -> Callable[[Workshop], RootFilesystem]:
    def recipe(workshop: Workshop) -> RootFilesystem:
        raise Unavailable(f"no {name} here")

    return recipe


def test_auto_goes_on_to_the_next_and_says_why_if_none_works(lab: ImageLab, monkeypatch: pytest.MonkeyPatch) -> None:
    real = choose.find_recipe
    monkeypatch.setattr(choose, "find_recipe", lambda kind: real(kind) if kind == "tiny" else failing(kind))
    assert lab.images.bootstrap("auto") == "minidock.local/tiny:latest"
    monkeypatch.setattr(choose, "find_recipe", failing)
    with pytest.raises(Unavailable) as refused:
        lab.images.bootstrap("auto")
    assert [f"no {name} here" in refused.value.message for name in choose.AUTO] == [True, True, True]


def applet(*words: str, stdin: bytes = b"") -> tuple[int, bytes]:
    done = subprocess.run([tiny_program(), *words], input=stdin, capture_output=True)
    return done.returncode, done.stdout


def test_applets_of_tiny(tmp_path: Path) -> None:
    assert applet("true") == (0, b"")
    assert applet("false") == (1, b"")
    assert applet("echo", "a", "b") == (0, b"a b\n")
    assert applet("cat", stdin=b"\0\xff") == (0, b"\0\xff")
    assert applet("nosuch")[0] == 127
    assert applet("cat", str(tmp_path / "nosuch"))[0] == 1
    assert applet("sleep") == (2, b"")
    assert applet("sleep", "nan") == (1, b"")
    assert applet("env", "/nonexistent")[0] == 127
    assert applet("env", "/etc/passwd")[0] == 126
    assert applet("touch", str(tmp_path / "new")) == (0, b"")
    assert applet("ls", str(tmp_path)) == (0, b"new\n")
    assert applet("hostname") == (0, os.uname().nodename.encode() + b"\n")
    assert f"{os.getpid():>5} ".encode() in applet("ps")[1]
    assert applet("mount")[1] == Path("/proc/self/mounts").read_bytes()
    assert applet("kill", "-9", "-1")[0] == applet("kill", "0")[0] == 1  # never a group, never everyone
    assert applet("kill", "-NOSUCH", "1")[0] == 1


def test_kill_of_tiny() -> None:
    sleeper = subprocess.Popen([tiny_program(), "sleep", "60"])
    assert applet("kill", "-INT", str(sleeper.pid)) == (0, b"")
    assert sleeper.wait(10) == -2


def test_a_full_disk_is_no_panic() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([tiny_program(), "echo", "x"], stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr.startswith(b"echo: write error:")) == (1, True)


@root
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="needs mmdebstrap: tests/packages-large.txt")
def test_debian(lab: ImageLab) -> None:
    lab.images.bootstrap("debian")
    assert inside(lab, "debian", "/bin/bash", "-c", ". /etc/os-release; echo $ID") == "debian\n"
    assert json.dumps(lab.images.inspect("debian")).count("sha256:") >= 2
    assert labels(lab, "debian")["org.opencontainers.image.version"].startswith("12")


def test_debian_says_what_is_missing(lab: ImageLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable) as refused:
        lab.images.bootstrap("debian")
    assert "apt-get install mmdebstrap" in str(refused.value.hint)


@root
def test_every_embedded_image_runs(world: World) -> None:
    for kind in ("tiny", "host"):
        assert world.ok("image", "bootstrap", kind) == f"minidock.local/{kind}:latest\n"
    run = ("run", "--rm", "--network", "none")
    assert world.ok(*run, "busybox", "sh", "-c", "echo $((6 * 7))") == "42\n"
    assert world.ok(*run, "host", "sh", "-c", "echo $PPID") == "0\n"
    assert "sleep\n" in world.ok(*run, "tiny")
    assert world.ok(*run, "tiny", "ps").splitlines()[1:] == ["    1     0 ps"]
    done = world.cli("rmi", "nosuch", "tiny")
    assert (done.returncode, "No such image: nosuch:latest" in done.stderr) == (1, True)
    assert done.stdout.startswith("Untagged: minidock.local/tiny:latest\nDeleted: sha256:")


@root
def test_a_dry_bootstrap_ends_where_bytes_are_needed(world: World) -> None:
    before = sorted(Path(world.root).rglob("*"))
    done = world.cli("image", "bootstrap", "--dry-run", "tiny")
    assert (done.returncode, "layer.make" in done.stderr + done.stdout, "dry run: " in done.stderr) == (0, True, True)
    assert sorted(Path(world.root).rglob("*")) == before
