"""Tables, templates and JSON have Docker's bytes: both command lines show the same engine; their texts are compared."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import pytest
from tests.support.docker_cli import Docker
from tests.support.fake_engine import FakeEngine

from minidock.cli.main import main
from minidock.cli.session import Session

NOW = time.time()


def ago(**parts: int) -> int:
    """A time in the middle of an interval that is named alike: how long a test takes makes no difference."""
    seconds = {"hours": 3600, "days": 86400, "weeks": 604800, "years": 31_622_400}
    return int(NOW - sum(seconds[name] * number for name, number in parts.items()) - 600)


def container(key: str, name: str, **more: Any) -> dict[str, Any]:
    usual = {
        "Id": key * 32,
        "Names": [f"/{name}"],
        "Image": "busybox",
        "ImageID": "sha256:" + "ab" * 32,
        "Command": "sh",
        "Created": ago(hours=3),
        "Ports": [],
        "Labels": {},
        "State": "running",
        "Status": "Up 3 minutes",
        "HostConfig": {"NetworkMode": "bridge"},
        "NetworkMode": "bridge",
        "NetworkSettings": {"Networks": {"bridge": {}}},
        "Mounts": [],
    }
    return usual | more


def port(private: int, public: int | None = None, ip: str | None = None, type: str = "tcp") -> dict[str, Any]:
    found: dict[str, Any] = {"PrivatePort": private, "Type": type}
    return found | ({"PublicPort": public} if public else {}) | ({"IP": ip} if ip else {})


CONTAINERS = [
    container("a1", "web", Command="nginx -g 'daemon off;' and more", Ports=[port(80, 8080, "0.0.0.0"), port(443)]),
    container(
        "b2",
        "a_much_longer_name_than_usual",
        Image="registry.example:5000/team/app:1.2.3",
        Created=ago(hours=30),
        Status="Exited (0) 29 hours ago",
        State="exited",
        Labels={"com.example.role": "db"},
        SizeRw=1234567,
        SizeRootFs=98765432,
    ),
    container("c3", "x", Image="sha256:" + "ab" * 32, Created=ago(days=20), Command='say "hi" \u00e9\ttab'),
    container(
        "d4",
        "many",
        Names=["/many", "/other/alias"],
        Image="busybox@sha256:" + "cd" * 32,
        Created=ago(hours=40),
        Ports=[
            *(port(number, number + 1000, "0.0.0.0") for number in (80, 81, 82)),
            *(port(number, number + 1000, "::") for number in (80, 81, 82)),
            port(53, 53, "127.0.0.1", "udp"),
            *(port(number) for number in (5000, 5001)),
        ],
        Mounts=[
            {"Type": "volume", "Name": "0123456789abcdef0123", "Source": "/v", "Destination": "/d", "Driver": "local"},
            {"Type": "bind", "Source": "/etc", "Destination": "/e"},
        ],
    ),
    container("e5", "old", Image="", Created=ago(years=3), Command=""),
]

IMAGES = [
    {
        "Id": "sha256:" + "12" * 32,
        "RepoTags": ["busybox:latest", "busybox:1.36"],  # of one repository: Docker's order of several is random
        "RepoDigests": ["busybox@sha256:" + "34" * 32],
        "Created": ago(weeks=5),
        "Size": 4261502,
        "SharedSize": -1,
        "Containers": -1,
        "ParentId": "",
        "Labels": None,
    },
    {
        "Id": "sha256:" + "56" * 32,
        "RepoTags": [],
        "RepoDigests": [],  # a name with a digest alone: Docker's templates lose the digest, ours show it
        "Created": ago(hours=2),
        "Size": 999,
        "SharedSize": -1,
        "Containers": -1,
        "ParentId": "",
        "Labels": {"a": "b"},
    },
    {
        "Id": "sha256:" + "bc" * 32,
        "RepoTags": ["localhost:5000/team/b:x"],
        "RepoDigests": [],
        "Created": ago(hours=3),
        "Size": 5,
        "SharedSize": 2,
        "Containers": 3,
        "ParentId": "",
        "Labels": None,
    },
    {
        "Id": "sha256:" + "9a" * 32,
        "RepoTags": [],
        "RepoDigests": [],
        "Created": 1,
        "Size": 1234567890,
        "SharedSize": -1,
        "Containers": -1,
        "ParentId": "",
        "Labels": None,
    },
]

HISTORY = [
    {"Id": "sha256:" + "12" * 32, "Created": ago(weeks=5), "CreatedBy": "CMD [\"sh\"]", "Tags": ["busybox:latest"],
     "Size": 0, "Comment": "buildkit.dockerfile.v0"},
    {"Id": "<missing>", "Created": ago(weeks=5), "CreatedBy": "ADD\tbusybox.tar.xz / # and a text of many words here",
     "Tags": None, "Size": 4261502, "Comment": ""},
    {"Id": "<missing>", "Created": 0, "CreatedBy": "", "Tags": None, "Size": 12, "Comment": "old"},
]  # fmt: skip

DETAIL = {
    "Id": "a1" * 32,
    "Created": "2026-01-01T00:00:00Z",
    "Path": "sh",
    "Args": ["-c", "echo <&>"],
    "State": {"Status": "exited", "Running": False, "Pid": 0, "ExitCode": 3, "Error": ""},
    "Name": "/web",
    "RestartCount": 0,
    "Config": {"Env": ["A=1", "B=2"], "Labels": {"a": "2", "z": "1"}, "Cmd": None},
    "Mounts": [],
}


def escaped(value: Any) -> bytes:
    """JSON as an engine written in Go sends it."""
    text = json.dumps(value)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text.encode()


CASES = r"""
ps
ps -a
ps -q
ps --no-trunc
ps -q --no-trunc
ps -s
ps --format json
ps --format {{.Names}}
ps --format "table {{.Names}}\t{{.Status}}"
ps --format "table {{.ID}}\t{{.Label \"com.example.role\"}}\t{{.Ports}}"
ps --format "{{.ID}}: {{.Command}} {{.Mounts}} {{.LocalVolumes}} {{.Networks}} {{.State}} {{.Image}}"
ps --format "{{.Names | upper}} {{json .Command}} {{len .Ports}} {{truncate .ID 3}}"
ps --format "table {{upper .Names}}\t{{pad .State 1 2}}"
ps --format "{{range $i, $p := split .Ports \", \"}}{{if $i}}|{{end}}{{$p}}{{else}}none{{end}}"
ps --format "{{if eq .State \"exited\"}}gone{{else if .Ports}}open{{else}}shut{{end}}"
ps --format "{{with .Ports}}[{{.}}]{{else}}-{{end}} {{printf \"%-8s|%5.2s|%q\" .State .Names .Image}}"
ps --format "{{$x := .Names}}{{$x = lower $x}}{{println $x .State}}"
ps --format "{{and .Ports .Names}} {{or .Ports \"none\"}} {{not .Ports}} {{lt (len .Names) 4}}"
ps --format "{{join (split .Names \"_\") \"/\"}} {{title .State}} {{index (split .Names \"_\") 0}} {{html .Command}}"
ps --format "{{- .Names -}}   x {{/* nothing */}} {{`raw`}} {{'a'}} {{1.5}} {{true}} {{print 1 2 \"a\" \"b\"}}"
ps --format "{{.Foo}}"
ps --format "{{"
ps --format "{{nope .ID}}"
ps --format "{{.ID}"
ps --format "{{end}}"
ps --format "{{if .ID}}"
ps --format "table"
ps --format "{{.ID.X}}"
ps --format "{{index .ID 100}}"
ps --format "{{json}}"
ps --format "{{len 3}}"
ps --format "{{lt 1 \"a\"}}"
ps --format "{{.ID | nope}}"
ps --format "{{$x}}"
ps --format "{{break}}"
ps --format "{{else}}"
ps --format "{{\"a"
ps --format "{{range 3}}{{.}}{{end}} {{printf \"%d %s %z\" 1}} {{(.ID)}}"
images
images -q
images -a
images --digests
images --no-trunc
images -q --no-trunc
images --format json
images --format "{{slice .ID 0 4}} {{.Foo}}"
images --format "{{.Foo}}"
images --format "{{"
images --format "{{slice .ID 0 4}}"
images --format "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}} {{.CreatedSince}}"
images --format "table {{.Repository}}\t{{.Digest}}\t{{.Containers}}\t{{.UniqueSize}}\t{{.VirtualSize}}"
history img
history -q img
history --no-trunc img
history -H=false img
history --format json img
history --format "{{.CreatedBy}}" img
history none
inspect web
inspect none
inspect web none
inspect -f "{{.Name}}" web
inspect -f "{{.Config.Env}} {{json .Config.Labels}} {{index .Config.Env 1}} {{.State.ExitCode}} {{.State.Running}}" web
inspect -f "{{range .Args}}<{{.}}>{{end}} {{len .Mounts}}" web
inspect -f "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}" web
container inspect web
container inspect none
image inspect none
inspect -f json web
inspect -f "{{.Nope}}" web
inspect -f "{{.Config.Nope.X}}" web
inspect -f "{{.Name.X}}" web
inspect -f "{{.Name}}" none
inspect -f "{{.Name}}" web none
inspect --type image none
inspect -f "{{" web
rm none
rm web
rmi none
"""


def cases() -> list[list[str]]:
    return [shlex.split(line.strip(), posix=True) for line in CASES.strip().splitlines()]


@pytest.fixture(autouse=True)
def engines(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    ours = FakeEngine(CONTAINERS, IMAGES, {"web": DETAIL}, {}, {"img": HISTORY})
    monkeypatch.setattr(Session, "open_engine", lambda *args, **named: ours.open_engine(*args, **named))
    docker.server.answers = {
        "GET /containers/json": CONTAINERS,
        "GET /images/json": IMAGES,
        "GET /images/img/history": HISTORY,
        "GET /containers/web/json": escaped(DETAIL),
        "GET /info": {"Swarm": {"LocalNodeState": "inactive"}},
        "DELETE /containers/web": {},
    }
    docker.server.missing = {
        "/images/none/json": "No such image: none",
        "/images/none/history": "No such image: none:latest",
        "/images/none": "No such image: none",
        "/containers/none/json": "No such container: none",
        "/containers/none": "No such container: none",
    }


@pytest.mark.parametrize("argv", [pytest.param(argv, id=" ".join(argv)) for argv in cases()])
def test_the_same_text(docker: Docker, argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    theirs = docker(argv, variables={"TZ": "UTC"})
    status = main(argv)
    ours = capfd.readouterr()
    assert ours.out == theirs.stdout
    assert ours.err == theirs.stderr.replace("docker ", "minidock ")
    assert status == theirs.returncode
