"""``--change`` instructions."""

from __future__ import annotations

import pytest

from minidock.errors import InvalidArgument
from minidock.images.changes import apply_changes, parse_duration
from minidock.oci.image import Empty, ExecutionConfig, Healthcheck


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ('CMD ["ls","-l"]', ExecutionConfig(cmd=("ls", "-l"))),
        ("cmd ls -l $HOME", ExecutionConfig(cmd=("/bin/sh", "-c", "ls -l $HOME"))),
        ("CMD []", ExecutionConfig(cmd=())),
        ('CMD ["a", 1]', ExecutionConfig(cmd=("/bin/sh", "-c", '["a", 1]'))),
        ('ENTRYPOINT ["/init"]', ExecutionConfig(entrypoint=("/init",))),
        ('ENV A=1 B="x y" C=', ExecutionConfig(env=("A=1", "B=x y", "C="))),
        ("ENV A the rest = all", ExecutionConfig(env=("A=the rest = all",))),
        ('LABEL a="b c" d=e', ExecutionConfig(labels={"a": "b c", "d": "e"})),
        ("EXPOSE 80 53/UDP", ExecutionConfig(exposed_ports={"80/tcp": Empty(), "53/udp": Empty()})),
        ("EXPOSE 8-10", ExecutionConfig(exposed_ports={f"{n}/tcp": Empty() for n in (8, 9, 10)})),
        ('VOLUME ["/a b"]', ExecutionConfig(volumes={"/a b": Empty()})),
        ("VOLUME /a /b", ExecutionConfig(volumes={"/a": Empty(), "/b": Empty()})),
        ("USER 1000:1000", ExecutionConfig(user="1000:1000")),
        ("WORKDIR srv/../data", ExecutionConfig(working_dir="/data")),
        ("WORKDIR /../../etc", ExecutionConfig(working_dir="/etc")),
        ("STOPSIGNAL term", ExecutionConfig(stop_signal="SIGTERM")),
        ("STOPSIGNAL 9", ExecutionConfig(stop_signal="9")),
        ("ONBUILD RUN make", ExecutionConfig(on_build=("RUN make",))),
        ("HEALTHCHECK NONE", ExecutionConfig(healthcheck=Healthcheck(test=("NONE",)))),
        (
            "HEALTHCHECK --interval=1m30s --retries=2 CMD curl -f http://x || exit 1",
            ExecutionConfig(
                healthcheck=Healthcheck(
                    test=("CMD-SHELL", "curl -f http://x || exit 1"), interval=90 * 10**9, retries=2
                )
            ),
        ),
        ('HEALTHCHECK CMD ["true"]', ExecutionConfig(healthcheck=Healthcheck(test=("CMD", "true")))),
    ],
)
def test_change(change: str, expected: ExecutionConfig) -> None:
    assert apply_changes(ExecutionConfig(), [change]) == expected


def test_changes_add_up() -> None:
    base = ExecutionConfig(env=("PATH=/bin", "A=1"), working_dir="/srv")
    assert apply_changes(base, ["ENV A=2 B=3", "WORKDIR www"]) == ExecutionConfig(
        env=("PATH=/bin", "A=2", "B=3"), working_dir="/srv/www"
    )


@pytest.mark.parametrize(
    "change",
    [
        "RUN rm -rf /",
        "FROM x",
        "COPY a b",
        "ADD a b",
        "SHELL x",
        "CMD",
        "ENV A",
        "ENV =x",
        "ENV A=1 B",
        'ENV A="1',
        "EXPOSE 70000",
        "EXPOSE 0",
        "EXPOSE 9-8",
        "EXPOSE 80/icmp",
        "EXPOSE ²",
        "STOPSIGNAL SIGNONE",
        "STOPSIGNAL 99",
        "USER a b",
        'VOLUME [""]',
        "ONBUILD ONBUILD x",
        "ONBUILD FROM x",
        "HEALTHCHECK --interval=1 CMD x",
        "HEALTHCHECK --interval=1us CMD x",
        "HEALTHCHECK --nosuch=1 CMD x",
        "HEALTHCHECK CMD",
        "HEALTHCHECK x",
    ],
)
def test_refused(change: str) -> None:
    with pytest.raises(InvalidArgument):
        apply_changes(ExecutionConfig(), [change])


@pytest.mark.parametrize(("text", "seconds"), [("1h", 3600), ("1m30s", 90), ("1.5s", 1.5), ("250ms", 0.25)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds * 10**9
