"""Whole worlds against their truth: every figure of every wallet, reckoned here a second and a third time."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from polyledger.workspace import Workspace
from tests.brute_force import Ledger, Wallet
from tests.paths import BIGWORLD_LOGS, WORLDS_WITH_TRUTH
from tests.worlds import document_of, replica_of, workspace_at, world_of

AMOUNTS = ("realized_pnl", "cash_flow", "settled_value", "transferred_value", "low", "high", "volume")
COUNTS = ("traded_conditions", "resolved_conditions", "winning_conditions", "yes_conditions", "no_conditions")
FIGURES = {*AMOUNTS, *COUNTS, "coverage", "win_rate", "predominant_side", "rests_on_transfers"}
BREAKDOWN = {
    "paid", "roi", "average_pnl", "position_size", "early_share", "late_share", "win_rate_interval", "skill",
}  # fmt: skip
POSITION = {
    "condition", "market", "question", "category", "event", "outcomes", "cash_flow", "settled_value", "realized_pnl",
    "low", "high", "payout", "state", "verdict",
}  # fmt: skip
AMOUNT = re.compile(r"-?\d+\.\d{6}")


class Case:
    """One world: its ledger, its truth file and the brute-force reckoning of its logs."""

    def __init__(self, workspace: Workspace, report: dict[str, Any], logs: Path, truth: Path) -> None:
        self.workspace = workspace
        self.report = report
        self.thorough = logs == BIGWORLD_LOGS
        self.logs = document_of(logs)["logs"]
        self.truth = document_of(truth)
        self.brute = Ledger(self.logs, self.truth)
        self.documents = {w["wallet"]: w for w in workspace.wallets().document["wallets"]}
        operator = self.truth["operator"].lower()
        self.finals = {a.lower(): final for a, final in self.truth["final"].items() if a.lower() != operator}


@pytest.fixture(scope="module", params=WORLDS_WITH_TRUTH)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    logs, truth = request.param
    folder = tmp_path_factory.mktemp("ledger")
    with replica_of(world_of(logs)) as url, workspace_at(folder, url) as workspace:
        report = workspace.sync()
        yield Case(workspace, report, logs, truth)


def micro(text: str) -> int:
    assert AMOUNT.fullmatch(text), text
    return int(Decimal(text) * 1_000_000)


def test_the_run_is_done_and_counts_what_the_world_holds(case: Case) -> None:
    assert case.report["schema"] == "polyledger.sync/1"
    assert case.report["state"] == "done"
    assert case.report["unbalanced"] == 0
    assert case.report["rows"]["fills"] == len(case.truth["fills"]) == case.brute.legs
    assert case.report["rows"]["unknown_logs"] == 0
    assert case.report["rows"]["conversions"] == sum(o["kind"] == "convert" for o in case.truth["operations"])
    assert case.report["coverage"] == case.workspace.coverage().document


def test_every_check_of_the_books_passes(case: Case) -> None:
    document = case.workspace.verify().document
    assert document["schema"] == "polyledger.verify/1"
    assert document["ok"] is True
    for check in document["checks"]:
        assert check.keys() == {"name", "status", "reason", "checked", "failed", "examples"}
        assert check["failed"] == 0
        assert check["examples"] == []
        expected = "not_applicable" if check["name"] == "protocol_v2_books" else "ok"
        assert check["status"] == expected, check
        assert (check["reason"] is None) == (expected == "ok")
        assert (check["checked"] > 0) == (expected == "ok")


def test_cash_settled_value_and_profit_of_every_wallet_and_category_equal_the_truth(case: Case) -> None:
    conditions = {c["condition_id"].lower(): c for c in case.truth["conditions"]}
    of_token = {token: c for c in conditions.values() for token in c["token_ids"]}
    groups: dict[str, list[dict[str, Any]]] = {}
    for condition in conditions.values():
        groups.setdefault(condition["neg_risk_market_id"] or "", []).append(condition)
    assert case.documents.keys() == case.finals.keys()
    for address, final in case.finals.items():
        cash, settled, realized, slack = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        for key, amount in final["cash_by_condition"].items():
            if key.startswith("convert:"):
                members = groups[key.removeprefix("convert:")]
                category = members[0]["category"]
                resolved = all("payout_numerators" in member for member in members)
            else:
                category = conditions[key.lower()]["category"]
                resolved = "payout_numerators" in conditions[key.lower()]
            cash[category] += amount
            realized[category] += amount if resolved else 0
        for token, balance in final["token_balances"].items():
            condition = of_token[token]
            numerators = condition.get("payout_numerators")
            if numerators is not None:
                value = balance * numerators[condition["token_ids"].index(token)] // sum(numerators)
                settled[condition["category"]] += value
                realized[condition["category"]] += value
                slack[condition["category"]] += 1
        # The truth's own sums, where it states them, are the same.
        assert {k: v for k, v in cash.items() if v} == {k: v for k, v in final["cash_by_category"].items() if v}
        for category, value in final["unredeemed_value_by_category"].items():
            assert abs(settled[category] - value) <= slack[category]
        rows = {row["category"]: row for row in case.documents[address]["categories"]}
        assert {c for c in cash | settled if cash[c] or settled[c]} <= rows.keys()
        for category, row in rows.items():
            assert micro(row["cash_flow"]) == cash[category], (address, category)
            assert micro(row["settled_value"]) == settled[category], (address, category)
            assert micro(row["realized_pnl"]) == realized[category], (address, category)


def test_every_share_balance_equals_the_truth(case: Case) -> None:
    rows = case.workspace.sql("SELECT wallet, token_id, shares FROM positions WHERE shares <> 0").document["rows"]
    expected = {
        (address, token): balance
        for address, final in case.finals.items()
        for token, balance in final["token_balances"].items()
        if balance
    }
    assert {(wallet, token): shares for wallet, token, shares in rows} == expected


def test_every_fill_equals_the_truth(case: Case) -> None:
    columns = (
        "transaction_hash, order_hash, wallet, counterparty, role, side, token_id, outcome_index, "
        "shares, collateral, fee, fee_refund, CASE WHEN side = 'BUY' THEN leftover ELSE 0 END"
    )
    rows = Counter(tuple(row) for row in case.workspace.sql(f"SELECT {columns} FROM fills").document["rows"])
    roles = {"maker": "maker", "taker": "taker", "filled_by_operator": "operator"}
    expected = Counter(
        (
            f["tx_hash"], f["order_hash"], f["wallet"].lower(), f["counterparty"].lower(), roles[f["role"]], f["side"],
            f["token_id"], f["outcome_index"], f["size"], f["usdc"], f["fee"], f["fee_refund"], f["usdc_dust_refund"],
        )
        for f in case.truth["fills"]
    )  # fmt: skip
    assert rows == expected


def _check_figures(shown: dict[str, Any], expected: dict[str, Any], where: object) -> None:
    for name in AMOUNTS:
        assert micro(shown[name]) == expected[name], (where, name)
    for name in COUNTS:
        assert shown[name] == expected[name], (where, name)
    traded, resolved, volume = expected["traded_conditions"], expected["resolved_conditions"], expected["volume"]
    assert shown["coverage"] == {
        "conditions": resolved / traded if traded else None,
        "volume": expected["resolved_volume"] / volume if volume else None,
    }, where
    assert shown["win_rate"] == (expected["winning_conditions"] / resolved if resolved else None), where
    yes, no = expected["yes_conditions"], expected["no_conditions"]
    side = None if not yes and not no else "YES" if yes > 2 * no else "NO" if no > 2 * yes else "MIXED"
    assert shown["predominant_side"] == side, where
    profit = expected["realized_pnl"]
    assert shown["rests_on_transfers"] == (profit > 0 and expected["transferred_value"] >= profit / 2), where


def test_every_figure_of_every_wallet_equals_a_brute_force_reckoning_of_the_logs(case: Case) -> None:
    brute = case.brute
    assert case.documents.keys() == brute.wallets.keys()
    assert sum(1 for _ in brute.endings()) > 40  # the bounds are compared over this many joint resolutions
    for address, wallet in brute.wallets.items():
        shown = case.documents[address]
        assert shown.keys() == {"wallet", "categories", *FIGURES}
        _check_figures(shown, brute.figures(wallet, None), address)
        for row in shown["categories"]:
            assert row.keys() == {"category", *FIGURES}
            _check_figures(row, brute.figures(wallet, row["category"]), (address, row["category"]))
        for name in AMOUNTS:  # categories share no group, so even the bounds add up
            assert sum(micro(row[name]) for row in shown["categories"]) == micro(shown[name]), (address, name)


def _check_position(case: Case, wallet: Wallet, shown: dict[str, Any]) -> None:
    condition = case.brute.conditions[shown["condition"]]
    names = next(c for c in case.truth["conditions"] if c["condition_id"].lower() == shown["condition"])
    assert (shown["market"], shown["question"], shown["category"], shown["event"]) == (
        names["market_id"], names["question"], names["category"], names["event_id"],
    )  # fmt: skip
    by_token = {int(row["token"]): row for row in shown["outcomes"]}
    for token in condition.tokens:
        row = by_token.pop(token, {"shares": "0.000000", "bought": "0.000000", "sold": "0.000000"})
        assert (
            row.get("outcome", names["outcomes"][condition.tokens.index(token)])
            == (names["outcomes"][condition.tokens.index(token)])
        )
        figures = (wallet.shares[token], wallet.bought[token], wallet.sold[token])
        assert (micro(row["shares"]), micro(row["bought"]), micro(row["sold"])) == figures
    assert by_token == {}
    cash = wallet.cash[condition.condition_id]
    settled = sum(condition.payout(token, wallet.shares[token]) for token in condition.tokens)
    assert micro(shown["cash_flow"]) == cash
    assert micro(shown["settled_value"]) == settled
    assert shown["verdict"] == "proven"
    if condition.numerators is None:
        held = [wallet.shares[token] for token in condition.tokens]
        assert (shown["state"], shown["realized_pnl"], shown["payout"]) == ("open", None, None)
        assert (micro(shown["low"]), micro(shown["high"])) == (cash + min(held), cash + max(held))
        return
    assert shown["state"] == "resolved"
    assert micro(shown["realized_pnl"]) == micro(shown["low"]) == micro(shown["high"]) == cash + settled
    total = sum(condition.numerators)
    assert [micro(part) for part in shown["payout"]] == [n * 1_000_000 // total for n in condition.numerators]


def without_breakdown(document: dict[str, Any]) -> dict[str, Any]:
    """A wallet's document with the figures of the books only; tests/test_skill.py proves the others."""
    figures = {key: value for key, value in document.items() if key not in BREAKDOWN}
    return {
        **figures,
        "categories": [{k: v for k, v in part.items() if k not in BREAKDOWN} for part in document["categories"]],
    }


