"""A small reader of GraphQL queries: as much as questions to The Graph need.

Fields with arguments, aliases, nested selections, variables and one operation; no fragments and no directives.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_TOKEN = re.compile(
    r'(?P<skip>[\s,]+|#[^\n]*)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)'
    r"|(?P<mark>[{}()\[\]:$!=])"
)


class QueryError(ValueError):
    """The query cannot be read or asks for something that is not there; the service answers it with HTTP 200."""


class Field(msgspec.Struct):
    """One selected field: its name, the key it is answered under, its arguments and what is selected below it."""

    name: str
    key: str
    arguments: dict[str, Any]
    selection: list[Field]


def read_query(query: str, variables: dict[str, Any]) -> list[Field]:
    """The top-level fields of a query, with the variables filled in.

    Raises:
        QueryError: it is no query that this reader understands.
    """
    return _Reader(query, variables).operation()


class _Reader:
    def __init__(self, query: str, variables: dict[str, Any]) -> None:
        self._tokens = _split(query)
        self._at = 0
        self._variables = dict(variables)

    def operation(self) -> list[Field]:
        if self._peek() == "query":
            self._next()
            if self._peek() not in ("{", "("):
                self._next()  # the operation's name
            if self._peek() == "(":
                self._definitions()
        fields = self._selection()
        if self._at != len(self._tokens):
            raise QueryError(f"Unexpected {self._peek()!r} after the query")
        return fields

    def _definitions(self) -> None:
        """Variable definitions; only the defaults matter here."""
        self._expect("(")
        while self._peek() != ")":
            self._expect("$")
            name = self._next()
            self._expect(":")
            while self._peek() not in ("$", ")", "="):
                self._next()  # the type
            if self._peek() == "=":
                self._next()
                self._variables.setdefault(name, self._value())
        self._expect(")")

    def _selection(self) -> list[Field]:
        self._expect("{")
        fields = []
        while self._peek() != "}":
            name = key = self._next()
            if self._peek() == ":":
                self._next()
                name = self._next()
            arguments = self._object("(", ")") if self._peek() == "(" else {}
            selection = self._selection() if self._peek() == "{" else []
            fields.append(Field(name, key, arguments, selection))
        self._expect("}")
        return fields

    def _object(self, opening: str, closing: str) -> dict[str, Any]:
        self._expect(opening)
        values = {}
        while self._peek() != closing:
            name = self._next()
            self._expect(":")
            values[name] = self._value()
        self._expect(closing)
        return values

    def _value(self) -> Any:
        lexeme = self._peek()
        if lexeme == "{":
            return self._object("{", "}")
        if lexeme == "[":
            self._next()
            values = []
            while self._peek() != "]":
                values.append(self._value())
            self._expect("]")
            return values
        self._next()
        if lexeme == "$":
            name = self._next()
            if name not in self._variables:
                raise QueryError(f"Variable ${name} is not given")
            return self._variables[name]
        if lexeme[0] == '"' or lexeme[0] in "-0123456789":
            return msgspec.json.decode(lexeme)
        return {"true": True, "false": False, "null": None}.get(lexeme, lexeme)

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            raise QueryError("Unexpected end of query") if self._tokens else QueryError("Empty query")
        return self._tokens[self._at]

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, wanted: str) -> None:
        token = self._next()
        if token != wanted:
            raise QueryError(f"Expected {wanted!r}, found {token!r}")


def _split(query: str) -> list[str]:
    tokens, at = [], 0
    while at < len(query):
        found = _TOKEN.match(query, at)
        if found is None:
            raise QueryError(f"Unexpected character {query[at]!r}")
        if found.lastgroup != "skip":
            tokens.append(found.group())
        at = found.end()
    return tokens
