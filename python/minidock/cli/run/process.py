"""What runs: user, folder, environment, labels, entry point; and which of its streams are attached to whom."""

from __future__ import annotations

import msgspec

from minidock.api import ContainerConfig
from minidock.cli.exits import CommandFailed
from minidock.cli.flags import Flag, Kind, Values
from minidock.cli.kinds import BOOL, INT, LIST, STRING
from minidock.cli.run.files import as_map, parse_env, parse_label, read_pairs


def parse_stream(text: str) -> str:
    """Read one ``--attach``."""
    name = text.lower()
    if name not in ("stdin", "stdout", "stderr"):
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return name


FLAGS = (
    Flag("a,attach", Kind("list", parse_stream, repeats=True), "Attach to STDIN, STDOUT or STDERR"),
    Flag("d,detach", BOOL, "Leave the container running in the background and print its id"),
    Flag("detach-keys", STRING, "Keys that leave a container without stopping it (default ctrl-p,ctrl-q)"),
    Flag("domainname", STRING, "NIS domain name of the container"),
    Flag("entrypoint", STRING, "Program to run instead of the image's entry point"),
    Flag("e,env", Kind("list", parse_env, repeats=True), "Set a variable (NAME=value), or pass on your own (NAME)"),
    Flag("env-file", LIST, "Read variables from a file"),
    Flag("h,hostname", STRING, "Host name of the container"),
    Flag("i,interactive", BOOL, "Keep its standard input open, even if nobody is attached"),
    Flag("l,label", Kind("list", parse_label, repeats=True), "Set a label (name=value)"),
    Flag("label-file", LIST, "Read labels from a file"),
    Flag("sig-proxy", BOOL, "Pass on signals to the container", True),
    Flag("stop-signal", STRING, "Signal that asks the container to stop"),
    Flag("stop-timeout", INT, "Seconds between that signal and the kill"),
    Flag("t,tty", BOOL, "Give it a terminal"),
    Flag("u,user", STRING, "User and group to run as: <name|uid>[:<group|gid>]"),
    Flag("w,workdir", STRING, "Folder to start in"),
)


def config(values: Values) -> ContainerConfig:
    """Return what the image, the command and these flags say."""
    image, command = values.words[0], tuple(values.words[1:])
    entrypoint = (values["entrypoint"],) if values.given("entrypoint") else None
    variables = [pair for path in values["env-file"] for pair in read_pairs(path, from_environment=True)]
    labels = [pair for path in values["label-file"] for pair in read_pairs(path, from_environment=False)]
    base = ContainerConfig(
        image=image,
        cmd=command or None,
        entrypoint=entrypoint,
        env=(*variables, *values["env"]) or None,
        labels=as_map([*labels, *values["label"]]) or None,
        hostname=values["hostname"],
        domainname=values["domainname"],
        user=values["user"],
        working_dir=values["workdir"],
        stop_signal=values["stop-signal"],
        stop_timeout=values["stop-timeout"] if values.given("stop-timeout") else None,
        tty=values["tty"],
        open_stdin=values["interactive"],
    )
    return _attached(values, base)


def _attached(values: Values, base: ContainerConfig) -> ContainerConfig:
    """Which streams are attached: those of ``-a``, else stdout and stderr; and stdin with ``-i``; none with ``-d``."""
    named = set(values["attach"])
    if values["detach"]:
        if named:
            raise CommandFailed(1, "conflicting options: cannot specify both --attach and --detach")
        return base
    stdin = "stdin" in named or values["interactive"]
    return msgspec.structs.replace(
        base,
        attach_stdin=stdin,
        attach_stdout="stdout" in named or not named,
        attach_stderr="stderr" in named or not named,
        stdin_once=stdin and values["interactive"],
    )
