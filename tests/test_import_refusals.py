"""Rows and files that cannot be imported: set aside with the reason, and the rest goes on."""

from __future__ import annotations

import gzip
import io
import json
import signal
import subprocess
import time
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyledger.sources.files.numbers import value_of
from polyledger.workspace import Workspace
from tests.paths import real_file
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
from tests.worlds import COMMAND, command_environment
from tests.worlds import run_here as run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_in(tmp_path / "ledger")


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
