"""Importing trades that somebody already has: what is read from which file, and that nothing is lost."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from polyledger.domain.errors import UsageError
from polyledger.workspace import Workspace
from tests.trade_files import (
    CONDITIONS,
    TOKENS,
    WALLETS,
    row,
    rows_of,
    workspace_in,
    write_csv,
    write_jsonl,
    write_parquet,
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_in(tmp_path / "ledger")


def gzipped(write: Callable[[Path, list[dict[str, Any]]], Path]) -> Callable[[Path, list[dict[str, Any]]], Path]:
    def both(path: Path, rows: list[dict[str, Any]]) -> Path:
        path.write_bytes(gzip.compress(write(path, rows).read_bytes()))
        return path

    return both


def zstandard(write: Callable[[Path, list[dict[str, Any]]], Path]) -> Callable[[Path, list[dict[str, Any]]], Path]:
    def both(path: Path, rows: list[dict[str, Any]]) -> Path:
        text = write(path, rows).read_bytes()
        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(text)
        return path

    return both


@pytest.mark.parametrize(
    "write",
    [write_jsonl, write_csv, write_parquet, gzipped(write_jsonl), zstandard(write_jsonl), gzipped(write_csv)],
    ids=["jsonl", "csv", "parquet", "jsonl.gz", "jsonl.zst", "csv.gz"],
)
def test_the_same_rows_in_any_form_are_the_same_trades(
    tmp_path: Path, workspace: Workspace, write: Callable[[Path, list[dict[str, Any]]], Path]
) -> None:
    rows = [row(number) for number in range(100)]
    file = write(tmp_path / "trades", rows)
    before = file.read_bytes()
    document = workspace.import_trades([file])
    assert document["schema"] == "polyledger.import/1"
    assert document["state"] == "done"
    assert document["rows"] == {"rows": 100, "imported": 100, "rejected": 0, "repeats": 0, "duplicates": 0}
    assert file.read_bytes() == before
    found = rows_of(workspace)
    assert len(found) == 100
    for number, (given_row, trade) in enumerate(zip(rows, found, strict=True)):
        assert trade == {
            "row_number": number + 1,
            "token_id": given_row["asset"],
            "condition": given_row["conditionId"],
            "market_id": None,
            "slug": given_row["slug"],
            "outcome_index": given_row["outcomeIndex"],
            "outcome": given_row["outcome"],
            "transaction": given_row["transactionHash"],
            "log_index": None,
            "wallet": given_row["proxyWallet"],
            "role": None,
            "side": number % 2,
            "shares": int(Decimal(str(given_row["size"])) * 1_000_000),
            "collateral": int(Decimal(str(given_row["size"])) * 250_000),
            "fee": None,
            "timestamp": given_row["timestamp"],
        }


def test_the_same_content_twice_changes_nothing_and_says_so(tmp_path: Path, workspace: Workspace) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [row(number) for number in range(10)])
    workspace.import_trades([file])
    before = rows_of(workspace)
    other = tmp_path / "b.jsonl"
    shutil.copy(file, other)
    document = workspace.import_trades([file, other])
    assert [entry["state"] for entry in document["files"]] == ["already_imported"] * 2
    assert "imported as a.jsonl" in document["files"][1]["message"]
    assert rows_of(workspace) == before
    assert rows_of(workspace, "SELECT count(*) AS n FROM imported.files") == [{"n": 1}]


def test_any_subset_of_ids_is_enough(tmp_path: Path, workspace: Workspace) -> None:
    only = {
        "hash": [{"tx_hash": row(1)["transactionHash"], "usdc": "1.5"}],
        "market": [{"market_id": 253591, "outcome": "Yes", "shares": "2", "block_time": "2025-10-26 12:00:00 UTC"}],
        "slug": [{"Market Slug": "some-market", "outcome index": 1, "Amount": "3", "time": 1_764_816_217_500}],
        "clob": [{"market": CONDITIONS[0], "asset_id": TOKENS[0], "size": "4", "maker": WALLETS[0].upper()[2:]}],
    }
    only["clob"][0]["maker"] = "0x" + WALLETS[0][2:].upper()
    files = [write_csv(tmp_path / f"{name}.csv", rows) for name, rows in only.items()]
    document = workspace.import_trades(files)
    assert document["state"] == "done", document
    hashed, market, slug, clob = rows_of(workspace)
    assert (hashed["transaction"], hashed["collateral"], hashed["shares"]) == (
        row(1)["transactionHash"],
        1_500_000,
        None,
    )
    assert (market["market_id"], market["outcome"], market["timestamp"]) == ("253591", "Yes", 1_761_480_000)
    assert (slug["slug"], slug["outcome_index"], slug["timestamp"]) == ("some-market", 1, 1_764_816_217)
    assert (clob["condition"], clob["token_id"], clob["wallet"]) == (CONDITIONS[0], TOKENS[0], WALLETS[0])
    bare = "SELECT t.identity FROM imported.trades AS t WHERE t.shares IS NULL"
    assert rows_of(workspace, bare) == [{"identity": 0}]
    assert rows_of(workspace, "SELECT count(*) AS n FROM imported.identities WHERE identity = 0") == [{"n": 1}]


def test_columns_with_other_names_are_mapped_and_raw_units_taken_as_they_are(
    tmp_path: Path, workspace: Workspace
) -> None:
    rows = [{"ticket": row(1)["transactionHash"], "maker_amount_filled": 1234567, "asset": "1.1e77"}]
    file = write_csv(tmp_path / "odd.csv", rows)
    failed = workspace.import_trades([file])
    assert failed["state"] == "partial"
    assert "how much was traded" in failed["files"][0]["message"]
    mapping = {"ticket": "transaction", "maker_amount_filled": "collateral_raw", "asset": "-"}
    document = workspace.import_trades([file], columns=mapping)
    assert document["state"] == "done", document
    assert document["files"][0]["columns"] == {"transaction": "ticket", "collateral_raw": "maker_amount_filled"}
    assert [(one["collateral"], one["token_id"]) for one in rows_of(workspace)] == [(1234567, None)]
    with pytest.raises(UsageError, match="there is no 'price_in_cents'"):
        workspace.import_trades([file], columns={"asset": "price_in_cents"})
    with pytest.raises(UsageError, match="no file has such a column"):
        workspace.import_trades([file], columns={"tiket": "transaction"})