def test_the_positions_of_wallets(case: Case) -> None:
    wallets = sorted(case.brute.wallets.items())
    # One wallet is a question of its own: a few in the quick part, all in the long one.
    for address, wallet in wallets if case.thorough else wallets[::5]:
        document = case.workspace.wallet(address).document
        assert document["schema"] == "polyledger.wallet/1"
        assert document.keys() == {
            "schema", "wallet", "sentence", "categories", "positions", "mark_value", *FIGURES, *BREAKDOWN,
        }  # fmt: skip
        assert without_breakdown({key: document[key] for key in case.documents[address]}) == case.documents[address]
        positions = [row for row in document["positions"] if "condition" in row]
        for row in positions:
            assert row.keys() == POSITION
            for outcome in row["outcomes"]:
                assert outcome.keys() == {"token", "outcome", "shares", "bought", "sold", "mark"}
            _check_position(case, wallet, row)
        shown = {row["condition"] for row in positions}
        alive = {c for c in wallet.touched if wallet.cash[c]} | {
            case.brute.of_token[t].condition_id for t, amount in wallet.shares.items() if amount
        }
        assert alive <= shown <= wallet.touched
        groups = [row for row in document["positions"] if "condition" not in row]
        for row in groups:
            assert row.keys() == {"group", "cash_flow"}
        cash = {row["group"]: micro(row["cash_flow"]) for row in groups}
        assert {k: v for k, v in cash.items() if v} == {k: v for k, v in wallet.group_cash.items() if v}


