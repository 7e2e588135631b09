"""Rankings by every column, the spread of coverage, and what open shares would bring: each reckoned again by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, get_args

import pytest

from polyledger.cli.wallet_commands import ORDERS
from polyledger.cli.wallet_views import wallet as wallet_view
from polyledger.cli.wallet_views import wallets as wallets_view
from polyledger.domain.errors import UsageError
from polyledger.insight.ranking import INSIGHT_ORDERS, SKILL_ORDERS
from polyledger.value.standings import ORDERS as BOOK_ORDERS
from polyledger.workspace import Workspace
from tests.test_cli_views import drawn
from tests.test_truth import micro
from tests.worlds import replica_of, workspace_at, world_of


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("questions")
    with replica_of(world_of()) as url, workspace_at(folder, url) as workspace:
        workspace.sync()
        yield workspace


@pytest.fixture(scope="module")
def plain(ledger: Workspace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ledger.wallets(skill=True).document["wallets"]
    return rows


def column(row: dict[str, Any], name: str) -> Decimal | str | None:
    if name == "wallet":
        return str(row["wallet"])
    value = row["coverage"]["conditions"] if name == "coverage" else row.get(name)
    if name in SKILL_ORDERS:
        value = row["skill"][name]["shrunk"]
    if name == "position_size":
        value = row[name]["median"]
    return None if value is None else Decimal(str(value))


def test_the_command_offers_every_column() -> None:
    assert set(get_args(ORDERS)) == {*BOOK_ORDERS, *INSIGHT_ORDERS}


def test_a_wallet_is_shown_with_its_conditions_sides_and_averages_by_category(ledger: Workspace) -> None:
    (address,) = (row["wallet"] for row in ledger.wallets(limit=1).document["wallets"])
    document = ledger.wallet(address).document
    lines = drawn(wallet_view, document).splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("conditions  traded"))
    for part in [*document["categories"], {**document, "category": "all"}]:
        (line,) = (line for line in lines[begin : begin + 8] if line.startswith(part["category"]))
        figures = line.removeprefix(part["category"]).split()
        kinds = ("traded", "resolved", "winning", "yes", "no")
        assert figures[:5] == [str(part[f"{kind}_conditions"]) for kind in kinds]
        assert figures[5] == (part["predominant_side"] or "–")
        average = part["average_pnl"]
        assert figures[6] == ("–" if average is None else f"{Decimal(average).quantize(Decimal('0.01')):+,}")


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("with_skill", [False, True])
def test_what_wallets_are_ranked_by_has_a_column(plain: list[dict[str, Any]], width: int, *, with_skill: bool) -> None:
    headings = {
        "realized_pnl": "realized P&L", "coverage": "settled", "wallet": "wallet", "hit_rate": "right side",
        "profit_per_dollar": "per dollar", "closing_line": "closing", "brier": "Brier",
    }  # fmt: skip
    plainly = {"low": "least", "high": "most", **({"volume": "volume", "win_rate": "won"} if width == 140 else {})}
    for name in get_args(ORDERS):
        in_skill = with_skill or name in SKILL_ORDERS
        heading = {**headings, **({} if in_skill else plainly)}.get(name, name.replace("_", " "))
        text = drawn(partial(wallets_view, ranked_by=name, skill=with_skill), {"wallets": plain}, width).splitlines()
        assert heading in text[0], (name, text[0])
        assert max(map(len, text)) <= width
        assert text[0].count("…") <= text[0].count("least … most")
        assert "realized P&L" in text[0]
        assert sum("†" in line for line in text) == 1 + sum(row["rests_on_transfers"] for row in plain)


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("name", ["transferred_value", "wallet", "coverage", "early_share", "brier"])
def test_wallets_are_ranked_by_any_column(
    ledger: Workspace, plain: list[dict[str, Any]], name: str, *, ascending: bool
) -> None:
    rows = ledger.wallets(order_by=name, ascending=ascending, limit=7).document["wallets"]
    known = [row for row in plain if column(row, name) is not None]
    # The least error is the best, and addresses begin with 0.
    down = ascending == (name in {"brier", "wallet"})
    expected = sorted((column(row, name) for row in known), reverse=down)[:7]  # type: ignore[type-var]
    by_address = {row["wallet"]: row for row in plain}
    assert [column(by_address[row["wallet"]], name) for row in rows] == expected


def test_wallets_whose_profit_was_not_traded_for_are_marked_and_can_be_left_out(
    ledger: Workspace, plain: list[dict[str, Any]]
) -> None:
    given = {row["wallet"] for row in plain if row["rests_on_transfers"]}
    for row in plain:
        profit, free = Decimal(row["realized_pnl"]), Decimal(row["transferred_value"])
        assert (row["wallet"] in given) == (profit > 0 and free >= profit / 2)
    assert 0 < len(given) < len(plain)
    rows = ledger.wallets(without_transferred=True).document["wallets"]
    assert {row["wallet"] for row in rows} == {row["wallet"] for row in plain} - given
    with pytest.raises(UsageError, match="tracks no transfers"):
        ledger.wallets(method="average-cost", without_transferred=True)


@pytest.mark.parametrize("category", [None, "Sports"])
def test_the_spread_of_coverage_counts_every_wallet_once(
    ledger: Workspace, plain: list[dict[str, Any]], category: str | None
) -> None:
    document = ledger.coverage_distribution(category=category).document
    parts = [row for w in plain for row in [w, *w["categories"]] if row.get("category") == category]
    assert document["wallets"] == len(parts)
    shares = sorted(p["coverage"]["conditions"] for p in parts if p["coverage"]["conditions"] is not None)
    assert document["nothing"] == len(parts) - len(shares)
    assert [row["wallets"] for row in document["conditions"]] == [
        Counter(int(round(share * 1000) // 100) for share in shares)[tenth] for tenth in range(11)
    ]
    total = sum(micro(p["realized_pnl"]) for p in parts if p["coverage"]["volume"] is not None)
    assert sum(micro(row["realized_pnl"]) for row in document["volume"]) == total
    low, middle, high = document["quartiles"]["conditions"]
    assert sum(share <= middle for share in shares) * 2 >= len(shares)
    assert low <= middle <= high
    assert document["conditions"][-1] == {**document["conditions"][-1], "from": 1.0, "to": 1.0}


def test_open_shares_are_marked_at_the_last_price_with_its_age(ledger: Workspace, plain: list[dict[str, Any]]) -> None:
    """A loop over all fills in their order remembers the last price of each token."""
    fills = ledger.sql(
        "SELECT token_id, shares, collateral, CAST(epoch(block_time) AS BIGINT) FROM fills ORDER BY block, log_index"
    ).document["rows"]
    last = {token: (int(shares), int(paid), int(at)) for token, shares, paid, at in fills}
    pairs = ledger.sql(
        "SELECT a.token_id AS one, b.token_id AS other FROM tokens AS a JOIN tokens AS b "
        "ON a.condition_id = b.condition_id AND a.collateral = b.collateral AND a.outcome_index = 1 - b.outcome_index"
    )
    other = dict(pairs.document["rows"])
    end = int(ledger.sql("SELECT CAST(epoch(max(block_time)) AS BIGINT) FROM journal").document["rows"][0][0])
    seen, ends = Counter[str](), set[int]()
    for row in plain[::6]:
        document = ledger.wallet(row["wallet"]).document
        total, ages = 0, []
        for position in document["positions"]:
            for outcome in position.get("outcomes", []):
                if position["state"] == "resolved" or micro(outcome["shares"]) <= 0:
                    assert outcome["mark"] is None
                    continue
                mark, held = outcome["mark"], micro(outcome["shares"])
                of = "own" if outcome["token"] in last else "other outcome"
                shares, paid, at = last[outcome["token"] if of == "own" else other[outcome["token"]]]
                paid = paid if of == "own" else shares - paid
                assert mark == {
                    "price": f"{Decimal(paid * 1_000_000 // shares) / 1_000_000:.6f}",
                    "value": f"{Decimal(held * paid // shares) / 1_000_000:.6f}",
                    "age_seconds": mark["age_seconds"],
                    "of": of,
                }
                ends.add(at + mark["age_seconds"])
                total += held * paid // shares
                ages.append(mark["age_seconds"])
                seen[of] += 1
        shown = document["mark_value"]
        assert shown["estimate"] is True
        assert micro(shown["value"]) == total
        assert (shown["oldest_seconds"], shown["open_positions"]) == (max(ages), len(ages))
        # No figure of the books has it in it.
        assert micro(document["low"]) <= micro(document["cash_flow"]) + micro(document["settled_value"]) + total
        assert {name: document[name] for name in ("realized_pnl", "low", "high")} == {
            name: row[name] for name in ("realized_pnl", "low", "high")
        }
    assert seen["own"]
    assert len(ends) == 1  # ages are from one moment, the last block
    assert ends.pop() >= end
