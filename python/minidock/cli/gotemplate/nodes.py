"""What a template is made of, once it is parsed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class TemplateError(Exception):
    """A template cannot be parsed or executed. The message is Go's where it can be."""


class Text:
    """Text that is copied as it is."""

    def __init__(self, text: str) -> None:
        self.text = text


class Literal:
    """A constant: a string, a number, true, false or nil."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Path:
    """``.A.B`` (of the dot), ``$x.A`` (of a variable), ``(pipeline).A`` (of a result).

    ``source`` and ``columns`` (of each field, counted from 0) are for messages.
    """

    def __init__(self, start: Operand | str | None, fields: list[str], source: str, columns: list[int]) -> None:
        self.start = start
        self.fields = fields
        self.source = source
        self.columns = columns


class Call:
    """A function and its arguments, or an operand alone (``function`` empty)."""

    def __init__(self, function: str, arguments: list[Operand], source: str, column: int) -> None:
        self.function = function
        self.arguments = arguments
        self.source = source
        self.column = column


class Pipeline:
    """Calls joined by ``|``: each gets the result of the one before as its last argument.

    ``variables`` are declared (``:=``) or set (``=``) to the result.
    """

    def __init__(self, calls: list[Call], variables: list[str], declares: bool) -> None:
        self.calls = calls
        self.variables = variables
        self.declares = declares


class Action:
    """A pipeline whose result is printed, unless it sets a variable."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline


class Branch:
    """``if``, ``with`` or ``range``: a pipeline, what is done with it, and what otherwise."""

    def __init__(self, word: str, pipeline: Pipeline, body: list[Node], otherwise: list[Node]) -> None:
        self.word = word
        self.pipeline = pipeline
        self.body = body
        self.otherwise = otherwise


class Jump:
    """``break`` or ``continue``."""

    def __init__(self, word: str) -> None:
        self.word = word


Operand = Literal | Path | Pipeline
Node = Text | Action | Branch | Jump
