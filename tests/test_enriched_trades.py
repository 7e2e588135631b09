"""An imported file written again with what each row is: their columns, their order, their number of rows."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.errors import UsageError
from polyledger.domain.records import Lookup
from polyledger.sources.answers import Answer, Evidence
from polyledger.sources.clob import market_record
from polyledger.store.attribution import attribute
from polyledger.store.database import Database
from polyledger.sync.claim_writer import ClaimWriter
from tests.paths import real_file
from tests.worlds import NOWHERE, workspace_at

THEIRS = ("maker", "market_id", "token", "side", "size", "price", "tx", "note")


@pytest.fixture(scope="module")
def ledger(devworld: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[dict[str, str]]]:
    """A ledger of the shipped world with an imported file of its fills, every 7th left out and some unreadable."""
    folder = tmp_path_factory.mktemp("enriched")
    with workspace_at(Path(shutil.copytree(devworld, folder / "w")), NOWHERE) as workspace:
        fills = workspace.sql(
            "SELECT wallet, token_id, side, shares, collateral, transaction_hash FROM fills ORDER BY block, log_index"
        ).document["rows"]
        rows = []
        for number, (wallet, token, side, shares, collateral, hash_) in enumerate(fills):
            if number % 7 == 0:
                continue
            known = number % 5 != 0
            rows.append(
                {
                    "maker": wallet,
                    "market_id": "",
                    "token": token if known else "",
                    "side": side,
                    "size": f"{shares / 1e6:.6f}" if number % 100 != 1 else "many",
                    "price": str(collateral / shares),
                    "tx": hash_,
                    "note": f'row "{number}", as written',
                }
            )
        file = folder / "theirs.csv"
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, THEIRS)
            writer.writeheader()
            writer.writerows(rows)
        workspace.import_trades([file])
    return folder / "w", file, rows


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_their_rows_come_out_as_they_went_in(
    ledger: tuple[Path, Path, list[dict[str, str]]], tmp_path: Path, ending: str
) -> None:
    folder, file, rows = ledger
    out = tmp_path / f"enriched.{ending}"
    with workspace_at(folder, NOWHERE) as workspace:
        assert workspace.export("enriched-trades", out, file=file)["rows"] == len(rows)
        coverage = workspace.coverage().document
    written: list[dict[str, Any]]
    if ending == "parquet":
        written = pq.read_table(out).to_pylist()
    elif ending == "csv":
        with out.open(newline="") as text:
            written = list(csv.DictReader(text))
    else:
        written = [json.loads(line) for line in out.read_text().splitlines()]
    assert tuple(written[0])[: len(THEIRS)] == THEIRS
    assert [{name: row[name] or "" for name in THEIRS} for row in written] == rows
    unreadable = [row for row in written if row["size"] == "many"]
    assert unreadable
    assert {(row["state"], row["condition_id"] or "") for row in unreadable} == {("unfillable", "")}
    read = [row for row in written if row["size"] != "many"]
    assert all(
        row["condition_id"] and row["ledger_market_id"] and row["verdict"] == "proven" for row in read if row["token"]
    )
    duplicates = sum(str(row["duplicate"]).lower() == "true" for row in read)
    assert duplicates == coverage["trades"]["duplicates"] > 1500


def test_a_file_that_was_not_imported_is_refused(
    ledger: tuple[Path, Path, list[dict[str, str]]], tmp_path: Path
) -> None:
    folder, file, _ = ledger
    other = tmp_path / "other.csv"
    other.write_text(file.read_text() + "\n")
    with workspace_at(folder, NOWHERE) as workspace, pytest.raises(UsageError, match="imported"):
        workspace.export("enriched-trades", tmp_path / "out.csv", file=other)
    assert not list(tmp_path.glob("*out*"))


def test_what_the_file_lacks_can_be_taken_out(ledger: tuple[Path, Path, list[dict[str, str]]], tmp_path: Path) -> None:
    folder, _, rows = ledger
    with workspace_at(folder, NOWHERE) as workspace:
        fills = len(workspace.sql("SELECT 1 FROM fills").document["rows"])
        duplicates = workspace.coverage().document["trades"]["duplicates"]
        missing = workspace.export("missing-trades", tmp_path / "missing.csv")["rows"]
        every = workspace.export("enriched-trades", tmp_path / "all.parquet")["rows"]
    assert missing == fills - duplicates
    assert every == sum(row["size"] != "many" for row in rows)


def _claim(folder: Path, markets: list[dict[str, Any]]) -> None:
    """What CLOB says of its markets, through the way in of all claims."""
    database = Database(folder / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)
    evidence = Evidence("clob", "https://clob/markets", (), 200, json.dumps(markets).encode(), 1_700_000_000.0)
    records = [market_record(market) for market in markets]
    answers = [Answer(str(record.condition_id), Lookup.FOUND, (evidence,), record) for record in records]
    ClaimWriter(database, folder / "evidence", "run", ContractSet.mainnet()).commit("clob", "market", answers)
    with database.transaction() as connection:
        attribute(connection)
    database.close()


def test_real_trades_with_holes_are_attributed_by_proof_or_say_that_they_are_not(tmp_path: Path) -> None:
    """86 % without condition and market, 10 % without their token: claims of the 59 real markets fill what they can."""
    with gzip.open(real_file("trades.jsonl.gz"), "rt") as text:
        truth = [json.loads(line) for line in text]
    with gzip.open(real_file("clob_markets.jsonl.gz"), "rt") as text:
        markets = [json.loads(line) for line in text]
    file = tmp_path / "holes.jsonl"
    given = []
    for number, row in enumerate(truth):
        holes = dict(row)
        if number * 37 % 100 < 86:
            holes |= {"conditionId": "", "slug": "", "outcome": "", "outcomeIndex": None}
        if number * 53 % 100 < 10:
            holes |= {"asset": ""}
        given.append(holes)
    file.write_text("".join(json.dumps(row) + "\n" for row in given))
    # A row that names a token and its condition proves both outcomes' tokens, wherever else they stand.
    named = {row["conditionId"] for row in given if row["asset"] and row["conditionId"]}
    proven = {row["asset"] for row in truth if row["conditionId"] in named}
    known = sum(bool(row["conditionId"] or row["asset"] in proven) for row in given)
    with workspace_at(tmp_path / "w", NOWHERE) as workspace:
        assert workspace.import_trades([file])["rows"]["imported"] == len(truth)
        before = workspace.coverage().document["trades"]
    assert before["condition"] == known < len(truth)
    assert before["pending"] == before["total"] - before["condition"]
    _claim(tmp_path / "w", markets)
    with workspace_at(tmp_path / "w", NOWHERE) as workspace:
        coverage = workspace.coverage().document
        workspace.export("enriched-trades", tmp_path / "out.jsonl", file=file)
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(written) == len(truth)
    states: Counter[str] = Counter()
    for row, right in zip(written, truth, strict=True):
        states[row["state"]] += 1
        if row["condition_id"] is not None:
            assert (row["condition_id"], row["outcome_index"]) == (right["conditionId"], right["outcomeIndex"])
        if row["asset"]:
            assert (row["state"], row["verdict"]) == ("attributed", "proven")
        elif not row["conditionId"]:
            assert (row["state"], row["condition_id"]) == ("pending", None)
    assert states["attributed"] == coverage["trades"]["condition"]
    assert coverage["trades"]["pending"] == states["pending"] > 0
    assert (coverage["trades"]["conflict"], coverage["links"]["refuted"]) == (0, 0)
