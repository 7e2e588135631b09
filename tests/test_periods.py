"""The ledger as of a moment and since another, against a reckoning of the logs up to then that knows nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from polyledger.domain.errors import UnknownSubjectError, UsageError
from polyledger.domain.periods import Period
from polyledger.store.database import Database
from polyledger.sync.compaction import fold_holdings
from polyledger.workspace import Workspace
from tests.brute_force import Ledger, read
from tests.paths import BIGWORLD_LOGS, WORLDS_WITH_TRUTH
from tests.test_truth import AMOUNTS, _check_figures, micro
from tests.worlds import document_of, replica_of, workspace_at, world_of

RESOLUTION = "0xb44d84d3289691f71497564b85d4233648d9dbae8cbdbb4329f301c3a0185894"


class Case:
    """A world, its ledger, and brute-force reckonings of its logs up to a block."""

    def __init__(self, workspace: Workspace, logs: Path, truth: Path) -> None:
        recorded = document_of(logs)
        self.workspace = workspace
        self.logs = recorded["logs"]
        self.truth = document_of(truth)
        self.times = {int(b["number"], 16): int(b["timestamp"], 16) for b in recorded["blocks"]}
        self.settled = {
            log["topics"][1]: int(log["blockNumber"], 16) for log in self.logs if log["topics"][0] == RESOLUTION
        }
        self.thorough = logs == BIGWORLD_LOGS
        self.aside: set[str] = set()
        self.transactions = list(read(self.logs))
        self.aside = self.until(10**9).aside

    def until(self, block: int) -> Ledger:
        """What had happened by then. Who is no wallet is known from the whole."""
        brute = Ledger(None, self.truth, [found for found in self.transactions if found[0] <= block])
        brute.aside |= self.aside
        return brute

    def moments(self) -> list[int]:
        """Blocks: long before the first settlement, right before it, its own, a later one's, and the last one's."""
        ordered = sorted(set(self.settled.values()))
        return [
            (min(self.times) + ordered[0]) // 2,
            ordered[0] - 1,
            ordered[0],
            ordered[len(ordered) // 2],
            ordered[-1],
        ]

    @property
    def middle(self) -> int:
        """A block by which some conditions are settled and some are not."""
        return self.moments()[3]


@pytest.fixture(scope="module", params=WORLDS_WITH_TRUTH)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    logs, truth = request.param
    folder = tmp_path_factory.mktemp("periods")
    with replica_of(world_of(logs)) as url, workspace_at(folder, url) as workspace:
        workspace.sync()
        workspace.close()
        # Part of the ledger compacted, as after a longer life: figures as of a moment must not rest on those sums.
        database = Database(folder / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)
        found = Case(workspace, logs, truth)
        assert fold_holdings(database, found.middle, worth=1)
        database.close()
        yield found


def check(document: dict[str, Any], brute: Ledger, left_out: frozenset[str] = frozenset()) -> int:
    """Every wallet and category of a wallets document; wallets that are not in it have nothing."""
    shown = {w["wallet"]: w for w in document["wallets"]}
    for address, wallet in brute.wallets.items():
        expected = brute.figures(wallet, None, jointly=False, left_out=left_out)
        if address not in shown:
            assert not any(expected.values()), address
            continue
        _check_figures(shown[address], expected, address)
        for row in shown[address]["categories"]:
            figures = brute.figures(wallet, row["category"], jointly=False, left_out=left_out)
            _check_figures(row, figures, (address, row["category"]))
        for name in AMOUNTS:
            assert sum(micro(row[name]) for row in shown[address]["categories"]) == micro(shown[address][name])
    assert shown.keys() <= brute.wallets.keys()
    return len(shown)


def test_wallets_as_of_a_moment_equal_a_reckoning_of_the_logs_up_to_then(case: Case) -> None:
    seen = set()
    for block in case.moments()[1:4]:
        document = case.workspace.wallets(as_of=str(block)).document
        assert document["period"]["block"] == block
        assert check(document, case.until(block))
        seen.add(tuple(sorted(w["realized_pnl"] for w in document["wallets"])))
    assert len(seen) == 3  # the moments differ


def test_since_leaves_out_what_was_settled_earlier(case: Case) -> None:
    first, middle, last = case.moments()[2:]
    since = polytime(case.times[middle])
    earlier = frozenset(c for c, block in case.settled.items() if case.times[block] < case.times[middle])
    assert 0 < len(earlier) < len(case.settled)
    assert check(case.workspace.wallets(since=since).document, case.until(10**9), earlier)
    ended = case.workspace.wallets(since=polytime(case.times[first]), as_of=str(last)).document
    before = frozenset(c for c, block in case.settled.items() if case.times[block] < case.times[first])
    assert check(ended, case.until(last), before)


def test_the_last_moment_is_the_ledger_itself(case: Case) -> None:
    plain = case.workspace.wallets().document
    last = max(case.times)
    assert case.workspace.wallets(as_of="2100-01-01").document["wallets"] == plain["wallets"]
    whole = case.workspace.coverage(by="category").document
    assert {
        k: v for k, v in case.workspace.coverage("category", as_of=str(last)).document.items() if k != "period"
    } == whole


def test_a_time_means_all_blocks_up_to_it(case: Case) -> None:
    block = case.middle
    by_block = case.workspace.coverage(as_of=str(block)).document
    by_time = case.workspace.coverage(as_of=polytime(case.times[block]).replace("Z", "+00:00")).document
    assert by_time["trades"] == by_block["trades"]
    assert by_time["period"] == by_block["period"]
    earlier = case.workspace.categories(until=polytime(case.times[block] - 1)).document
    assert earlier["period"]["block"] < block
    assert earlier["total"]["trades"] <= by_block["trades"]["total"]


@pytest.mark.long
def test_one_wallet_with_its_positions_as_of_a_moment(case: Case) -> None:
    block = case.middle
    brute = case.until(block)
    ranked = case.workspace.wallets(as_of=str(block)).document["wallets"]
    for row in ranked[:: max(1, len(ranked) // 2)]:
        document = case.workspace.wallet(row["wallet"], as_of=str(block)).document
        assert {name: document[name] for name in AMOUNTS} == {name: row[name] for name in AMOUNTS}
        wallet = brute.wallets[row["wallet"]]
        for position in document["positions"]:
            if "condition" not in position:
                assert micro(position["cash_flow"]) == wallet.group_cash[position["group"]]
                continue
            condition = brute.conditions[position["condition"]]
            assert (position["state"] == "resolved") == (condition.numerators is not None)
            assert micro(position["cash_flow"]) == wallet.cash[condition.condition_id]
            for outcome in position["outcomes"]:
                assert micro(outcome["shares"]) == wallet.shares[int(outcome["token"])]


def test_coverage_and_exposure_as_of_a_moment(case: Case) -> None:
    block = case.middle
    brute = case.until(block)
    document = case.workspace.coverage("category", as_of=str(block)).document
    assert document["trades"]["total"] == brute.legs
    assert micro(document["volume"]["total"]) == brute.volume_once
    assert sum(row["trades"]["total"] for row in document["by"]) == brute.legs
    settled = {c for c, at in case.settled.items() if at <= block}
    assert document["conditions"]["resolved"] == len(settled)
    still_open = case.workspace.exposure(as_of=str(block)).document
    wallets = case.workspace.wallets(as_of=str(block)).document["wallets"]
    span = sum(Decimal(w["high"]) - Decimal(w["low"]) for w in wallets)
    assert Decimal(still_open["at_stake"]) == span > Decimal(case.workspace.exposure().document["at_stake"])


def check_series(case: Case, address: str, span: str, seconds: int, **period: str) -> list[dict[str, Any]]:
    """Every row of a series against the logs up to its end; the rows leave out no day or week, and changes add up."""
    document = case.workspace.wallet(address, series=span, **period).document
    rows: list[dict[str, Any]] = document["series"]
    starts = [int(datetime.fromisoformat(row["from"]).timestamp()) for row in rows]
    assert all(later - earlier == seconds for earlier, later in pairwise(starts))
    for start, row in zip(starts, rows, strict=True):
        block = max((b for b, time in case.times.items() if time < start + seconds), default=0)
        if "as_of" in period:
            block = min(block, int(period["as_of"]))
        brute = case.until(block)
        _check_figures(row, brute.figures(brute.everybody[address], None, jointly=False), (address, row["from"]))
    for name in ("realized_pnl", "cash_flow", "volume"):
        assert sum(micro(row["change"][name]) for row in rows) == micro(document[name])
    assert {name: rows[-1][name] for name in AMOUNTS} == {name: document[name] for name in AMOUNTS}
    return rows


def test_a_wallet_day_by_day_equals_a_reckoning_of_the_logs_up_to_each_day(case: Case) -> None:
    converters = [a for a, wallet in sorted(case.until(10**9).wallets.items()) if any(wallet.group_cash.values())]
    for address in converters[:2] if case.thorough else converters[:1]:
        rows = check_series(case, address, "day", 86_400)
        assert len(rows) > 7
        assert rows[0]["realized_pnl"] == "0.000000" != rows[-1]["realized_pnl"]


@pytest.mark.long
def test_every_wallet_by_week_and_as_of_a_moment(case: Case) -> None:
    for address in case.until(10**9).wallets:
        rows = check_series(case, address, "week", 7 * 86_400)
        assert datetime.fromisoformat(rows[0]["from"]).weekday() == 0
        check_series(case, address, "day", 86_400, as_of=str(case.middle))


@pytest.mark.long
def test_a_series_since_a_time_adds_up_to_what_is_left(case: Case) -> None:
    since = polytime(case.times[case.middle])
    address = case.workspace.wallets(since=since, limit=1).document["wallets"][0]["wallet"]
    document = case.workspace.wallet(address, series="day", since=since).document
    assert document["series"][-1]["realized_pnl"] == document["realized_pnl"]
    begun = [row for row in document["series"] if row["from"] < since[:10]]
    assert all(row["change"]["realized_pnl"] == "0.000000" for row in begun)
    table = case.workspace.wallet(address, series="week").arrow()
    assert table.schema.field("realized_pnl").type == "int64"
    with pytest.raises(UsageError, match="no series by 'month'"):
        case.workspace.wallet(address, series="month")


def test_moments_that_make_no_sense_are_refused(case: Case) -> None:
    address = case.workspace.wallets(limit=1).document["wallets"][0]["wallet"]
    with pytest.raises(UsageError, match="nothing as of block 5"):
        case.workspace.wallets(as_of="5")
    with pytest.raises(UsageError, match=r"2001-02-03.*begins at 2"):
        case.workspace.coverage(as_of="2001-02-03")
    with pytest.raises(UsageError, match="--until and --as-of"):
        case.workspace.wallet(address, until="2025-01-01", as_of="2025-01-01")
    with pytest.raises(UsageError, match="later than the end"):
        case.workspace.wallets(since="2025-01-02", until="2025-01-01")
    with pytest.raises(UsageError, match="neither a date nor a time"):
        case.workspace.categories(since="yesterday")
    with pytest.raises(UsageError, match="average-cost"):
        case.workspace.wallets(method="average-cost", since="2024-01-01")
    with pytest.raises(UnknownSubjectError, match="as of block"):
        case.workspace.wallet(address, as_of=str(min(case.times)))


@pytest.mark.long
def test_the_average_cost_method_as_of_a_moment_counts_no_later_fill(case: Case) -> None:
    block = case.moments()[0]
    then = case.workspace.wallets(method="average-cost", as_of=str(block)).document
    volume = sum(micro(w["volume"]) for w in then["wallets"])
    now = case.workspace.wallets(method="average-cost").document
    assert 0 < volume < sum(micro(w["volume"]) for w in now["wallets"])


def test_texts_become_periods() -> None:
    assert Period.of() == Period() == Period.from_plain(None)
    assert Period.of(as_of="61234567") == Period(block=61234567)
    day = Period.of(since="2025-11-01", until="2025-11-01")
    assert day.until is not None
    assert day.since is not None
    assert day.until - day.since == 86_399
    assert Period.from_plain(day.plain()) == day
    assert Period.of(since="2025-11-01", as_of="70000000").text() == "since 2025-11-01T00:00:00Z as of block 70,000,000"


def polytime(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
