"""Reading a file of figures or mappings that somebody already has: Parquet, CSV or JSON lines, column by column.

Everything stays text at first, so that no reader turns a token id into a floating-point number on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from polyledger.domain.errors import UsageError

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "wallet": ("wallet", "walletaddress", "address", "user", "trader", "proxywallet", "account", "maker"),
    "realized_pnl": (
        "realizedpnl", "pnl", "totalpnl", "netpnl", "profit", "realizedprofit", "totalprofit", "netprofit", "pnlusd",
        "profitusd", "pnlusdc", "realizedpnlusd", "realizedpnlusdc", "profitloss",
    ),
    "category": ("category", "marketcategory"),
    "volume": ("volume", "totalvolume", "volumeusd", "volumeusdc", "tradevolume"),
    "coverage": (
        "coverageconditions", "coverage", "coveragepct", "coveragepercent", "resolutioncoverage",
    ),
    "token": ("tokenid", "token", "assetid", "asset", "clobtokenid", "positionid"),
    "condition": ("conditionid", "condition", "cid"),
    "market": ("marketid", "gammaid", "gammamarketid", "market"),
    "outcome_index": ("outcomeindex", "outcomeslot", "outcomeidx"),
}  # fmt: skip
"""What a column can be, and the names it goes by, lower case and without anything but letters."""
_FIGURES: Final = ("wallet", "category", "realized_pnl", "volume", "coverage")
_LINKS: Final = ("token", "condition", "market", "outcome_index")
_ENDINGS: Final = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")
_PACKED: Final = (".gz", ".zst")


@dataclass(frozen=True)
class TheirFile:
    """A file of somebody else's results.

    Attributes:
        path: the file.
        columns: what we take from it → the name of the column there.
        rows: those columns as text (null where the file has nothing), and `row`, counted from 1.
    """

    path: Path
    columns: dict[str, str]
    rows: pa.Table

    @property
    def kind(self) -> str:
        """``pnl`` when it has figures of wallets, else ``mapping``."""
        return "pnl" if "wallet" in self.columns else "mapping"


def read_theirs(path: Path) -> TheirFile:
    """Read the columns of a file that can be compared.

    Raises:
        UsageError: no such file, another format, nothing in it, or no columns that can be compared.
    """
    if not path.is_file():
        raise UsageError(f"There is no file {path}", "Give a Parquet, CSV or JSONL file to --against")
    connection = duckdb.connect()
    try:
        source, names, text = _source(connection, path)
        columns = _recognised(names, path)
        chosen = ", ".join(f"{text(theirs)} AS {ours}" for ours, theirs in columns.items())
        table = connection.sql(f"SELECT {chosen} FROM {source}").to_arrow_table()
    except duckdb.Error as error:
        raise UsageError(
            f"{path} cannot be read ({str(error).splitlines()[0]})", "Give a Parquet, CSV or JSONL file to --against"
        ) from error
    finally:
        connection.close()
    if not table.num_rows:
        raise UsageError(f"{path} has no rows", "Give a file with at least one row to compare")
    columns, table = _market_or_condition(columns, table)
    _refuse_floats(path, columns, table)
    return TheirFile(path, columns, table.append_column("row", pa.array(range(1, table.num_rows + 1), pa.int64())))


class _Text:
    """How a column is written in the query; a class of its own so that both ways have one type."""

    def __init__(self, pattern: str, quote: str) -> None:
        self._pattern, self._quote = pattern, quote

    def __call__(self, name: str) -> str:
        return self._pattern.format(name.replace(self._quote, self._quote * 2))


_json_text: Final = _Text("nullif(json->>'$.\"{}\"', '')", "'")
_column_text: Final = _Text("nullif(trim(CAST(\"{}\" AS VARCHAR)), '')", '"')


def _source(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[str, list[str], _Text]:
    """The table function that reads the file, its column names, and how a column is taken as text."""
    name = path.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    quoted = "'" + str(path).replace("'", "''") + "'"
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
    if ending is None:
        raise UsageError(f"{path} is of no format that can be compared", f"Give one of {', '.join(_ENDINGS)}")
    if ending in {".jsonl", ".ndjson"}:
        source = f"read_ndjson_objects({quoted})"
        rows = connection.execute(
            f"SELECT DISTINCT unnest(json_keys(json)) FROM (SELECT json FROM {source} LIMIT 1000)"
        ).fetchall()
        return source, sorted(str(row[0]) for row in rows), _json_text
    source = f"read_parquet({quoted})" if ending == ".parquet" else f"read_csv({quoted}, all_varchar=true, header=true)"
    rows = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return source, [str(row[0]) for row in rows], _column_text


def _recognised(names: list[str], path: Path) -> dict[str, str]:
    plain = {"".join(filter(str.isalpha, name.lower())): name for name in reversed(names)}
    found = {
        role: next(plain[known] for known in spellings if known in plain)
        for role, spellings in ROLES.items()
        if any(known in plain for known in spellings)
    }
    if "wallet" in found and found.keys() & {"realized_pnl", "volume", "coverage"}:
        return {role: name for role, name in found.items() if role in _FIGURES}
    keys = found.keys() & {"token", "condition"}
    if keys and (len(keys) == 2 or found.keys() & {"market", "outcome_index"}):
        return {role: name for role, name in found.items() if role in _LINKS}
    raise UsageError(
        f"{path} has no columns that can be compared (it has {', '.join(names[:20])})",
        "It needs wallet and pnl, or token_id or condition_id with market_id, condition_id or outcome_index",
    )


def _market_or_condition(columns: dict[str, str], table: pa.Table) -> tuple[dict[str, str], pa.Table]:
    """A column called market may hold condition ids, as in the CLOB's answers."""
    if "market" not in columns or "condition" in columns:
        return columns, table
    first = next((value.as_py() for value in table.column("market") if value.is_valid), "")
    if not first.lower().startswith("0x"):
        return columns, table
    renamed = {"condition" if role == "market" else role: name for role, name in columns.items()}
    return renamed, table.rename_columns(["condition" if name == "market" else name for name in table.column_names])


def _refuse_floats(path: Path, columns: dict[str, str], table: pa.Table) -> None:
    if "token" not in columns:
        return
    first = next((value.as_py() for value in table.column("token") if value.is_valid), "")
    if "e+" in first.lower() or "." in first:
        raise UsageError(
            f"{path} has token ids as floating-point numbers ({first}); their digits are lost",
            "Write them as text and try again",
        )
