"""Importing trades that somebody already has: what is read from which file, what is refused, that nothing is lost."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyledger
from polyledger.config import load_settings
from polyledger.domain.errors import UsageError
from polyledger.sources.files.numbers import value_of
from polyledger.workspace import Workspace
from tests.paths import real_file
from tests.test_cli_process import run
from tests.worlds import COMMAND, command_environment

TOKENS = [str(int.from_bytes(bytes([n + 1]) * 32, "big")) for n in range(4)]
CONDITIONS = ["0x" + f"{n + 0xA0:02x}" * 32 for n in range(2)]
WALLETS = ["0x" + f"{n + 1:02x}" * 20 for n in range(3)]
TRADES = """
SELECT t.row_number, k.token_id, '0x' || lower(hex(c.condition_id)) AS condition, i.market_id, i.slug,
       i.outcome_index, i.outcome, '0x' || lower(hex(x.hash)) AS transaction, t.log_index,
       '0x' || lower(hex(a.address)) AS wallet, t.role, t.side, t.shares, t.collateral, t.fee, t.timestamp
FROM imported.trades AS t
JOIN imported.identities AS i ON i.identity = t.identity
LEFT JOIN dim.tokens AS k ON k.token = i.token
LEFT JOIN dim.conditions AS c ON c.condition = i.condition
LEFT JOIN imported.transactions AS x ON x.transaction = t.transaction
LEFT JOIN dim.accounts AS a ON a.account = t.wallet
ORDER BY t.trade
"""


def workspace_in(folder: Path) -> Workspace:
    return polyledger.open(folder, settings=load_settings(folder, {}))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_in(tmp_path / "ledger")


def rows_of(workspace: Workspace, query: str = TRADES) -> list[dict[str, Any]]:
    return workspace.sql(query).arrow().to_pylist()


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A trade as the Data API lists it."""
    values: dict[str, Any] = {
        "proxyWallet": WALLETS[number % 3],
        "side": ("BUY", "SELL")[number % 2],
        "asset": TOKENS[number % 4],
        "conditionId": CONDITIONS[number % 2],
        "size": 10 + number / 8,
        "price": 0.25,
        "timestamp": 1_764_816_217 + number,
        "slug": f"market-{number % 2}",
        "outcome": ("Yes", "No")[number % 2],
        "outcomeIndex": number % 2,
        "transactionHash": "0x" + f"{number + 1:064x}",
    }
    return {**values, **changes}


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=40)
    return path


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


def test_rows_that_cannot_be_read_go_to_a_file_with_the_reason(tmp_path: Path, workspace: Workspace) -> None:
    wrong = {
        2: ({"asset": "1.1e+77"}, "floating-point number"),
        3: ({"conditionId": CONDITIONS[0][2:]}, "is not a condition id"),
        4: ({"transactionHash": "0x12"}, "is not a transaction hash"),
        5: ({"proxyWallet": WALLETS[0] + "00"}, "is not an address"),
        6: ({"side": "HOLD"}, "neither BUY nor SELL"),
        7: ({"size": "-3"}, "is not an amount"),
        8: ({"price": 54}, "is not a price from 0 to 1"),
        9: ({"timestamp": "yesterday"}, "is not a time"),
        10: ({"outcomeIndex": 1.5}, "is not an outcome index"),
        11: ({"transactionHash": "0x" + "zz" * 32}, "is not a transaction hash"),
    }
    rows = [row(number, **wrong.get(number, ({},))[0]) for number in range(1, 13)]
    text = "".join(json.dumps(one) + "\n" for one in rows)
    file = tmp_path / "mixed.jsonl"
    file.write_text(text + "\n{broken\n[1]\n" + json.dumps(row(16)))
    document = workspace.import_trades([file])
    entry = document["files"][0]
    assert (entry["state"], entry["rows"], entry["imported"], entry["rejected"]) == ("imported", 15, 3, 12)
    assert Path(entry["rejects"]) == workspace.path / "rejects" / "mixed.jsonl.jsonl"
    rejects = [json.loads(line) for line in Path(entry["rejects"]).read_text().splitlines()]
    assert [one["row"] for one in rejects] == [*wrong, 14, 15]
    for reject in rejects[:-2]:
        assert wrong[reject["row"]][1] in reject["reason"]
    assert all("not a JSON object" in one["reason"] for one in rejects[-2:])
    assert [one["row_number"] for one in rows_of(workspace)] == [1, 12, 16]
    known = rows_of(workspace, "SELECT rows, rejected FROM imported.files")
    assert known == [{"rows": 15, "rejected": 12}]