def test_coverage_counts_trades_volume_conditions_and_positions(case: Case) -> None:
    document = case.workspace.coverage().document
    brute = case.brute
    legs = len(case.truth["fills"])
    resolved = {c["condition_id"] for c in case.truth["conditions"] if "payout_numerators" in c}
    none = dict.fromkeys(("pending", "conflict", "unfillable", "duplicates"), 0)
    full = dict.fromkeys(("total", "condition", "market", "category"), legs)
    settled = sum(f["condition_id"] in resolved for f in case.truth["fills"])
    assert document["trades"] == {**full, "resolution": settled, **none}
    once = [f for f in case.truth["fills"] if f["role"] != "maker"]
    total = sum(f["usdc"] - f["usdc_dust_refund"] for f in once)
    assert total == brute.volume_once
    part = sum(f["usdc"] - f["usdc_dust_refund"] for f in once if f["condition_id"] in resolved)
    volume = {key: micro(text) for key, text in document["volume"].items()}
    assert volume == {**dict.fromkeys(full, total), "resolution": part, **none}
    count = len(case.truth["conditions"])
    assert document["conditions"] == {"total": count, "market": count, "category": count, "resolved": len(resolved)}
    assert document["links"]["refuted"] == 0
    assert document["links"]["proven"] >= sum(len(c["token_ids"]) for c in case.truth["conditions"])
    pairs = {(address, c) for address, wallet in brute.wallets.items() for c in wallet.touched}
    assert document["positions"]["total"] == len(pairs)
    assert document["positions"]["resolved"] == sum(brute.conditions[c].numerators is not None for _, c in pairs)
    assert document["scope"] is None
    assert document["by"] == []


