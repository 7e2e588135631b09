"""The historical subgraphs (orderbook, activity, and the conditions of pnl and positions) with their quirks.

Kept on purpose: errors come with HTTP 200; ``first`` is capped at 1000 and ``skip`` at 5000; the id of a fill is its
transaction and order hash, so an order filled twice in one transaction loses a row; only the V1 exchanges are indexed,
and nothing after the frozen head that ``_meta`` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polyledger.replica.catalogue import Catalogue
from polyledger.replica.faults import Faults
from polyledger.replica.graphql import Field, QueryError, read_query
from polyledger.replica.subgraph_entities import Entities, Row

_FIRST_DEFAULT = 100
_FIRST_CAP = 1_000
_SKIP_CAP = 5_000
_CUTOVER = 85_600_000  # the public subgraphs stopped near the exchange cutover of 2026-04-28


class _Request(msgspec.Struct):
    query: str
    variables: dict[str, Any] | None = None


class Subgraph:
    """Answers GraphQL requests below ``/subgraph/NAME/VERSION/gn`` (or ``/subgraph/NAME``)."""

    def __init__(self, catalogue: Catalogue, faults: Callable[[], Faults]) -> None:
        self._catalogue = catalogue
        self._faults = faults
        self._entities = Entities(catalogue)

    def routes(self) -> list[Route]:
        """Routes below the service's root."""
        return [
            Route("/{name}", self._answer, methods=["POST"]),
            Route("/{name}/{version}/gn", self._answer, methods=["POST"]),
        ]

    async def _answer(self, request: Request) -> Response:
        try:
            question = msgspec.json.decode(await request.body(), type=_Request)
            fields = read_query(question.query, question.variables or {})
            data = {field.key: self._field(request.path_params["name"], field) for field in fields}
        except (msgspec.MsgspecError, QueryError) as error:
            return JSONResponse({"errors": [{"message": str(error)}]})  # with status 200, as the service does
        return JSONResponse({"data": data})

    def _head(self) -> int:
        frozen = self._faults().markets.subgraph_head
        return min(self._catalogue.chain.head, _CUTOVER if frozen is None else frozen)

    def _field(self, subgraph: str, field: Field) -> Any:
        head = self._head()
        if field.name == "_meta":
            header = self._catalogue.chain.header(head)
            block = {"number": head, "hash": header.hash, "timestamp": header.timestamp}
            return _project({"block": block, "hasIndexingErrors": False, "deployment": "replica"}, field.selection)
        block_argument = field.arguments.get("block")
        if isinstance(block_argument, dict) and "number" in block_argument:
            if block_argument["number"] > head:
                raise QueryError(
                    f"Failed to decode `block.number` value: subgraph has only indexed up to block number {head} and "
                    f"data for block number {block_argument['number']} is therefore not yet available"
                )
            head = block_argument["number"]
        rows, is_list = self._entities.of(subgraph, field.name, head)
        missing = self._faults().markets.missing_subgraph
        if missing:
            rows = [row for row in rows if _condition_of(row) not in missing]
        if not is_list:
            wanted = str(field.arguments.get("id", ""))
            found = next((row for row in rows if row["id"] == wanted), None)
            return None if found is None else _project(found, field.selection)
        return [_project(row, field.selection) for row in _page(rows, field.arguments)]


def _condition_of(row: Row) -> str:
    """The condition that a row is about, as far as it says so."""
    condition = row.get("condition", row["id"])
    return str(condition["id"] if isinstance(condition, dict) else condition)


def _page(rows: Iterable[Row], arguments: dict[str, Any]) -> list[Row]:
    first, skip = int(arguments.get("first", _FIRST_DEFAULT)), int(arguments.get("skip", 0))
    if not 1 <= first <= _FIRST_CAP:
        raise QueryError(f"The value of the `first` argument must be between 1 and {_FIRST_CAP}, but is {first}")
    if not 0 <= skip <= _SKIP_CAP:
        raise QueryError(f"The value of the `skip` argument must be between 0 and {_SKIP_CAP}, but is {skip}")
    tests = [_test(name, value) for name, value in (arguments.get("where") or {}).items()]
    found = [row for row in rows if all(test(row) for test in tests)]
    order = str(arguments.get("orderBy", "id"))
    descending = str(arguments.get("orderDirection", "asc")) == "desc"
    found.sort(key=lambda row: (_comparable(row, order), row["id"]), reverse=descending)
    return found[skip : skip + first]


def _test(name: str, value: Any) -> Callable[[Row], bool]:
    comparisons: dict[str, Callable[[Any, Any], bool]] = {
        "_gte": lambda left, right: bool(left >= right),
        "_lte": lambda left, right: bool(left <= right),
        "_gt": lambda left, right: bool(left > right),
        "_lt": lambda left, right: bool(left < right),
    }
    for ending, comparison in comparisons.items():
        if name.endswith(ending):
            field = name.removesuffix(ending)
            return lambda row: comparison(_comparable(row, field), _as_number(value, field, row))
    if name.endswith("_not_in"):
        unwanted = frozenset(map(str, value))
        return lambda row: _raw(row, name.removesuffix("_not_in")) not in unwanted
    if name.endswith("_in"):
        wanted = frozenset(map(str, value))
        return lambda row: _raw(row, name.removesuffix("_in")) in wanted
    if name.endswith("_not"):
        return lambda row: _raw(row, name.removesuffix("_not")) != str(value)
    return lambda row: _raw(row, name) == str(value)


def _raw(row: Row, field: str) -> str:
    value = _value(row, field)
    return str(value["id"]) if isinstance(value, dict) else str(value)


def _value(row: Row, field: str) -> Any:
    if field not in row:
        raise QueryError(f"Type has no field `{field}`")
    return row[field]


def _comparable(row: Row, field: str) -> Any:
    """Ids compare as text, amounts and times as numbers although they travel as text."""
    value = _value(row, field)
    if field != "id" and isinstance(value, str) and value.isdecimal():
        return int(value)
    return value


def _as_number(value: Any, field: str, row: Row) -> Any:
    return int(value) if isinstance(_comparable(row, field), int) else value


def _project(row: Row, selection: list[Field]) -> Row:
    projected: Row = {}
    for field in selection:
        value = _value(row, field.name)
        if isinstance(value, dict):
            value = _project(value, field.selection)
        elif isinstance(value, list) and field.selection:
            value = [_project(one, field.selection) for one in value]
        projected[field.key] = value
    return projected
