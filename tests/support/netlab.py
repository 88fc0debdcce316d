"""A laboratory of network namespaces: a "host" for the engine, a "LAN" beside it, and nothing of the real machine.

A network namespace belongs to a thread. So each one here is a thread of its own that made itself a new namespace (and a
mount namespace, so that even a pinned namespace's mount is gone with it) and then runs what it is given::

    with Namespace() as host, Namespace() as lan:
        join(host, "eth0", "192.0.2.1/24", lan, "eth0", "192.0.2.2/24")
        lan.run(lambda: socket.create_connection(("192.0.2.1", 80)))

When the ``with`` ends the thread ends, and the kernel takes namespaces, links, rules and mounts away with it.
"""

from __future__ import annotations

import ctypes
import os
import queue
import subprocess
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One network namespace, and the thread that lives in it."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self.tid = 0

    def __enter__(self) -> Namespace:
        self._thread.start()
        self.tid = self.run(threading.get_native_id)
        self.run(_leave)
        return self

    def __exit__(self, *_: object) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _live(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    @property
    def path(self) -> str:
        """A path that names the namespace as long as the thread lives."""
        return f"/proc/{os.getpid()}/task/{self.tid}/ns/net"

    def run(self, action: Callable[[], T]) -> T:
        """Run *action* in the namespace; return what it returns, raise what it raises."""
        done: queue.Queue[tuple[bool, Any]] = queue.Queue()

        def job() -> None:
            try:
                done.put((True, action()))
            except BaseException as error:
                done.put((False, error))

        self._jobs.put(job)
        fine, value = done.get()
        if not fine:
            raise value
        result: T = value
        return result

    def shell(self, command: str) -> str:
        """Run a command line in the namespace; return its output, or fail the test with its complaint."""
        return self.run(lambda: shell(command))


def shell(command: str) -> str:
    """Run a command line in the namespace of the calling thread; return its output, or fail the test."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def join(
    left: Namespace, left_name: str, left_address: str, right: Namespace, right_name: str, right_address: str
) -> None:
    """Lay a cable between two namespaces."""
    here = f"ip link add {left_name} type veth peer name {right_name} netns {_pin(right)}"
    left.shell(f"{here} && ip address add {left_address} dev {left_name} && ip link set {left_name} up")
    right.shell(f"ip address add {right_address} dev {right_name} && ip link set {right_name} up")


def _pin(namespace: Namespace) -> str:
    # ip takes a name below /run/netns or a process id; a thread's id is good for the kernel too
    return str(namespace.tid)


def _leave() -> None:
    if _libc.unshare(CLONE_NEWNET | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    if _libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "mount")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
