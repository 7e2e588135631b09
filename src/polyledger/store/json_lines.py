"""JSON texts to columns, by the engine's own parser: numbers keep every digit they were written with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa

IS_OBJECT: Final = "\0object"
_READ: Final = """
SELECT json_transform(CASE WHEN is_object THEN line END, $shape) AS row, is_object
FROM (
    SELECT line, CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END AS is_object
    FROM lines
)
"""


class JsonLines:
    """A parser with a database of its own in memory, so that files and the ledger are out of its reach."""

    def __init__(self, threads: int | None = None) -> None:
        self._connection = duckdb.connect(config={"threads": threads} if threads else {})
        self._connection.execute("SET enable_external_access = false")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def __call__(self, lines: pa.Array, names: Sequence[str]) -> pa.Table:
        """A text column for each name, null where a line lacks it; whether each line is an object at all.

        Objects and arrays come as their JSON text.
        """
        shape = json.dumps(dict.fromkeys(names, "VARCHAR"))
        self._connection.register("lines", pa.table({"line": lines}))
        try:
            found = self._connection.sql(_READ, params={"shape": shape}).to_arrow_table().combine_chunks()
        finally:
            self._connection.unregister("lines")
        row = found.column("row").combine_chunks()
        columns = dict(zip(names, row.flatten(), strict=True)) if found.num_rows else {}
        empty = pa.array([], pa.string())
        return pa.table({**{name: columns.get(name, empty) for name in names}, IS_OBJECT: found.column("is_object")})
