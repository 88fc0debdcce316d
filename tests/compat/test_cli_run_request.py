"""What ``run`` makes of its flags is what Docker's CLI makes of them: both requests are compared, field by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.docker_cli import Docker

from minidock.api import CreateRequest
from minidock.cli.commands.run import RUN
from minidock.cli.run.request import create_request
from minidock.oci.codec import encode

CASES = """
img
img sh -c "echo x"
-it=false img -t -i
-i img
-d img
-d -i --rm --name x img
-a stdin -a stdout -i img
-a STDERR img
--rm=false --tty=0 --interactive=F img
-e A=1 -e HOME -e NO_SUCH_VARIABLE -eB=2 --env C= img
-e A=1 --env-file envfile --label-file labelfile -l a -l b=c -l d=e=f img
-h host --domainname dom -u 1:2 -w /x --stop-signal INT --stop-timeout 5 img
--stop-timeout 0 img
--entrypoint "" img
--entrypoint /bin/e img a b
--cpus 1.5 -m 1g --memory-swap -1 --memory-swappiness 10 --memory-reservation 1.5m img
--cpus 1e-3 -m 64mb --shm-size 1GiB --kernel-memory 1k --oom-kill-disable --pids-limit -1 --oom-score-adj -5 img
--cpus=3/4 -m "1 g" --memory-swappiness 0 img
-c 10 --cpu-period 0x10 --cpu-quota 1_000 --cpu-rt-period 010 --cpu-rt-runtime 0b11 --cpuset-cpus 0 --cpuset-mems 0 img
-c10 -m512m img
-c=10 img
--blkio-weight 10 --blkio-weight-device /dev/vda:100 --blkio-weight-device /dev/vdb:0 img
--device-read-bps /dev/vda:1mb --device-write-bps /dev/vda:5 img
--device-read-iops /dev/vda:7 --device-write-iops /dev/vda:5 img
--device-cgroup-rule "c 1:3 rwm" --device-cgroup-rule "a *:* r" img
--device /dev/null --device /dev/fuse:/dev/x --device /dev/zero:r --device /dev/tty:/x:rw img
--ulimit nofile=1:2 --ulimit core=-1 --ulimit nproc=5 --ulimit nofile=6:7 --ulimit stack=5:-1 img
--cap-add net_admin --cap-drop ALL --cap-add cap_chown --cap-add foo img
--cap-add ALL --cap-drop NET_ADMIN --cap-drop net_admin img
--privileged --read-only --init --cgroupns private --cgroup-parent p --runtime r --group-add a --group-add b img
--init=false --ipc host --pid host --uts host --userns host --cgroupns host img
--pid container:x --ipc container:y img
--security-opt no-new-privileges --security-opt seccomp=unconfined --security-opt systempaths=unconfined img
--security-opt seccomp=profile.json --security-opt label:disable --security-opt no-new-privileges:true img
--security-opt seccomp=builtin img
--sysctl net.a=1 --sysctl kernel.shmmax=2 --sysctl fs.mqueue.msg_max=3 img
-v /a:/b:ro -v /anon -v /anon -v vol:/y -v ../z:/y:ro -v .:/q -v a:b:c:d img
--tmpfs /t --tmpfs /q:size=1m,rw --storage-opt size=1g --volume-driver d --volumes-from a:ro img
--mount type=bind,src=/a,dst=/b,ro,bind-propagation=rslave img
--mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770 img
--mount type=volume,source=v,target=/v,volume-nocopy,volume-label=a=b,volume-subpath=x,volume-opt=o=p img
--mount type=bind,src=./rel,dst=/b,bind-recursive=writable,readonly,consistency=cached img
--mount type=bind,src=.,dst=/b,bind-recursive=disabled --mount source=v,target=/x,TYPE=volume,volume-opt=q img
--mount type=bind,"src=/a,b",destination=/b,readonly=false,bind-nonrecursive=true img
--mount type=bind,src=/a,dst=/b,readonly,bind-recursive=readonly,bind-propagation=rprivate img
--mount type=foo,target=/x --mount type=tmpfs,target=/y img
-p 80 -p 1-2:3 -p 80:80 -p 81:80 -p 127.0.0.1::80 -p published=8080,target=80,protocol=udp -p 5/UDP img
-p [::1]:80:80 -p ::1:81:81 -p 80-82:80-82/sctp -P -p 127.0.0.1:8080-8081:8080-8081 -p90:90 img
-p published=8080,target=80 -p :7 -p 090:08 img
--expose 80/foo --expose 90 --expose 100-102/udp -p 90 img
--network n --ip 1.2.3.4 --network-alias q --net-alias r --link-local-ip 169.254.1.1 img
--network name=a,alias=x,alias=y,driver-opt=K=v,ip6=::1,link-local-ip=169.254.1.1,gw-priority=-5 img
--network name=foo,alias=a,ip=1.2.3.4 --network bar --mac-address 92:d0:c6:0a:29:33 img
--net host img
--network none img
--network container:foo img
--network bridge --mac-address 92-D0-C6-0a-29-33 img
--mac-address 92d0.c60a.2933 img
--link a:b --link c img
--add-host a:1.2.3.4 --add-host b=::1 --add-host c:host-gateway --add-host d:[::1] img
--dns 1.1.1.1 --dns ::1 --dns-search Foo.com. --dns-search . --dns-opt ndots:1 --dns-option x img
--health-cmd "x y" --health-interval 1m30s --health-retries 3 --health-start-interval 500ms --health-timeout 1.5h img
--health-start-period 100us --health-interval 0 img
--no-healthcheck img
--log-driver json-file --log-opt max-size=10m --log-opt c --restart on-failure:3 img
--log-driver none --restart no img
--restart unless-stopped --annotation a=b --annotation c --cidfile cid --isolation default img
--platform linux/arm64 --pull never -q img
--disable-content-trust img
-- img -x
"""


def cases() -> list[list[str]]:
    import shlex

    return [shlex.split(line.replace('"src=/a,b"', "'\"src=/a,b\"'")) for line in CASES.strip().splitlines()]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "FROM_OUTSIDE"):
        monkeypatch.setenv(name, f"the value of {name}")
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    monkeypatch.delenv("DOCKER_DEFAULT_PLATFORM", raising=False)
    Path("envfile").write_bytes(b"\xef\xbb\xbfF=1\r\n# c\n\nFROM_OUTSIDE\nNO_SUCH_VARIABLE\n  G= x y \nA=5\n")
    Path("labelfile").write_text("l1\nl2=v\n#l3\n")
    Path("profile.json").write_text('{ "defaultAction": "SCMP_ACT_ALLOW",\n "syscalls": [ ] }\n')


def said(value: Any) -> Any:
    """Only what is said: null, false, 0 and empty mean the same in a request."""
    if isinstance(value, dict):
        return {key: kept for key, item in value.items() if (kept := said(item)) not in (None, "", 0, [], {})}
    if isinstance(value, list):
        return [said(item) for item in value]
    return value


def docker_says(docker: Docker, argv: list[str]) -> dict[str, Any]:
    result = docker(["run", *argv])
    creates = [(path, body) for _, path, body in docker.server.requests if "/containers/create" in path]
    assert creates, result.stderr
    path, body = creates[0]
    query = parse_qs(urlsplit(path).query)
    host, networks = body.pop("HostConfig"), body.pop("NetworkingConfig")["EndpointsConfig"]
    if host.get("MemorySwappiness") == -1:
        del host["MemorySwappiness"]
    if host["NetworkMode"] == "default":
        del host["NetworkMode"]
    for never_ours in ("ConsoleSize", "Isolation"):
        host.pop(never_ours, None)
    for name, endpoint in networks.items():
        if not networks[name] or name == host.get("NetworkMode"):
            host["Links"] = endpoint.pop("Links", None) or host.get("Links")
        endpoint |= endpoint.pop("IPAMConfig", None) or {}
    for mount in host.get("Mounts") or []:
        mount.setdefault("Source", "")
    host["Binds"] = sorted(host.get("Binds") or [])
    body["Env"] = sorted(body["Env"] or [])
    return {
        "Name": query.get("name", [""])[0],
        "Platform": query.get("platform", [""])[0],
        "Config": said(body),
        "HostConfig": said(host),
        "Networks": {name: said(endpoint) for name, endpoint in networks.items() if said(endpoint)},
        "Masked": host["MaskedPaths"],
    }


def minidock_says(argv: list[str]) -> dict[str, Any]:
    request: CreateRequest = create_request(RUN.read(argv))
    host = json.loads(encode(request.host))
    host["Binds"] = sorted(host.get("Binds") or [])
    if host.get("ContainerIDFile"):
        host["ContainerIDFile"] = Path(host["ContainerIDFile"]).name
    host.pop("KernelMemory", None)  # Docker's client has left it out since the API's version 1.42
    config = json.loads(encode(request.config))
    config["Env"] = sorted(config.get("Env") or [])  # Docker's come in the random order of a Go map
    networks = json.loads(encode(request.networks))
    return {
        "Name": request.name,
        "Platform": str(request.platform or "").replace("arm64/v8", "arm64"),
        "Config": said(config),
        "HostConfig": said({"RestartPolicy": {"Name": "no"}, **host}),
        "Networks": {name: said(endpoint) for name, endpoint in networks.items() if said(endpoint)},
        "Masked": host.get("MaskedPaths"),
    }


@pytest.mark.parametrize("argv", [pytest.param(argv, id=" ".join(argv)) for argv in cases()])
def test_both_ask_for_the_same(docker: Docker, argv: list[str]) -> None:
    assert minidock_says(argv) == docker_says(docker, argv)
