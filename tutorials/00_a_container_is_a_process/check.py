"""Lesson 00: compare a card of predictions with the facts of a live container.

Usage: ``python check.py CARD [-- more flags for run]``. Exit status: 0 all right, 1 some wrong, 2 no such card.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FACTS = ("pid_inside", "new_namespaces", "same_kernel", "seen_from_host", "parent", "capabilities")
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
MINIDOCK = [sys.executable, "-m", "minidock"]


class BadCard(Exception):
    """The card has no answer, or not one for each fact."""


def read_card(path: str) -> dict[str, str]:
    """Return fact → prediction; everything behind a # is for people."""
    card = {}
    for line in Path(path).read_text().splitlines():
        name, equals, answer = line.partition("#")[0].partition("=")
        if equals:
            card[name.strip()] = answer.strip()
    missing = [name for name in FACTS if card.get(name, "?") in ("", "?")]
    if missing:
        raise BadCard(f"the card has no prediction for: {', '.join(missing)}")
    return card


@contextmanager
def container(flags: list[str]) -> Iterator[int]:
    """Run ``sleep`` in a container; yield its process id on the host."""
    name = f"lesson00-{os.getpid()}"
    words = [*MINIDOCK, "run", "--rm", "--network", "none", "--name", name, *flags, "busybox", "sleep", "60"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        try:
            yield wait_for_pid(name, process)
        finally:
            subprocess.run([*MINIDOCK, "rm", "-f", name], check=True, stdout=subprocess.DEVNULL)


def wait_for_pid(name: str, process: subprocess.Popen[bytes]) -> int:
    """Return the container's process id as soon as it runs."""
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"minidock run ended with status {process.returncode}; its message is above")
        seen = subprocess.run([*MINIDOCK, "inspect", name], capture_output=True, check=False)
        pid = json.loads(seen.stdout)[0]["State"]["Pid"] if seen.returncode == 0 else 0
        if pid and Path(f"/proc/{pid}/comm").read_text().strip() == "sleep":
            return int(pid)
        time.sleep(0.05)
    raise SystemExit("the container did not start within 30 seconds")


def status(pid: int) -> dict[str, str]:
    """Return ``/proc/PID/status`` as field → text."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def facts_of(pid: int) -> dict[str, tuple[str, str]]:
    """Return fact → (what is true, where the kernel says so)."""
    fields = status(pid)
    differs = [kind for kind in KINDS if os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")]
    inside = subprocess.run(
        ["nsenter", "-t", str(pid), "-u", "uname", "-r"], capture_output=True, text=True, check=True
    )
    same = inside.stdout.strip() == os.uname().release
    parent = status(int(fields["PPid"]))["Name"]
    return {
        "pid_inside": (fields["NSpid"].split()[-1], f"/proc/{pid}/status, NSpid (the last number)"),
        "new_namespaces": (" ".join(differs), f"readlink /proc/{pid}/ns/*, compared with /proc/self/ns/*"),
        "same_kernel": ("yes" if same else "no", "uname -r, inside and outside"),
        "seen_from_host": ("yes" if Path(f"/proc/{pid}").exists() else "no", f"ls -d /proc/{pid}, on the host"),
        "parent": (parent, f"/proc/{pid}/status PPid, then Name of that process"),
        "capabilities": (str(int(fields["CapEff"], 16).bit_count()), f"/proc/{pid}/status, CapEff (count the bits)"),
    }


def same_answer(prediction: str, fact: str) -> bool:
    """Words in any order, letters in any case."""
    return sorted(prediction.lower().replace(",", " ").split()) == sorted(fact.lower().split())


def main(argv: list[str]) -> int:
    """Run the check."""
    if not argv:
        print(__doc__, file=sys.stderr)
        return 2
    flags = argv[2:] if argv[1:2] == ["--"] else argv[1:]
    try:
        card = read_card(argv[0])
    except (OSError, BadCard) as bad:
        print(bad, file=sys.stderr)
        return 2
    with container(flags) as pid:
        facts = facts_of(pid)
    wrong = 0
    for name in FACTS:
        fact, place = facts[name]
        right = same_answer(card[name], fact)
        wrong += not right
        print(f"{'right' if right else 'WRONG'}  {name:15} you: {card[name]:32} kernel: {fact:32} {place}")
    print(f"{len(FACTS) - wrong} of {len(FACTS)} right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
