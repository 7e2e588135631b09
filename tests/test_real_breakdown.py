"""The 3,500 real trades of one wallet with the 59 real markets: its breakdown by real tags, reckoned here once more."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib import resources
from statistics import median
from typing import Any

import pytest

from tests.real_world import Row, amounts, real_world, records, write_rows
from tests.test_truth import micro
from tests.worlds import replica_of, workspace_at


def category_of(labels: list[str]) -> str:
    """The first rule, from the top, of the table as it is written that has one of the labels as a slug."""
    text = resources.files("polyledger.domain").joinpath("categories.toml").read_text("utf-8")
    slugs = {"-".join("".join(c if c.isalnum() else " " for c in label.lower()).split()) for label in labels}
    for rule in tomllib.loads(text)["rule"]:
        if slugs & set(rule["tags"]):
            return str(rule["category"])
    return "Uncategorized"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("real")
    world = real_world(folder / "world", lambda _transaction: False)
    conditions = [market["condition_id"] for market in records("clob_markets.jsonl.gz")]
    trades = records("trades.jsonl.gz")
    file = write_rows(folder / "trades.jsonl", trades)
    only_clob = {"markets": {"missing_gamma": conditions, "missing_data": conditions}}
    chain = {"from_block": world.to_block}  # the empty block at its end: nothing of the chain is in the ledger
    with replica_of(world, only_clob) as url, workspace_at(folder / "ledger", url, chain=chain) as workspace:
        workspace.import_trades([file])
        assert workspace.sync()["state"] == "done"
        found = workspace.wallet(trades[0]["proxyWallet"]).document
        ranked = workspace.wallets(order_by="roi").document["wallets"]
        assert [row["wallet"] for row in ranked] == [found["wallet"]]
        assert ranked[0]["roi"] == found["roi"]
        by_tag = workspace.categories().document
        assert {row["category"] for row in by_tag["categories"] if row["trades"]} == {
            part["category"] for part in found["categories"]
        }
        assert all(
            rule["rule"].startswith("tag:") for row in by_tag["categories"] for rule in row["rules"] if row["trades"]
        )
        yield found


class Position:
    """One condition of the wallet, row by row."""

    def __init__(self) -> None:
        self.cash = self.volume = self.paid = 0
        self.held: Counter[str] = Counter()
        self.bought: Counter[str] = Counter()

    def take(self, trade: Row) -> None:
        shares, collateral = amounts(trade)
        sign = 1 if trade["side"] == "BUY" else -1
        self.cash -= sign * collateral
        self.volume += collateral
        self.paid += collateral if sign == 1 else 0
        self.held[trade["asset"]] += sign * shares


def test_the_breakdown_by_real_tags(document: dict[str, Any]) -> None:
    markets = {market["condition_id"]: market for market in records("clob_markets.jsonl.gz")}
    positions: defaultdict[str, Position] = defaultdict(Position)
    for trade in records("trades.jsonl.gz"):
        positions[trade["conditionId"]].take(trade)
    by_category: defaultdict[str, list[tuple[Row, Position]]] = defaultdict(list)
    for condition, position in positions.items():
        by_category[category_of(markets[condition]["tags"] or [])].append((markets[condition], position))
    shown = {part["category"]: part for part in document["categories"]}
    assert shown.keys() == by_category.keys()
    assert len(shown) > 4
    for category, parts in by_category.items():
        check(shown[category], parts)
    check(document, [part for parts in by_category.values() for part in parts])
    for name in ("realized_pnl", "cash_flow", "volume", "low", "high", "settled_value"):
        assert sum(micro(part[name]) for part in shown.values()) == micro(document[name])


def check(row: dict[str, Any], parts: list[tuple[Row, Position]]) -> None:
    """What was sold without having been bought in these trades leaves a condition unsettled: coverage says how many."""
    cash = volume = settled = realized = low = high = paid = whole = won = yes = no = 0
    for market, position in parts:
        wins = {token["token_id"]: token["winner"] for token in market["tokens"]}
        worth = sum(max(shares, 0) for token, shares in position.held.items() if wins[token])
        missing = sum(max(-shares, 0) for shares in position.held.values())
        cash, volume, settled = cash + position.cash, volume + position.volume, settled + worth
        low, high = low + position.cash + worth - missing, high + position.cash + worth
        if not missing:
            whole += 1
            realized += position.cash + worth
            paid += position.paid
            won += position.cash + worth > 0
        first, second = (position.held[token["token_id"]] for token in market["tokens"])
        yes, no = yes + (first > second), no + (second > first)
    expected = {"cash_flow": cash, "volume": volume, "settled_value": settled, "realized_pnl": realized,
                "low": low, "high": high, "paid": paid}  # fmt: skip
    assert {name: micro(row[name]) for name in expected} == expected
    counts = {"traded_conditions": len(parts), "resolved_conditions": whole, "winning_conditions": won,
              "yes_conditions": yes, "no_conditions": no}  # fmt: skip
    assert {name: row[name] for name in counts} == counts
    assert row["coverage"]["conditions"] == whole / len(parts)
    assert row["roi"] == (pytest.approx(realized / paid) if paid else None)
    sizes = [position.volume for _, position in parts]
    assert micro(row["position_size"]["largest"]) == max(sizes)
    assert micro(row["position_size"]["median"]) == pytest.approx(median(sizes), abs=1)


def test_the_sentence_says_where_the_profit_is_and_how_much_is_known(document: dict[str, Any]) -> None:
    settled = int(document["coverage"]["conditions"] * 100)
    profit = micro(document["realized_pnl"])
    best = max(document["categories"], key=lambda part: micro(part["realized_pnl"]) * (1 if profit > 0 else -1))
    assert f"wallet's {'profit' if profit > 0 else 'loss'} is in {best['category']}" in document["sentence"]
    assert document["sentence"].endswith(f"with {settled} % of its conditions settled.")
