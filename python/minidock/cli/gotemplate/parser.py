"""Tokens → nodes."""

from __future__ import annotations

from collections.abc import Collection

from minidock.cli.gotemplate.lexer import Token, fail, tokens
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
    Text,
)

#: Deep nesting is no use to anyone, and Python's stack is not endless.
DEEPEST = 100
_WORDS = ("if", "range", "with", "else", "end", "break", "continue", "define", "template", "block")


def parse(text: str, functions: Collection[str]) -> list[Node]:
    """Return the nodes of a template.

    :param functions: the names that may be called.
    :raises TemplateError: it cannot be parsed.
    """
    parser = _Parser(text, functions)
    nodes, end = parser.nodes(())
    if end:
        raise fail(parser.line, f"unexpected {{{{{end}}}}}")
    return nodes


class _Parser:
    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._at = 0
        self._functions = functions
        self._variables = [""]  # "$" is always known
        self._depth = 0
        self._loops = 0
        self.line = 1

    def _peek(self, *, skip: bool = True) -> str:
        """The kind of the next token; spaces are skipped if *skip*."""
        while skip and self._tokens[self._at].kind == "space":
            self._at += 1
        token = self._tokens[self._at]
        self.line = token.line
        return token.kind

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        self.line = token.line
        return token

    def nodes(self, ends: tuple[str, ...]) -> tuple[list[Node], str]:
        """Parse until one of the words *ends*, or the end; return that word, its pipeline not yet parsed."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise fail(self.line, "nested too deeply")
        nodes: list[Node] = []
        while self._at < len(self._tokens):
            token = self._next()
            if token.kind == "text":
                nodes.append(Text(token.value))
                continue
            word = ""
            if self._peek() == "name" and self._tokens[self._at].value in _WORDS:
                word = self._next().value
            if word in ("else", "end"):
                if word not in ends:
                    raise fail(self.line, f"unexpected {{{{{word}}}}}")
                self._depth -= 1
                return nodes, word
            nodes.append(self._node(word))
        if ends:
            raise fail(self.line, "unexpected EOF")
        self._depth -= 1
        return nodes, ""

    def _node(self, word: str) -> Node:
        if word in ("define", "template", "block"):
            raise fail(self.line, f"{word}: templates within templates are not supported")
        if word in ("break", "continue"):
            if not self._loops:
                raise fail(self.line, f"{{{{{word}}}}} outside {{{{range}}}}")
            self._close()
            return Jump(word)
        if word:
            return self._branch(word)
        pipeline = self._pipeline("command")
        self._close()
        return Action(pipeline)

    def _close(self) -> None:
        if self._peek() != "close":
            raise fail(self.line, f'unexpected "{self._tokens[self._at].value}" in command')
        self._next()

    def _branch(self, word: str) -> Branch:
        known = len(self._variables)
        pipeline = self._pipeline(word)
        self._close()
        self._loops += word == "range"
        body, end = self.nodes(("else", "end"))
        self._loops -= word == "range"
        otherwise: list[Node] = []
        if end == "else":
            if self._peek() == "name" and self._tokens[self._at].value in ("if", "with") and word != "range":
                otherwise = [self._branch(self._next().value)]
                del self._variables[known:]
                return Branch(word, pipeline, body, otherwise)
            self._close()
            otherwise, _ = self.nodes(("end",))
        self._close()
        del self._variables[known:]
        return Branch(word, pipeline, body, otherwise)

    def _pipeline(self, context: str) -> Pipeline:
        names, declares = self._assignment(context)
        calls = [self._call(context)]
        while self._peek() == "|":
            self._next()
            calls.append(self._call(context))
        if declares:
            self._variables += names
        return Pipeline(calls, names, declares)

    def _assignment(self, context: str) -> tuple[list[str], bool]:
        """Parse ``$x :=``, ``$x =`` or ``$i, $x :=`` if one stands here."""
        start = self._at
        names: list[str] = []
        while self._peek() == "variable":
            names.append(self._next().value)
            kind = self._peek()
            if kind == "," and context == "range" and len(names) == 1:
                self._next()
                continue
            if kind in (":=", "="):
                self._next()
                for name in names if kind == "=" else []:
                    self._known(name)
                return names, kind == ":="
            break
        self._at = start
        return [], False

    def _known(self, name: str) -> None:
        if name not in self._variables:
            raise fail(self.line, f'undefined variable "${name}"')

    def _call(self, context: str) -> Call:
        kind = self._peek()
        column = self._tokens[self._at].column
        if kind in ("close", "|", ")"):
            raise fail(self.line, f"missing value for {context}")
        function = ""
        if kind == "name" and self._tokens[self._at].value not in ("true", "false", "nil"):
            function = self._next().value
            if function not in self._functions:
                raise fail(self.line, f'function "{function}" not defined')
        arguments: list[Operand] = []
        while self._peek(skip=False) not in ("close", "|", ")"):
            if self._peek(skip=False) == "space":
                self._next()
                continue
            arguments.append(self._operand())
            if self._peek(skip=False) not in ("space", "close", "|", ")"):
                raise fail(self.line, f'unexpected "{self._tokens[self._at].value}" in operand')
        if not function and len(arguments) > 1 and not isinstance(arguments[0], Path):
            raise fail(self.line, "can't give argument to non-function")
        source = self._text[column : self._tokens[self._at].column].rstrip()
        return Call(function, arguments, source, column)

    def _operand(self) -> Operand:
        token = self._next()
        if token.kind == "string":
            return Literal(token.value)
        if token.kind == "number":
            return Literal(_number(token))
        if token.kind == "name":
            if token.value in ("true", "false", "nil"):
                return Literal({"true": True, "false": False, "nil": None}[token.value])
            if token.value not in self._functions:
                raise fail(token.line, f'function "{token.value}" not defined')
            return Pipeline([Call(token.value, [], token.value, token.column)], [], declares=False)
        if token.kind == "field":
            return self._path(None, token, "." + token.value)
        if token.kind == "variable":
            self._known(token.value)
            return self._path(token.value, token, "$" + token.value)
        if token.kind == "(":
            self._depth += 1
            if self._depth > DEEPEST:
                raise fail(self.line, "nested too deeply")
            inner = self._pipeline("parenthesized pipeline")
            if self._peek() != ")":
                raise fail(self.line, "unclosed left paren")
            self._next()
            self._depth -= 1
            return self._path(inner, token, "(...)")
        raise fail(token.line, f'unexpected "{token.value}" in operand')

    def _path(self, start: Operand | str | None, first: Token, source: str) -> Operand:
        """The fields of a value: those that stand right behind it."""
        fields, columns = [], []
        if first.kind == "field" and first.value:
            fields, columns = [first.value], [first.column]
        while self._peek(skip=False) == "field" and self._tokens[self._at].value:
            token = self._next()
            fields.append(token.value)
            columns.append(token.column)
            source += "." + token.value
        return Path(start, fields, source, columns)


def _number(token: Token) -> int | float:
    try:
        return int(token.value, 0)
    except ValueError:
        pass
    try:
        return float(token.value)
    except ValueError:
        raise fail(token.line, f"bad number syntax: {token.value!r}") from None
