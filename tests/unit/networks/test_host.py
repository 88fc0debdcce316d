"""The ports to nft and to the kernel's settings, as far as they need no network of their own."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from minidock.errors import StepFailed, Unavailable
from minidock.networks import host
from minidock.networks.dry import DryFirewall, DrySysctls
from minidock.networks.host import NftProgram, ProcSysctls


def test_without_nft_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_found", lambda *_: "/nowhere/nft")
    with pytest.raises(Unavailable, match="the program nft is missing") as caught:
        NftProgram().apply("minidock-1f2e", "add table inet minidock-1f2e")
    assert caught.value.hint == "install the package nftables, or use --network host or --network none"


def test_a_large_transaction_and_a_large_answer_do_not_wait_for_each_other() -> None:
    text = b"x" * (4 << 20)
    assert host._run(("cat",), text) == (0, text, b"")
    status, output, complaint = host._run(("sh", "-c", "head -c 3000000 /dev/zero >&2; exit 3"))
    assert (status, output, len(complaint)) == (3, b"", 3_000_000)


def test_a_program_is_found_where_an_ordinary_path_does_not_look(tmp_path: Path) -> None:
    program = tmp_path / "nft"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert host._found("nft", f"/nowhere::{tmp_path}") == str(program)
    assert host._found("nft", "/nowhere") == "nft"


def test_settings_that_the_kernel_does_not_have() -> None:
    assert ProcSysctls().read("net.ipv4.no_such_setting") is None
    assert ProcSysctls().read("kernel.ostype") == "Linux"
    with pytest.raises(StepFailed, match=r"set net\.ipv4\.no_such_setting to 1") as caught:
        ProcSysctls().write("net.ipv4.no_such_setting", "1")
    assert (caught.value.op, caught.value.errno in (errno.ENOENT, errno.EACCES)) == ("sysctl.host", True)
    assert "sysctl -w net.ipv4.no_such_setting=1" in str(caught.value.hint)


def test_a_dry_run_writes_nothing() -> None:
    DrySysctls(ProcSysctls()).write("net.ipv4.no_such_setting", "1")
    DrySysctls(ProcSysctls()).write_link("net.ipv4.no_such_setting", "1")
    DryFirewall(NftProgram()).apply("minidock-1f2e", "nonsense")
    DryFirewall(NftProgram()).forget((53,), "172.17.0.2")
