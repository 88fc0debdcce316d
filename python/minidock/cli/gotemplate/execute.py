"""Nodes and data → text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from minidock.cli.gotemplate.builtins import FUNCTIONS, LAZY, truth
from minidock.cli.gotemplate.nodes import (
    Action,
    Branch,
    Call,
    Jump,
    Literal,
    Node,
    Operand,
    Path,
    Pipeline,
    TemplateError,
    Text,
)
from minidock.cli.gotemplate.parser import parse
from minidock.cli.gotemplate.printf import show, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: A template cannot print more: ``range`` within ``range`` is no way to fill the memory.
MOST_OUTPUT = 64 << 20


class Record(dict[str, "Any"]):
    """A map whose keys are all there are, as the fields of a Go struct: an unknown one is an error.

    ``methods`` take arguments: ``{{.Label "name"}}``.
    """

    kind = "struct"
    methods: Mapping[str, Callable[..., Any]] = {}


class _Jumped(Exception):
    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Template:
    """One parsed template.

    :param functions: functions besides Go's and Docker's.
    :param strict: an unknown key of a map is an error too (Go's ``missingkey=error``).
    :raises TemplateError: it cannot be parsed.
    """

    def __init__(
        self, text: str, functions: Mapping[str, Callable[..., Any]] | None = None, *, strict: bool = False
    ) -> None:
        self._functions = {**FUNCTIONS, **(functions or {})}
        self.nodes = parse(text, (*self._functions, *LAZY))
        self._strict = strict

    def execute(self, data: Any) -> str:
        """Return the text for *data*.

        :raises TemplateError: it cannot be executed.
        """
        run = _Run(self._functions, self._strict, data)
        run.nodes(self.nodes, data)
        return "".join(run.output)


class _Run:
    """One execution: the output so far, and the variables that are known."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], strict: bool, data: Any) -> None:
        self._functions = functions
        self._strict = strict
        self._variables: list[tuple[str, Any]] = [("", data)]
        self._size = 0
        self.output: list[str] = []

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MOST_OUTPUT:
            raise TemplateError(f"template: the output is longer than {MOST_OUTPUT} characters")
        self.output.append(text)

    def nodes(self, nodes: Sequence[Node], dot: Any) -> None:
        for node in nodes:
            if isinstance(node, Text):
                self._write(node.text)
            elif isinstance(node, Action):
                value = self._pipeline(node.pipeline, dot)
                if not node.pipeline.variables:
                    self._write(show(value, "<no value>"))
            elif isinstance(node, Branch):
                self._branch(node, dot)
            elif isinstance(node, Jump):
                raise _Jumped(node.word)

    def _branch(self, node: Branch, dot: Any) -> None:
        known = len(self._variables)
        if node.word == "range":
            self._range(node, dot)
        else:
            value = self._pipeline(node.pipeline, dot)
            if truth(value):
                self.nodes(node.body, value if node.word == "with" else dot)
            else:
                self.nodes(node.otherwise, dot)
        del self._variables[known:]

    def _range(self, node: Branch, dot: Any) -> None:
        value = self._evaluate(node.pipeline, dot)
        names = node.pipeline.variables
        empty = True
        for key, item in _items(value):
            empty = False
            known = len(self._variables)
            pairs = zip(names, (key, item) if len(names) == 2 else (item,), strict=False)
            for name, part in pairs:
                self._bind(name, part, node.pipeline.declares)
            try:
                self.nodes(node.body, item)
            except _Jumped as jump:
                if jump.word == "break":
                    break
            finally:
                del self._variables[known:]
        if empty:
            self.nodes(node.otherwise, dot)

    def _bind(self, name: str, value: Any, declares: bool) -> None:
        if declares:
            self._variables.append((name, value))
            return
        at = max(at for at, (known, _) in enumerate(self._variables) if known == name)
        self._variables[at] = (name, value)

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        value = self._evaluate(pipeline, dot)
        for name in pipeline.variables:
            self._bind(name, value, pipeline.declares)
        return value

    def _evaluate(self, pipeline: Pipeline, dot: Any) -> Any:
        value: Any = None
        for position, call in enumerate(pipeline.calls):
            value = self._call(call, dot, [value] if position else [])
        return value

    def _call(self, call: Call, dot: Any, piped: list[Any]) -> Any:
        if not call.function:
            return self._plain(call, dot, piped)
        if call.function in LAZY:
            return self._lazy(call, dot, piped)
        values = [self._operand(argument, dot) for argument in call.arguments] + piped
        try:
            return self._functions[call.function](*values)
        except TypeError as wrong:
            raise self._failed(call, _arguments_wanted(self._functions[call.function], call, len(values))) from wrong
        except (TemplateError, OverflowError, ValueError, RecursionError) as wrong:
            raise self._failed(call, f"error calling {call.function}: {wrong}") from wrong

    def _plain(self, call: Call, dot: Any, piped: list[Any]) -> Any:
        """An operand alone, or a method of a record with its arguments."""
        first, *others = call.arguments
        if not others and not piped:
            return self._operand(first, dot)
        if isinstance(first, Path) and first.fields:
            owner = self._operand(Path(first.start, first.fields[:-1], first.source, first.columns[:-1]), dot)
            method = owner.methods.get(first.fields[-1]) if isinstance(owner, Record) else None
            if method is not None:
                return method(*(self._operand(other, dot) for other in others), *piped)
        raise TemplateError(f"template: :1:{call.column}: can't give argument to non-function")

    def _lazy(self, call: Call, dot: Any, piped: list[Any]) -> Any:
        """``and``: the first false argument or the last; ``or``: the first true one or the last."""
        value: Any = None
        count = len(call.arguments) + len(piped)
        if not count:
            raise self._failed(call, f"wrong number of args for {call.function}: want at least 1 got 0")
        for position in range(count):
            inner = position < len(call.arguments)
            value = self._operand(call.arguments[position], dot) if inner else piped[0]
            if truth(value) != (call.function == "and"):
                break
        return value

    @staticmethod
    def _failed(call: Call, reason: str) -> TemplateError:
        return TemplateError(f'template: :1:{call.column}: executing "" at <{call.source}>: {reason}')

    def _operand(self, operand: Operand, dot: Any) -> Any:
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Pipeline):
            return self._evaluate(operand, dot)
        if operand.start is None:
            value = dot
        elif isinstance(operand.start, str):
            value = next(value for name, value in reversed(self._variables) if name == operand.start)
        else:
            value = self._operand(operand.start, dot)
        for position in range(len(operand.fields)):
            value = self._field(value, operand, position)
        return value

    def _field(self, value: Any, path: Path, position: int) -> Any:
        field = path.fields[position]
        where = f'template: :1:{path.columns[position]}: executing "" at <{path.source}>: '
        if isinstance(value, Record):
            if field not in value:
                raise TemplateError(f"{where}can't evaluate field {field} in type {value.kind}")
            return value[field]
        if isinstance(value, dict):
            if field not in value and self._strict:
                raise TemplateError(f'{where}map has no entry for key "{field}"')
            return value.get(field)
        if value is None:
            raise TemplateError(f"{where}nil data; no entry for key {field!r}".replace("'", '"'))
        kind = "interface {}" if self._strict else type_name(value)
        raise TemplateError(f"{where}can't evaluate field {field} in type {kind}")


def _arguments_wanted(function: Callable[..., Any], call: Call, got: int) -> str:
    code = function.__code__
    least = code.co_argcount - len(function.__defaults__ or ())
    at_least = "at least " if code.co_flags & 4 else ""  # it takes any number more
    if at_least or got != least:
        return f"wrong number of args for {call.function}: want {at_least}{least} got {got}"
    return f"wrong type of args for {call.function}"


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """What ``range`` goes over: a list with its indexes, a map with its sorted keys, a number from 0."""
    if isinstance(value, dict):
        return iter(sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return iter(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return ((number, number) for number in range(value))
    if value is None:
        return iter(())
    raise TemplateError(f"template: range can't iterate over {show(value)}")