def test_short_and_long_rows_of_csv_are_rejected_and_the_others_keep_their_numbers(
    tmp_path: Path, workspace: Workspace
) -> None:
    file = tmp_path / "ragged.csv"
    lines = ["tx_hash,size,slug", f"{row(0)['transactionHash']},1,a", "only", f"{row(1)['transactionHash']},2,b"]
    lines += ["1,2,3,4", f'{row(2)["transactionHash"]},3,"with\na break"', "tail"]
    file.write_text("\n".join(lines))
    document = workspace.import_trades([file])
    assert (document["rows"]["imported"], document["rows"]["rejected"]) == (3, 3), document
    assert [(one["row_number"], one["shares"]) for one in rows_of(workspace)] == [(1, 1e6), (3, 2e6), (5, 3e6)]
    rejects = [json.loads(line) for line in Path(document["files"][0]["rejects"]).read_text().splitlines()]
    assert [one["row"] for one in rejects] == [2, 4, 6]


def truncated(path: Path) -> Path:
    body = gzip.compress("".join(json.dumps(row(number)) + "\n" for number in range(5000)).encode())
    path.write_bytes(body[: len(body) // 2])
    return path


def float_tokens(path: Path) -> Path:
    rows = [row(number, asset=float(TOKENS[0])) for number in range(3)]
    return write_parquet(path, rows)


def of_bytes(body: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(body)
        return path

    return write


BAD_FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda path: path, "No such file"),
    "folder": (lambda path: path.mkdir() or path, "is a folder"),  # type: ignore[func-returns-value]
    "empty": (of_bytes(b""), "is empty"),
    "blank": (of_bytes(b"\n \n"), "is empty"),
    "only-names": (of_bytes(b"tx_hash,size\n"), "has no rows"),
    "no-rows": (lambda path: write_parquet(path, [row(0)]) and _emptied(path), "no rows"),
    "array": (of_bytes(json.dumps([row(0)]).encode()), "one JSON array"),
    "html": (of_bytes(b"<!doctype html><p>Sorry"), "HTML"),
    "picture": (of_bytes(bytes(range(128, 256)) * 50), "not text in UTF-8"),
    "unknown-columns": (of_bytes(b"alpha,beta\n1,2\n"), "no column that says which market"),
    "truncated": (truncated, "ends in the middle"),
    "damaged": (lambda path: _damaged(write_parquet(path, [row(n) for n in range(500)])), "cannot be read to its end"),
    "float-tokens": (float_tokens, "holds token ids as floating-point numbers, such as 4.5"),
    "nothing-readable": (of_bytes(b"asset,size\n1.1e77,1\n1.2e77,2\n"), "None of the 2 rows"),
    "all-null": (of_bytes(b"asset,size,price\n,,\nnull,null,null\n"), "no value in any column that is read"),
    "twice-named": (of_bytes(b"asset,size,asset\n1,1,1\n"), "two columns 'asset'"),
}


def _emptied(path: Path) -> Path:
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    return path


def _damaged(path: Path) -> Path:
    body = bytearray(path.read_bytes())
    body[100:4000] = bytes(3900)
    path.write_bytes(body)
    return path


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_with_the_reason_and_the_next_is_imported(
    tmp_path: Path, workspace: Workspace, kind: str
) -> None:
    write, said = BAD_FILES[kind]
    bad = write(tmp_path / "bad")
    good = write_csv(tmp_path / "good.csv", [row(1)])
    document = workspace.import_trades([bad, good])
    assert [entry["state"] for entry in document["files"]] == ["failed", "imported"], document
    assert said in document["files"][0]["message"]
    assert document["state"] == "partial"
    assert len(rows_of(workspace)) == 1
    assert rows_of(workspace, "SELECT name FROM imported.files") == [{"name": "good.csv"}]
    assert not list(workspace.path.glob("rejects/.*"))


def test_the_command_ends_with_one_when_a_file_failed(tmp_path: Path) -> None:
    good = write_csv(tmp_path / "good.csv", [row(n) for n in range(3)])
    failed = run("-w", tmp_path / "ledger", "import", good, tmp_path / "missing.csv")
    assert failed.returncode == 1
    assert "missing.csv" in failed.stdout
    assert max(map(len, failed.stdout.splitlines())) <= 80
    done = run("-w", tmp_path / "ledger", "import", good, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["state"] == "already_imported"
    usage = run("-w", tmp_path / "ledger", "import", good, "--map", "nothing")
    assert usage.returncode == 2


def test_equal_rows_in_one_file_are_trades_and_in_a_second_file_repeats(tmp_path: Path, workspace: Workspace) -> None:
    twice = [row(1), row(1), row(2)]
    first = write_jsonl(tmp_path / "first.jsonl", twice)
    second = write_csv(tmp_path / "second.csv", [row(2), row(1), row(1), row(1), row(3)])
    assert workspace.import_trades([first])["rows"]["repeats"] == 0
    assert workspace.import_trades([second])["rows"]["repeats"] == 3
    assert rows_of(workspace, "SELECT * FROM imported.repeats ORDER BY trade") == [
        {"trade": 3, "first_trade": 2},
        {"trade": 4, "first_trade": 0},
        {"trade": 5, "first_trade": 1},
    ]
    third = write_parquet(tmp_path / "third.parquet", [row(1), row(1), row(1), row(1)])
    assert workspace.import_trades([third])["rows"]["repeats"] == 3


def test_a_log_happens_once(tmp_path: Path, workspace: Workspace) -> None:
    rows = [row(1, logIndex=7), row(1, logIndex=8), row(1, logIndex=7, size=3)]
    file = write_jsonl(tmp_path / "logs.jsonl", rows)
    assert workspace.import_trades([file])["rows"]["repeats"] == 1
    assert rows_of(workspace, "SELECT * FROM imported.repeats") == [{"trade": 2, "first_trade": 0}]


def test_real_trades_are_read_to_the_last_digit(workspace: Workspace) -> None:
    file = real_file("trades.jsonl.gz")
    document = workspace.import_trades([file])
    assert document["rows"] == {"rows": 3500, "imported": 3500, "rejected": 0, "repeats": 0, "duplicates": 0}
    given_rows = [
        json.loads(line, parse_float=Decimal) for line in gzip.decompress(file.read_bytes()).decode().splitlines()
    ]
    for given_row, trade in zip(given_rows, rows_of(workspace), strict=True):
        value = Decimal(given_row["size"]) * Decimal(given_row["price"]) * 1_000_000
        assert trade["token_id"] == given_row["asset"]
        assert trade["condition"] == given_row["conditionId"]
        assert trade["transaction"] == given_row["transactionHash"]
        assert trade["shares"] == Decimal(given_row["size"]) * 1_000_000
        assert trade["collateral"] == value.to_integral_value(ROUND_HALF_EVEN)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**13),
            st.one_of(
                st.integers(0, 10**6).map(lambda n: Decimal(n) / 10**6),
                st.integers(0, 10**15).map(lambda n: Decimal(n) / 10**15),
            ),
        ),
        min_size=1,
    )
)
def test_value_is_shares_times_price_rounded_half_to_even(pairs: list[tuple[int, Decimal]]) -> None:
    shares = np.array([pair[0] for pair in pairs], np.int64)
    prices = np.array([float(pair[1]) for pair in pairs])
    wanted = [int((count * price).to_integral_value(ROUND_HALF_EVEN)) for count, price in pairs]
    assert value_of(shares, prices).tolist() == wanted


