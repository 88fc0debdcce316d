"""The blobs of one image, three at a time, each once; who waits for one learns of any that failed.

Threads suffice: they wait for the network, and hashing and writing let go of the GIL. They are daemons: a thread that
waits for a dead server, or for another process that brings in the same blob, does not keep a cancelled command alive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from types import TracebackType

from minidock.errors import Unavailable
from minidock.oci.digest import Digest
from minidock.oci.manifest import Descriptor

#: As in Docker (max-concurrent-downloads).
PARALLEL = 3
#: How long a failed pull waits for its other downloads to notice, in seconds: one that hangs is left behind.
_PATIENCE = 1.0


class Stopped(Unavailable):
    """A download that was given up because another one failed, or the user wanted it so."""

    def __init__(self) -> None:
        super().__init__("the download was stopped")


class Downloads:
    """Fetches *blobs* in order; leaving the ``with`` block stops those under way.

    :param fetch: brings one blob into the store; it calls its second argument now and then, which raises
        :class:`Stopped` when there is no use in going on.
    """

    def __init__(
        self,
        blobs: Sequence[Descriptor],
        fetch: Callable[[Descriptor, Callable[[], None]], None],
        parallel: int = PARALLEL,
    ) -> None:
        self._todo = list({blob.digest: blob for blob in blobs}.values())[::-1]  # a stack: the lowest layer on top
        self._fetch = fetch
        self._done: set[Digest] = set()
        self._error: BaseException | None = None
        self._stopped = False
        self._changed = threading.Condition()
        count = min(parallel, len(self._todo))
        # Each thread runs in a copy of our context, so that who listens to our steps hears of theirs too.
        self._threads = [
            threading.Thread(target=copy_context().run, args=(self._work,), name="download", daemon=True)
            for _ in range(count)
        ]

    def wait(self, digest: Digest) -> None:
        """Wait until the blob is there; raise the first error of any download."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or digest in self._done)
            if self._error is not None:
                raise self._error

    def _check(self) -> None:
        if self._stopped:
            raise Stopped

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._stopped or not self._todo:
                    return
                blob = self._todo.pop()
            try:
                self._fetch(blob, self._check)
            except BaseException as error:
                with self._changed:
                    self._stopped = True
                    self._error = self._error or error
                    self._changed.notify_all()
                return
            with self._changed:
                self._done.add(blob.digest)
                self._changed.notify_all()

    def __enter__(self) -> Downloads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopped = True
        deadline = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(None if kind is None else max(0.0, deadline - time.monotonic()))
