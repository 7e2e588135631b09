"""``verify --against``: files made from the truth with one thing left out, and the cause that is named for it."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyledger.domain.errors import UsageError
from polyledger.workspace import Workspace
from tests.paths import DEVWORLD_TRUTH, real_file
from tests.worlds import COMMAND, NOWHERE, command_environment, document_of, workspace_at

Truth = dict[str, Any]


@pytest.fixture(scope="module")
def workspace(devworld: Path) -> Iterator[Workspace]:
    with workspace_at(devworld, NOWHERE) as opened:
        yield opened


@pytest.fixture(scope="module")
def truth() -> Truth:
    found = document_of(DEVWORLD_TRUTH)
    assert isinstance(found, dict)
    return found


@dataclass
class Book:
    """Somebody's own reckoning: cash by condition and shares by token of one wallet, from the truth's lists."""

    cash: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    shares: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def fill_into(book: Book, fill: Truth, *, fees: bool = True, refunds: bool = True) -> None:
    fee = fill["fee"] - (fill["fee_refund"] if refunds else 0) if fees else 0
    in_shares = fill["fee_asset"] != "USDC"
    buys = fill["side"] == "BUY"
    book.shares[fill["token_id"]] += fill["size"] * (1 if buys else -1) - (fee if in_shares else 0)
    paid = fill["usdc_dust_refund"] - fill["usdc"] if buys else fill["usdc"]
    book.cash[fill["condition_id"]] += paid - (0 if in_shares else fee)


def books_of(
    truth: Truth,
    *,
    without: frozenset[str] = frozenset(),
    without_cash: frozenset[str] = frozenset(),
    fees: bool = True,
    refunds: bool = True,
    fills: Callable[[Truth], bool] = lambda _: True,
) -> dict[str, Book]:
    books: dict[str, Book] = defaultdict(Book)
    by_id = {condition["condition_id"]: condition for condition in truth["conditions"]}
    groups: dict[str, list[Truth]] = defaultdict(list)
    for condition in truth["conditions"]:
        groups[condition["neg_risk_market_id"]].append(condition)
    for fill in truth["fills"]:
        if fills(fill):
            fill_into(books[fill["wallet"].lower()], fill, fees=fees, refunds=refunds)
    for operation in truth["operations"]:
        kind, book = operation["kind"], books[operation["wallet"].lower()]
        paid = 0 if kind in without_cash else 1
        if kind.removeprefix("batch_") in without:
            continue
        if kind in {"split", "merge"}:
            sign = 1 if kind == "split" else -1
            book.cash[operation["condition_id"]] -= paid * sign * operation["amount"]
            for token in by_id[operation["condition_id"]]["token_ids"]:
                book.shares[token] += sign * operation["amount"]
        elif kind == "redeem":
            book.cash[operation["condition_id"]] += paid * operation["usdc_out"]
            for token, amount in zip(by_id[operation["condition_id"]]["token_ids"], operation["amounts"], strict=True):
                book.shares[token] -= amount
        elif kind == "convert":
            book.cash[operation["neg_risk_market_id"]] += paid * operation["usdc_out"]
            for condition in groups[operation["neg_risk_market_id"]]:
                given = operation["index_set"] >> condition["neg_risk_index"] & 1
                book.shares[condition["token_ids"][given]] += operation["amount"] * (-1 if given else 1)
        elif kind in {"transfer", "batch_transfer"}:
            tokens = operation.get("token_ids") or [operation["token_id"]]
            amounts = operation.get("amounts") or [operation["amount"]]
            for token, amount in zip(tokens, amounts, strict=True):
                book.shares[token] -= amount
                books[operation["to"].lower()].shares[token] += amount
    return books


def profits(
    truth: Truth, books: dict[str, Book], *, turned: bool = False, by_category: bool = False
) -> dict[tuple[str, str], int]:
    """Realized profit in millionths by wallet (and category); shares that never came in are worth nothing."""
    groups: dict[str, list[Truth]] = defaultdict(list)
    for condition in truth["conditions"]:
        groups[condition["neg_risk_market_id"]].append(condition)
    total: dict[tuple[str, str], int] = defaultdict(int)
    for wallet, book in books.items():
        for condition in truth["conditions"]:
            numerators = condition.get("payout_numerators")
            if numerators is None:
                continue
            paid = numerators[::-1] if turned and len(numerators) == 2 else numerators
            key = (wallet, condition["category"] if by_category else "")
            total[key] += book.cash[condition["condition_id"]]
            for token, numerator in zip(condition["token_ids"], paid, strict=True):
                total[key] += max(book.shares[token], 0) * numerator // sum(paid)
        for group, members in groups.items():
            if group is not None and all("payout_numerators" in member for member in members):
                total[wallet, members[0]["category"] if by_category else ""] += book.cash[group]
    return total


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def their_file(path: Path, figures: dict[tuple[str, str], int], known: set[str]) -> Path:
    rows = [
        {"Wallet Address": wallet, "category": category, "total_pnl": f"{value / 1_000_000:.6f}"}
        for (wallet, category), value in sorted(figures.items())
        if wallet in known
    ]
    if not any(row["category"] for row in rows):
        rows = [{name: value for name, value in row.items() if name != "category"} for row in rows]
    return written(path, rows)


def wallets_of(truth: Truth) -> set[str]:
    return {address.lower() for address in truth["final"]} - {truth["operator"].lower()}


def compared(workspace: Workspace, file: Path, **options: str) -> dict[str, Any]:
    document = workspace.verify_against(file, **options).document
    assert document["schema"] == "polyledger.verify-against/1"
    assert document["agree"] + document["differ"] + document["not_in_ledger"] == document["rows"]
    return document


def causes(document: dict[str, Any]) -> dict[str, int]:
    return {entry["cause"]: entry["differences"] for entry in document["causes"]}


def test_an_independent_reckoning_agrees(workspace: Workspace, truth: Truth, tmp_path: Path) -> None:
    for by_category in (False, True):
        theirs = profits(truth, books_of(truth), by_category=by_category)
        document = compared(workspace, their_file(tmp_path / f"{by_category}.csv", theirs, wallets_of(truth)))
        assert document["ok"] is True
        assert (document["differ"], document["not_in_ledger"], document["not_in_file"]) == (0, 0, 0)
        assert document["columns"]["wallet"] == "Wallet Address"
        assert document["columns"]["realized_pnl"] == "total_pnl"


LEFT_OUT: dict[str, dict[str, Any]] = {
    "fees": {"fees": False},
    "fee_refunds": {"refunds": False},
    "conversions": {"without": frozenset({"convert"})},
    "transfers": {"without": frozenset({"transfer"})},
    "splits": {"without": frozenset({"split"})},
    # A whole set is worth what it pays, so leaving out a merge or a redemption altogether changes nothing.
    "merges": {"without_cash": frozenset({"merge"})},
    "redemptions": {"without_cash": frozenset({"redeem"})},
    "fills_only": {"without": frozenset({"split", "merge", "redeem", "convert", "transfer"})},
    "missing_fills": {"fills": lambda fill: fill["role"] != "maker"},
}


@pytest.mark.parametrize(
    ("cause", "by_category"), [*((cause, True) for cause in LEFT_OUT), ("fees", False), ("conversions", False)]
)
@pytest.mark.long
def test_what_was_left_out_is_named(
    workspace: Workspace, truth: Truth, tmp_path: Path, cause: str, by_category: bool
) -> None:
    ours = profits(truth, books_of(truth), by_category=by_category)
    theirs = profits(truth, books_of(truth, **LEFT_OUT[cause]), by_category=by_category)
    file = their_file(tmp_path / "theirs.csv", {key: theirs[key] for key in ours}, wallets_of(truth))
    differing = {key for key, value in ours.items() if key[0] in wallets_of(truth) and abs(theirs[key] - value) > 1}
    document = compared(workspace, file)
    assert document["ok"] is False
    assert {(entry["wallet"], entry["category"] or "") for entry in document["differences"]} == differing
    assert causes(document) == {cause: len(differing)}
    for entry in document["differences"]:
        key = (entry["wallet"], entry["category"] or "")
        assert entry["difference"] == f"{(theirs[key] - ours[key]) / 1_000_000:.6f}"
        assert entry["why"]


def test_two_things_left_out(workspace: Workspace, truth: Truth, tmp_path: Path) -> None:
    theirs = profits(truth, books_of(truth, fees=False, without=frozenset({"split"})))
    document = compared(workspace, their_file(tmp_path / "theirs.csv", theirs, wallets_of(truth)))
    found = causes(document)
    assert found.keys() <= {"fees + splits", "fees", "splits"}
    assert found["fees + splits"] > 0


def test_outcomes_mixed_up(workspace: Workspace, truth: Truth, tmp_path: Path) -> None:
    theirs = profits(truth, books_of(truth), turned=True)
    # They redeem nothing themselves, so what was redeemed stays right; the shares still held are at the wrong payout.
    document = compared(workspace, their_file(tmp_path / "theirs.csv", theirs, wallets_of(truth)))
    assert causes(document) == {"outcome_index": document["differ"]}
    assert document["differ"] > 0


def test_one_missing_condition_and_one_missing_fill(workspace: Workspace, truth: Truth, tmp_path: Path) -> None:
    ours = profits(truth, books_of(truth))
    resolved = {c["condition_id"] for c in truth["conditions"] if "payout_numerators" in c and not c["neg_risk"]}
    missing = next(fill for fill in truth["fills"] if fill["condition_id"] in resolved and fill["side"] == "BUY")
    wallet = missing["wallet"].lower()
    theirs = profits(truth, books_of(truth, fills=lambda fill: fill is not missing))
    document = compared(workspace, their_file(tmp_path / "fill.csv", {**ours, (wallet, ""): theirs[wallet, ""]},
                                              wallets_of(truth)))  # fmt: skip
    (entry,) = document["differences"]
    assert (entry["wallet"], entry["cause"]) == (wallet, "missing_fills")
    assert missing["tx_hash"] in entry["why"]
    whole = missing["condition_id"]
    books = books_of(truth)
    del books[wallet].cash[whole]
    for condition in truth["conditions"]:
        if condition["condition_id"] == whole:
            for token in condition["token_ids"]:
                books[wallet].shares.pop(token, None)
    document = compared(workspace, their_file(tmp_path / "condition.csv", profits(truth, books),
                                              wallets_of(truth)))  # fmt: skip
    (entry,) = document["differences"]
    assert (entry["cause"], whole in entry["why"]) == ("missing_fills", True)


def test_trades_under_another_market_are_told_from_missing_ones(
    workspace: Workspace, truth: Truth, tmp_path: Path
) -> None:
    moved = next(c for c in truth["conditions"] if "payout_numerators" in c and not c["neg_risk"])
    other = next(c["category"] for c in truth["conditions"] if c["category"] != moved["category"])
    changed = {**truth, "conditions": [{**c, "category": other} if c is moved else c for c in truth["conditions"]]}
    theirs = profits(changed, books_of(truth), by_category=True)
    document = compared(workspace, their_file(tmp_path / "theirs.csv", theirs, wallets_of(truth)))
    assert document["differ"] > 0
    assert causes(document) == {"wrong_market": document["differ"]}
    assert all(moved["condition_id"] in entry["why"] for entry in document["differences"])


def test_volume_counted_twice_and_another_unit(workspace: Workspace, truth: Truth, tmp_path: Path) -> None:
    volume: dict[str, int] = defaultdict(int)
    for fill in truth["fills"]:
        spent = fill["usdc"] - fill["usdc_dust_refund"]
        volume[fill["wallet"].lower()] += spent
        if fill["role"] == "maker":
            volume[fill["counterparty"].lower()] += fill["usdc"]
    rows = [
        {"user": wallet, "volume_usd": value / 1_000_000}
        for wallet, value in volume.items()
        if wallet in wallets_of(truth)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "volume.parquet")
    document = compared(workspace, tmp_path / "volume.parquet")
    assert causes(document) == {"double_counting": document["differ"]}
    assert document["differ"] > 0
    ours = profits(truth, books_of(truth))
    micro = {key: value * 1_000_000 for key, value in ours.items()}
    document = compared(workspace, their_file(tmp_path / "unit.csv", micro, wallets_of(truth)))
    assert causes(document) == {"unit": document["differ"]}


def test_tolerance_and_what_no_rule_explains(workspace: Workspace, truth: Truth, tmp_path: Path) -> None:
    ours = profits(truth, books_of(truth))
    first = min(key for key in ours if key[0] in wallets_of(truth))
    off = their_file(tmp_path / "off.csv", {**ours, first: ours[first] + 1_234_567}, wallets_of(truth))
    assert causes(compared(workspace, off)) == {"unexplained": 1}
    assert compared(workspace, off, tolerance="1.234567")["ok"] is True


def test_a_mapping_is_checked_by_proof(workspace: Workspace, truth: Truth, tmp_path: Path) -> None:
    rows = [
        {"token_id": token, "condition_id": condition["condition_id"], "outcome_index": index,
         "market_id": condition["market_id"]}
        for condition in truth["conditions"] for index, token in enumerate(condition["token_ids"])
    ]  # fmt: skip
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "right.jsonl").write_text(lines, encoding="utf-8")
    document = compared(workspace, tmp_path / "right.jsonl")
    assert (document["ok"], document["agree"]) == (True, len(rows))
    rows[0]["outcome_index"] = 82
    rows[2]["condition_id"], rows[4]["market_id"] = rows[6]["condition_id"], "12"
    document = compared(workspace, written(tmp_path / "wrong.csv", rows))
    assert causes(document) == {"outcome_index": 1, "wrong_condition": 1, "wrong_market": 1}
    assert document["agree"] == len(rows) - 3


def test_real_mappings_that_went_wrong(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("poisoned_lookup", "token_mappings_bad_index"):
        packed = real_file(f"{name}.jsonl.gz")
        (tmp_path / f"{name}.jsonl").write_bytes(gzip.decompress(packed.read_bytes()))
    poisoned = compared(workspace, tmp_path / "poisoned_lookup.jsonl")
    assert causes(poisoned) == {"collapsed": 15_733}
    tokens = compared(workspace, tmp_path / "token_mappings_bad_index.jsonl")
    assert causes(tokens).keys() == {"outcome_index"}
    assert all(entry["ours"] in {0, 1} for entry in tokens["differences"])


def test_files_that_cannot_be_compared(workspace: Workspace, truth: Truth, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        workspace.verify_against(tmp_path / "none.csv")
    with pytest.raises(UsageError, match=r"no columns that can be compared \(it has a, b\)"):
        workspace.verify_against(written(tmp_path / "a.csv", [{"a": 1, "b": 2}]))
    with pytest.raises(UsageError, match="floating-point"):
        workspace.verify_against(
            written(tmp_path / "f.csv", [{"token_id": "1.1e+77", "condition_id": "0x" + "a" * 64}])
        )
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UsageError, match="cannot be read"):
        workspace.verify_against(tmp_path / "cut.parquet")
    rows = [{"wallet": "0x" + "1" * 40, "pnl": "1"}, {"wallet": min(wallets_of(truth)), "pnl": "much"}]
    document = workspace.verify_against(written(tmp_path / "odd.csv", rows)).document
    assert (document["not_in_ledger"], document["unreadable"], document["unreadable_rows"]) == (1, 1, [2])
    assert document["ok"] is False


def test_the_command(workspace: Workspace, truth: Truth, tmp_path: Path) -> None:
    theirs = profits(truth, books_of(truth, fees=False))
    file = their_file(tmp_path / "theirs.csv", theirs, wallets_of(truth))
    workspace.close()
    command = [*COMMAND, "-w", str(workspace.path), "verify", "--against", str(file)]
    environment = {**command_environment("http://127.0.0.1:1"), "COLUMNS": "80"}
    shown = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert shown.returncode == 1, shown.stderr
    assert "fees are left out" in shown.stdout
    assert max(map(len, shown.stdout.splitlines()[1:])) <= 80
    right = their_file(tmp_path / "right.csv", profits(truth, books_of(truth)), wallets_of(truth))
    workspace.close()
    agreed = subprocess.run([*command[:-1], str(right)], capture_output=True, text=True, env=environment, check=False)
    assert agreed.returncode == 0, agreed.stderr
    assert "agrees" in agreed.stdout