@pytest.mark.long
def test_a_killed_import_leaves_no_half_file_and_the_same_command_finishes(tmp_path: Path) -> None:
    ledger, file = tmp_path / "ledger", tmp_path / "many.parquet"
    count = 600_000
    numbers = np.arange(count)
    pq.write_table(
        pa.table(
            {
                "asset": pa.array([TOKENS[n % 4] for n in range(1000)] * (count // 1000)),
                "transactionHash": [f"0x{n:064x}" for n in range(1, count + 1)],
                "size": numbers / 8 + 1,
                "price": np.full(count, 0.5),
            }
        ),
        file,
        row_group_size=50_000,
    )
    small = write_csv(tmp_path / "small.csv", [row(n) for n in range(5)])
    arguments = [*COMMAND, "-w", str(ledger), "import", str(small), str(file), "--json"]
    kills = 0
    for delay in (0.05, 0.3, 0.6):
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=command_environment("http://-")
        )
        assert process.stderr is not None
        for line in io.TextIOWrapper(process.stderr.buffer, line_buffering=True):
            if "looking at many.parquet" in line:
                break
        time.sleep(delay)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        process.communicate()
        with workspace_in(ledger) as workspace:
            stored = rows_of(workspace, "SELECT count(*) AS n FROM imported.trades")[0]["n"]
            files = rows_of(workspace, "SELECT sum(rows) AS n FROM imported.files")[0]["n"]
        assert stored == files
        assert stored in (5, 5 + count)
    assert kills
    done = run("-w", ledger, "import", small, file, "--json")
    assert done.returncode == 0, done.stderr
    with workspace_in(ledger) as workspace:
        found = rows_of(
            workspace,
            "SELECT count(*) AS n, count(DISTINCT transaction) AS x, count(DISTINCT trade) AS t FROM imported.trades",
        )
        assert found == [{"n": count + 5, "x": count, "t": count + 5}]
