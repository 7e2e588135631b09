"""Answers in the forms that people and programs want them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Result:
    """An answer in three forms: the JSON document, an Arrow table, and data frames made from that."""

    document: dict[str, Any]
    _table: Callable[[], pa.Table]

    def arrow(self) -> pa.Table:
        """The answer as an Arrow table; amounts are integers in millionths."""
        return self._table()

    def df(self) -> Any:
        """The answer as a pandas data frame (pandas must be installed)."""
        return self.arrow().to_pandas()

    def pl(self) -> pl.DataFrame:
        """The answer as a polars data frame (polars must be installed)."""
        import polars as pl

        frame = pl.from_arrow(self.arrow())
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame, never a series
        return frame


def query_document(table: pa.Table) -> dict[str, Any]:
    rows = [[_json_value(value) for value in row.values()] for row in table.to_pylist()]
    return {"schema": "polyledger.sql/1", "columns": table.column_names, "rows": rows}


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, dt.datetime):
        return f"{value.isoformat()}Z"
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return [_json_value(entry) for entry in value]
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return str(value)
    return value