@pytest.mark.parametrize("by", ["month", "source", "category", "wallet"])
def test_coverage_by_group_adds_up(case: Case, by: str) -> None:
    document = case.workspace.coverage(by).document
    whole = case.workspace.coverage().document
    assert document["by"]
    for row in document["by"]:
        assert row.keys() == (whole.keys() - {"schema", "by"}) | {"key"}
    keys = [row["key"] for row in document["by"]]
    assert len(set(keys)) == len(keys)
    for level, number in whole["trades"].items():
        assert sum(row["trades"][level] for row in document["by"]) == number
    if by == "wallet":  # each wallet has its own legs, so a match counts for both sides
        volumes = {row["key"]: micro(row["volume"]["total"]) for row in document["by"]}
        assert volumes == {a: sum(w.volume.values()) for a, w in case.brute.wallets.items() if w.fills}
        return
    for level, text in whole["volume"].items():
        assert sum(micro(row["volume"][level]) for row in document["by"]) == micro(text)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_exports_hold_every_row(case: Case, ending: str, tmp_path: Path) -> None:
    counts = {
        "fills": len(case.truth["fills"]),
        "wallets": len(case.finals),
        "conditions": len(case.truth["conditions"]),
        "markets": len(case.truth["conditions"]),
    }
    for what, count in counts.items():
        written = case.workspace.export(what, tmp_path / f"{what}.{ending}")
        assert written["rows"] == count
        if ending == "jsonl":
            lines = written["path"].read_text().splitlines()
            assert len([json.loads(line) for line in lines]) == count
    volume = sum(sum(wallet.volume.values()) for wallet in case.brute.wallets.values())
    assert case.workspace.sql("SELECT sum(volume) FROM wallets").document["rows"] in ([[volume]], [[str(volume)]])


def test_the_journal_balances_in_every_asset_of_every_transaction(case: Case) -> None:
    open_sums = "SELECT asset, token_id FROM journal GROUP BY transaction_hash, asset, token_id HAVING sum(amount) <> 0"
    assert case.workspace.sql(open_sums).document["rows"] == []
