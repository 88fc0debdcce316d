"""The recorder: it wraps a port, turns each call into a step, and tells its listeners.

>>> from minidock.trace.recorder import Recorder
>>> class Print:
...     def planned(self, steps): pass
...     def began(self, step): print("began", step.op, step.args)
...     def ended(self, step): print("ended", step.op, step.error)
>>> Recorder([Print()]).call("store.remove", {"path": "/tmp/x"}, lambda: 42)
began store.remove {'path': '/tmp/x'}
ended store.remove None
42
"""

from __future__ import annotations

import time
from _thread import RLock
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar, cast

import msgspec

from minidock.trace.step import Args, Step

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
P = TypeVar("P")


class Listener(Protocol):
    """Whoever wants to know of steps. A listener that raises stops the operation."""

    def planned(self, steps: Sequence[Step]) -> None:
        """These steps are about to be handed to a monitor; each will be reported by :meth:`ended` if it ran."""

    def began(self, step: Step) -> None:
        """A called step is about to run: nothing of it has happened yet."""

    def ended(self, step: Step) -> None:
        """A step has run, or failed (``step.error``)."""


def op(name: str) -> Callable[[F], F]:
    """Mark a port's method as one step of operation *name*; unmarked methods change nothing and are not recorded."""

    def mark(method: F) -> F:
        method.__op__ = name  # type: ignore[attr-defined]
        return method

    return mark


class Recorder:
    """Runs actions as steps and tells listeners before and after each.

    :param listeners: those who hear of every step. An operation's own listener, its journal, is added by
        :meth:`listening` for as long as the operation lasts, and is told first: what undoes a step is written down
        before anything else happens. Several threads may use a recorder (a pull has three downloads under way):
        listeners are told one thing at a time.
    """

    def __init__(self, listeners: Iterable[Listener] = ()) -> None:
        self._always = tuple(listeners)
        self._telling = RLock()
        self._scoped: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Who is told now, in this thread or task, in order."""
        return (*self._scoped.get(), *self._always)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Tell *listener*, too, of the steps of the block."""
        token = self._scoped.set((*self._scoped.get(), listener))
        try:
            yield
        finally:
            self._scoped.reset(token)

    def call(self, name: str, args: Args, action: Callable[[], R]) -> R:
        """Run *action* as one step; whatever it raises goes on up, after the listeners have seen it."""
        step = Step(name, args, began=time.time_ns())
        listeners = self.listeners
        with self._telling:
            for listener in listeners:
                listener.began(step)
        start = time.perf_counter_ns()
        try:
            return action()
        except BaseException as error:
            step.error = str(error) or type(error).__name__
            step.errno = getattr(error, "errno", None) or 0
            raise
        finally:
            step.took = time.perf_counter_ns() - start
            with self._telling:
                for listener in listeners:
                    listener.ended(step)

    def planned(self, steps: Sequence[Step]) -> None:
        """Announce the steps of a plan, before a monitor gets it."""
        with self._telling:
            for listener in self.listeners:
                listener.planned(steps)

    def reported(self, step: Step) -> None:
        """Pass on a planned step that a monitor has reported."""
        with self._telling:
            for listener in self.listeners:
                listener.ended(step)


def recorded(port: P, protocol: type[P], recorder: Recorder) -> P:
    """Return *port* with each method that *protocol* marks with :func:`op` recorded.

    The result has the same methods; a step's ``args`` are the call's arguments by their names in *protocol*.
    """
    wrapper = type(f"Recorded{protocol.__name__}", (), {})()
    for name, declared in vars(protocol).items():
        if name.startswith("_") or not callable(declared):
            continue
        method = getattr(port, name)
        operation = getattr(declared, "__op__", None)
        if operation is not None:
            code = declared.__code__  # not inspect.signature: that module alone costs 10 ms of every command
            names = list(code.co_varnames[1 : code.co_argcount])
            method = _recorded_method(method, operation, names, recorder)
        setattr(wrapper, name, method)
    return cast(P, wrapper)


def _recorded_method(
    method: Callable[..., Any], operation: str, names: list[str], recorder: Recorder
) -> Callable[..., Any]:
    def call(*values: Any, **named: Any) -> Any:
        args = {name: plain(value) for name, value in (*zip(names, values, strict=False), *named.items())}
        return recorder.call(operation, args, lambda: method(*values, **named))

    return call


def plain(value: Any) -> Any:
    """Return *value* as JSON values; bytes are named by their length, since no step shows file contents."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return msgspec.to_builtins(value, str_keys=True)
