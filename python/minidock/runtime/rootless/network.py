"""The thread in the holder's network namespace.

A network namespace, unlike a user namespace, is a matter of each thread. So the engine's process keeps its user's
network, where registries are, and one thread more is where the bridge is. Ports that concern the bridge are wrapped:
each of their calls is made by that thread, while the caller waits. What such a call starts (``nft``, a monitor) is born
there too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from minidock._pure import syscalls
from minidock.errors import SystemFault

T = TypeVar("T")
P = TypeVar("P")


class NetworkThread:
    """Makes calls in the network namespace *path*. The thread starts with the first call and ends with the process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._jobs: Any = None

    def call(self, action: Callable[[], T]) -> T:
        """Call *action* there; return what it returns, raise what it raises.

        :raises SystemFault: the namespace is gone.
        """
        from _queue import SimpleQueue

        if self._jobs is None:
            self._start()
        answer: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self._jobs.put((action, answer))
        value, error = answer.get()
        if error is not None:
            raise error
        return cast(T, value)

    def _start(self) -> None:
        import threading
        from _queue import SimpleQueue

        jobs: SimpleQueue[Any] = SimpleQueue()
        try:
            namespace = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as gone:
            raise SystemFault("the network of this user's containers is gone: its holder has ended") from gone
        threading.Thread(target=_serve, args=(namespace, jobs), daemon=True).start()
        self._jobs = jobs


def _serve(namespace: int, jobs: Any) -> None:
    failed: BaseException | None = None
    try:
        syscalls.setns(namespace, syscalls.CLONE["network"])
    except OSError as error:
        failed = SystemFault(f"the network namespace cannot be joined: {error.strerror}")
    finally:
        os.close(namespace)
    while True:
        action, answer = jobs.get()
        try:
            if failed is not None:
                raise failed
            answer.put((action(), None))
        except BaseException as error:
            answer.put((None, error))


def in_network(port: P, protocol: type[P], thread: NetworkThread) -> P:
    """Return *port* with each method of *protocol* called in *thread*."""
    wrapper = type(f"Inside{protocol.__name__}", (), {})()
    for name, declared in vars(protocol).items():
        if not name.startswith("_") and callable(declared):
            setattr(wrapper, name, _moved(getattr(port, name), thread))
    return cast(P, wrapper)


def _moved(method: Callable[..., Any], thread: NetworkThread) -> Callable[..., Any]:
    return lambda *values, **named: thread.call(lambda: method(*values, **named))
