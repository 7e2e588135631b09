"""A ledger of some wallets: their part of the whole exactly, for a fraction of the logs; widened without repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polyledger.domain.errors import UnknownSubjectError, UsageError
from polyledger.domain.intervals import Interval
from polyledger.domain.scope import Scope, moment, moment_text, read_wallets
from polyledger.sync.portions import Portion, portions
from polyledger.workspace import Workspace
from tests.paths import BIGWORLD_LOGS, BIGWORLD_TRUTH, needs_bigworld
from tests.worlds import (
    assert_equal_ledgers,
    document_of,
    exports,
    replica_of,
    stats,
    workspace_at,
    world_of,
)

ONE = "0xf2cd78b8fea59fb7449960c5bd58a9045f4ec315"
OTHER = "0x551fc3079e137a38296310c3cf3a47b8bc527a65"
UNTOUCHED = (
    "fills",
    "matches",
    "share_transfers",
    "collateral_transfers",
    "redemption_shares",
    "transactions",
    "blocks",
)
OWN = (
    "SELECT * FROM fills WHERE wallet = '{0}' ORDER BY ALL",
    "SELECT * FROM positions WHERE wallet = '{0}' ORDER BY ALL",
    "SELECT * FROM journal WHERE account = '{0}' ORDER BY ALL",
)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    with replica_of(world_of()) as url, workspace_at(folder, url) as workspace:
        workspace.sync()
    return folder


OF_OTHERS = ("skill", "mark_value", "mark")


def part_of(workspace: Workspace, wallet: str) -> list[Any]:
    document = without_skill(workspace.wallet(wallet).document)
    return [document, *(workspace.sql(query.format(wallet)).document["rows"] for query in OWN)]


def without_skill(value: Any) -> Any:
    """The document without what rests on the fills of all others, who are not in a ledger of one."""
    if isinstance(value, dict):
        return {key: without_skill(entry) for key, entry in value.items() if key not in OF_OTHERS}
    return [without_skill(entry) for entry in value] if isinstance(value, list) else value


def statuses(workspace: Workspace) -> dict[str, str]:
    return {check["name"]: check["status"] for check in workspace.verify().document["checks"]}


def test_a_wallets_ledger_is_its_part_of_the_whole_and_is_widened_without_repeats(full: Path, tmp_path: Path) -> None:
    with replica_of(world_of()) as url:
        with workspace_at(full, url) as whole:
            expected = {wallet: part_of(whole, wallet) for wallet in (ONE, OTHER)}
        with workspace_at(tmp_path, url) as workspace:
            stats(url, reset=True)
            report = workspace.sync(scope=Scope.of(wallets=[ONE.upper().replace("0X", "0x")]))
            assert report["state"] == "done"
            assert stats(url)["rpc"]["logs"] < 12_223 / 8  # receipts aside
            assert part_of(workspace, ONE) == expected[ONE]
            assert [row["wallet"] for row in workspace.wallets().document["wallets"]] == [ONE]
            scope = workspace.coverage().document["scope"]
            assert scope["wallets"] == [ONE]
            assert "had no part in" in scope["left_out"]
            with pytest.raises(UnknownSubjectError, match="sync --wallet"):
                workspace.wallet(OTHER)
            checks = statuses(workspace)
            assert checks["pools_cover_shares"] == "not_applicable"
            assert "failed" not in checks.values()
            assert [name for name, status in checks.items() if status == "ok"] != []

            # The same again asks for nothing but the head; another wallet comes in beside the first.
            assert workspace.sync(scope=Scope.of(wallets=[ONE]))["logs"] == 0
            workspace.sync(scope=Scope.of(wallets=[OTHER]))
            assert {wallet: part_of(workspace, wallet) for wallet in (ONE, OTHER)} == expected
            stored = rows_of(workspace)

            # Everything: what is there stays, the rest comes in.
            report = workspace.sync()
            assert report["state"] == "done"
            assert {name: stored[name] + report["rows"][name] for name in ("fills", "transactions")} == {
                name: rows_of(workspace)[name] for name in ("fills", "transactions")
            }
            assert workspace.coverage().document["scope"] is None
            assert statuses(workspace)["pools_cover_shares"] == "ok"
            assert len(workspace.wallets().document["wallets"]) == 20
            grown = rows_of(workspace)
        with workspace_at(full, url) as whole:
            assert rows_of(whole) | {"blocks": 0} == grown | {"blocks": 0}
    assert_equal_ledgers(exports(full), exports(tmp_path))


def rows_of(workspace: Workspace) -> dict[str, int]:
    return {name: workspace.sql(f"SELECT count(*) FROM chain.{name}").document["rows"][0][0] for name in UNTOUCHED}


@pytest.mark.long
@needs_bigworld
@pytest.mark.parametrize("faults", [{}, {"http": {"too_many_requests": 0.15, "server_errors": 0.1, "resets": 0.05}}])
def test_three_wallets_of_a_busy_node_cost_a_fraction(faults: dict[str, Any], tmp_path: Path) -> None:
    """Against a node that gives 1,000 logs at a time: requests and logs of a wallet beside those of everything."""
    world, node = world_of(BIGWORLD_LOGS), {"rpc": {"max_logs": 1_000}, **faults}
    truth = document_of(BIGWORLD_TRUTH)
    wallets = sorted({fill["wallet"].lower() for fill in truth["fills"]})[:3]
    figures: dict[str, tuple[int, int]] = {}
    with replica_of(world, node) as url:
        with workspace_at(tmp_path / "full", url) as workspace:
            report = workspace.sync()
            figures["everything"] = (report["requests"]["chain"], report["logs"])
            expected = {wallet: part_of(workspace, wallet) for wallet in wallets}
        with workspace_at(tmp_path / "part", url) as workspace:
            for wallet in wallets:
                report = workspace.sync(scope=Scope.of(wallets=[wallet]))
                figures[wallet] = (report["requests"]["chain"], report["logs"])
                assert part_of(workspace, wallet) == expected[wallet]
                assert "failed" not in statuses(workspace).values()
            report = workspace.sync()
            figures["the rest"] = (report["requests"]["chain"], report["logs"])
        assert_equal_ledgers(exports(tmp_path / "full"), exports(tmp_path / "part"))
    print(f"chain requests and logs: {figures}")
    everything, first = figures["everything"], figures[wallets[0]]
    assert first[1] < everything[1] / 5
    assert faults or first[0] < everything[0] / 3
    assert sum(logs for name, (_, logs) in figures.items() if name != "everything") == everything[1]


@pytest.mark.long
def test_a_late_start_says_what_it_cannot_check_and_is_completed_later(full: Path, tmp_path: Path) -> None:
    world = world_of()
    first, last = (int(world.blocks[number].timestamp, 16) for number in (52_000_200, 52_000_450))
    with replica_of(world) as url, workspace_at(tmp_path, url) as workspace:
        report = workspace.sync(scope=Scope.of(since=moment_text(first), until=moment_text(last)))
        assert (report["from_block"], report["to_block"]) == (52_000_200, 52_000_450)
        assert workspace.coverage().document["scope"]["since"] == moment_text(first)
        checks = statuses(workspace)
        assert checks["conditions_prepared"] == "not_applicable"
        assert "failed" not in checks.values()
        assert checks["transactions_balance"] == checks["matches_agree"] == "ok"
        # A wallet of the whole history changes what the later blocks mean: they are read again.
        workspace.sync(scope=Scope.of(wallets=[ONE]))
        workspace.sync()
        assert workspace.coverage().document["scope"] is None
        assert statuses(workspace)["conditions_prepared"] == "ok"
    assert_equal_ledgers(exports(full), exports(tmp_path))


@pytest.mark.long
def test_a_node_without_receipts_is_asked_for_the_blocks(full: Path, tmp_path: Path) -> None:
    faults = {"rpc": {"missing_methods": ["eth_getTransactionReceipt", "eth_getBlockReceipts"]}}
    with replica_of(world_of()) as url, workspace_at(full, url) as whole:
        expected = part_of(whole, ONE)
    with replica_of(world_of(), faults) as url, workspace_at(tmp_path, url) as workspace:
        workspace.sync(scope=Scope.of(wallets=[ONE]))
        found = part_of(workspace, ONE)
    assert found[1] == expected[1]


def test_a_question_about_a_part_is_answered_from_that_part(full: Path) -> None:
    with replica_of(world_of()) as url, workspace_at(full, url) as workspace:
        whole = workspace.coverage().document
        assert whole["scope"] is None
        groups = {row["key"]: row for row in workspace.coverage("category").document["by"]}
        assert len(groups) > 2
        for name, group in groups.items():
            found = workspace.coverage(scope=Scope.of(categories=[name])).document
            assert (found["trades"], found["volume"]) == (group["trades"], group["volume"])
            assert found["conditions"]["total"] >= group["conditions"]["total"]
            assert found["scope"]["categories"] == [name]
        own = {row["key"]: row for row in workspace.coverage("wallet").document["by"]}[ONE]
        found = workspace.coverage("category", scope=Scope.of(wallets=[ONE])).document
        assert (found["trades"], found["volume"]) == (own["trades"], own["volume"])
        assert sum(row["trades"]["total"] for row in found["by"]) == own["trades"]["total"]
        ((market, event, condition),) = workspace.sql(
            "SELECT market_id, event_id, condition_id FROM trades WHERE market_id IS NOT NULL LIMIT 1"
        ).document["rows"]
        one = workspace.coverage(scope=Scope.of(markets=[market])).document
        assert one["conditions"]["total"] == 1
        assert one == {**workspace.coverage(scope=Scope.of(markets=[condition])).document, "scope": one["scope"]}
        assert workspace.coverage(scope=Scope.of(events=[event])).document["trades"]["total"] >= one["trades"]["total"]
        days = [
            workspace.coverage(scope=Scope.of(since=since, until=until)).document["trades"]["total"]
            for since, until in ((None, "2024-01-05"), ("2024-01-06", None))
        ]
        assert sum(days) == whole["trades"]["total"]
        assert min(days) > 0
        with pytest.raises(UnknownSubjectError, match="no category 'Cooking'"):
            workspace.coverage(scope=Scope.of(categories=["Cooking"]))
        gaps = workspace.gaps(scope=Scope.of(wallets=[ONE])).document
        assert (gaps["trades"], gaps["volume"]) == (own["trades"]["total"], own["volume"]["total"])
        assert workspace.gaps(scope=Scope.of(markets=[market])).document["trades"] == one["trades"]["total"]
        plan = workspace.plan(scope=Scope.of(wallets=[ONE], until="2024-01-05")).document
        assert plan["scope"]["wallets"] == [ONE]


def test_markets_cannot_limit_a_scan_and_the_error_says_what_can(tmp_path: Path) -> None:
    with (
        replica_of(world_of()) as url,
        workspace_at(tmp_path, url) as workspace,
        pytest.raises(UsageError, match=r"(?s)by --market.*import --as logs"),
    ):
        workspace.sync(scope=Scope.of(markets=["500000"]))


def test_without_a_node_the_data_api_gives_a_wallets_trades(full: Path, tmp_path: Path) -> None:
    with replica_of(world_of()) as url:
        sources = {"chain": {"enabled": False}, "data_api": {"url": f"{url}/data"}}
        with workspace_at(full, url) as whole:
            fills = len(whole.sql(f"SELECT 1 FROM fills WHERE wallet = '{ONE}'").document["rows"])
        for until, expected in (("2024-01-05", None), (None, fills), (None, fills)):
            with workspace_at(tmp_path, url, **sources) as workspace:
                report = workspace.sync(scope=Scope.of(wallets=[ONE], until=until))
                assert report["state"] == "done"
                trades = workspace.sql("SELECT count(*) FROM imported.trades").document["rows"][0][0]
                assert trades == expected or (expected is None and 0 < trades < fills)
                names = workspace.sql("SELECT DISTINCT name FROM imported.files").document["rows"]
                assert names == [[f"data_api:{ONE}"]]
        with workspace_at(tmp_path, url, **sources, clob={"enabled": False}) as workspace:
            assert workspace.coverage(scope=Scope.of(wallets=[ONE])).document["trades"]["condition"] == fills


def test_dates_without_blocks_are_refused(tmp_path: Path) -> None:
    with (
        replica_of(world_of()) as url,
        workspace_at(tmp_path, url) as workspace,
        pytest.raises(UsageError, match="no block between"),
    ):
        workspace.sync(scope=Scope.of(since="2031-01-01"))


ALL = (100, 199)


def test_portions_are_cut_where_the_wallets_change() -> None:
    a, b = b"a" * 20, b"b" * 20
    done = {a: [Interval(100, 149)]}
    at_all = [Interval(100, 149)]
    found = portions(ALL, for_all=[], at_all=at_all, wallets=[a, b], by_wallet=done)
    assert found == [
        Portion(Interval(100, 149), (b,), with_names=False),
        Portion(Interval(150, 199), (a, b), with_names=True),
    ]
    everything = portions(ALL, for_all=[Interval(120, 129)], at_all=[Interval(120, 149)])
    assert [(p.blocks, p.wallets, p.with_names) for p in everything] == [
        (Interval(100, 119), None, True),
        (Interval(130, 149), None, False),
        (Interval(150, 199), None, True),
    ]
    assert portions(ALL, for_all=[Interval(0, 500)], at_all=[Interval(0, 500)], wallets=[a]) == []


def test_texts_become_scopes() -> None:
    assert moment("2025-11-01") == 1_761_955_200
    assert moment("2025-11-01", last=True) == moment("2025-11-02") - 1
    assert moment("2025-11-01T02:00+02:00") == moment("2025-11-01")
    scope = Scope.of(wallets=[ONE.upper().replace("0X", "0x"), ONE], since="2025-11-01")
    assert scope.wallets == (ONE,)
    assert read_wallets(f"wallet,label\n{ONE},me\n\n# none\n{OTHER}  # you\n", "list") == [ONE, OTHER]
    for text in ("0x12\n", "", "# nothing\n"):
        with pytest.raises(UsageError, match="list"):
            read_wallets(text, "list")
    for since, until in (("yesterday", None), ("2025-11-02", "2025-11-01"), ("9999-99-99", None)):
        with pytest.raises(UsageError):
            Scope.of(since=since, until=until)
