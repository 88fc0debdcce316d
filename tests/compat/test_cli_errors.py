"""Wrong command lines get Docker's words and exit statuses: both are run, and their outputs compared."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from tests.support.docker_cli import Docker

from minidock.cli.exits import CommandFailed
from minidock.cli.main import main
from minidock.cli.session import Session

CASES = """
run --foo
run -z
run --name
run -m
run -m x img
run -m= img
run -m 5x img
run -m 1.1.1 img
run -m 1kb2 img
run -m NaN1 img
run -m 0x10 img
run -m inf0 img
run -m " 5" img
run -m "" img
run --rm=maybe img
run --rm= img
run --rm=tRue img
run --=x
run --
run
run --help --foo
run --tty=1x img
run -itdz img
run --cpus x img
run --cpus 1/3 img
run --cpus 0.0000000001 img
run --blkio-weight 70000 img
run --blkio-weight -1 img
run --blkio-weight-device /dev/sda:5 img
run --blkio-weight-device sda:100 img
run --blkio-weight-device /dev/sda:x img
run --device-read-bps foo img
run --device-read-bps /dev/sda:x img
run --device-write-iops /dev/sda:x img
run --device-cgroup-rule x img
run --device-cgroup-rule "c 1:3" img
run --memory-swappiness=x img
run --memory-swappiness 200 img
run --pids-limit 99999999999999999999 img
run -c 1.5 img
run -c 08 img
run --ulimit x img
run --ulimit nofile=3:2 img
run --ulimit nofile=-1:5 img
run --ulimit foo=3 img
run --ulimit nofile=1:2:3 img
run --ulimit nofile=x img
run --shm-size -1 img
run --device a:b:c:d img
run --device /dev/null:/x:q img
run --device x img
run --device= img
run -p x img
run -p 99999:1 img
run -p 80:80:80:80 img
run -p 80/foo img
run -p 1.2.3:80:80 img
run -p "" img
run -p 80: img
run -p 5-4 img
run -p host:1:2 img
run -p 1-2:3-5 img
run -p [::1:80:80 img
run -p published=8080,target img
run --expose x img
run --expose 5-4 img
run --expose "" img
run --expose a:b img
run -v "" img
run -v /a/../b: img
run -v /a::ro img
run --mount x img
run --mount "" img
run --mount type=bind,source=/a img
run --mount type=bind,target=/x,foo=bar img
run --mount type=bind,source=/a,target=/b,readonly=foo img
run --mount type=bind,source=/a,target=/b,tmpfs-size=1 img
run --mount type=tmpfs,target=/b,tmpfs-size=x img
run --mount type=tmpfs,target=/b,tmpfs-mode=9 img
run --mount type=volume,target=/b,bind-propagation=shared img
run --mount type=bind,source=/a,target=/b,volume-nocopy img
run --mount type=bind,source=/a,target=/b,bind-recursive=readonly img
run --mount type=bind,source=/a,target=/b,ro,bind-recursive=readonly img
run --mount type=bind,source=/a,target=/b,bind-recursive=foo img
run --mount 'a"b' img
run --storage-opt foo img
run -e =x img
run -e "" img
run -l =x img
run -l "" img
run -l "a b" img
run --env-file /no/such img
run --label-file /no/such img
run --env-file spaces img
run --env-file noname img
run --label-file spaces img
run --add-host foo img
run --add-host a:b:c img
run --add-host :1.2.3.4 img
run --sysctl foo img
run --sysctl kernel.foo=y img
run -a foo img
run -d -a stdout img
run --link a:b:c img
run --link "" img
run --dns foo img
run --dns "" img
run --dns-search "a b" img
run --mac-address zz img
run --network x=y,z img
run --network "" img
run --network alias=x img
run --network name=a,driver-opt=x img
run --network name=a,mac-address=zz img
run --network name=a,gw-priority=x img
run --network a --network a img
run --network host --network a img
run --network name=b,alias=y --network-alias x img
run --ip 1.2.3.4 --network name=b,ip=1.2.3.4 img
run --net-alias a img
run --network host --network-alias x img
run --security-opt foo img
run --security-opt "" img
run --security-opt seccomp=/no/such img
run --health-interval 5 img
run --health-interval x img
run --health-interval 1.5h3x img
run --health-interval -1s img
run --health-timeout -1s img
run --health-retries -1 img
run --no-healthcheck --health-cmd x img
run --restart on-failure:x img
run --restart :3 img
run -d --rm --restart always img
run --log-driver none --log-opt a=b img
run --cidfile spaces img
run --pull foo img
run --stop-timeout 5s img
run --cgroupns foo img
run --pid foo img
run --pid container: img
run --uts foo img
run --userns foo img
run --gpus x=y img
run --gpus count=x img
run --gpus "" img
run --io-maxbandwidth x img
run -it img
run -- -x
run UPPER
ps --foo
ps x
ps -n x
ps --filter foo
images a b
rm
rm --foo
rmi
tag a
tag a b c
frob
--frob
-z
image frob
image --foo
container run
container ps --bad
container list --bad
image remove
version extra
version --foo
-l foo ps
help frob
help image frob
history
pull
pull a b
load x
import
inspect
"""


def cases() -> list[list[str]]:
    return [shlex.split(line) for line in CASES.strip().splitlines()]


@pytest.fixture(autouse=True)
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spaces").write_text("bad name=1\n")
    Path("noname").write_text("=1\n")
    for name in [name for name in os.environ if name.startswith("DOCKER_")]:
        monkeypatch.delenv(name)

    def no_engine(*_: object) -> None:
        raise CommandFailed(99, "the engine was asked")

    monkeypatch.setattr(Session, "open_engine", no_engine)


@pytest.mark.parametrize("argv", [pytest.param(argv, id=" ".join(argv)) for argv in cases()])
def test_the_same_words(docker: Docker, argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    theirs = docker(argv)
    with open(os.devnull) as null:  # neither has a terminal
        saved = os.dup(0)
        os.dup2(null.fileno(), 0)
        try:
            status = main(argv)
        finally:
            os.dup2(saved, 0)
            os.close(saved)
    ours = capfd.readouterr()
    expected = theirs.stderr.replace("docker", "minidock").replace("SRun", "Run")
    assert (ours.err, status) == (expected, theirs.returncode)
    assert ours.out == theirs.stdout.replace("docker", "minidock")
