"""What services list whole, through `plan` and `sync`: an account's own trades, and wallets without a node."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from polyledger.domain.scope import Scope
from polyledger.replica.clob_account import API_KEY, PASSPHRASE, SECRET
from tests.worlds import COMMAND, command_environment, replica_of, stats, workspace_at, world_of

ONE = "0xf2cd78b8fea59fb7449960c5bd58a9045f4ec315"
KEYS = {"address": ONE, "api_key": API_KEY, "secret": SECRET, "passphrase": PASSPHRASE}
WITHOUT_CHAIN = {"chain": {"enabled": False}}
# What the Data API tells in full of a wallet in a condition: no fees, no transfers, no conversions.
TOLD = ("fill", "split", "merge", "redeem")


OWN = (
    "SELECT * FROM positions WHERE wallet = '{0}' ORDER BY ALL",
    "SELECT * FROM wallets WHERE wallet = '{0}'",
)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    with replica_of(world_of()) as url, workspace_at(folder, url) as workspace:
        workspace.sync()
    return folder


def stages(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(stage["source"], stage["action"]) for stage in document["stages"]]


def test_an_accounts_trades_are_planned_listed_and_recognised_on_chain(full: Path, tmp_path: Path) -> None:
    with replica_of(world_of()) as url:
        with workspace_at(full, url) as whole:
            own = whole.sql(f"SELECT count(*) FROM fills WHERE wallet = '{ONE}'").document["rows"][0][0]
        with workspace_at(tmp_path, url, **WITHOUT_CHAIN, clob=KEYS) as workspace:
            assert stages(workspace.plan().document) == [("clob", "account-trades")]
            report = workspace.sync()
            assert report["state"] == "done"
            coverage = workspace.coverage("source").document
            assert coverage["trades"]["total"] == coverage["trades"]["market"] == own > 100
            assert coverage["links"]["claimed"] == coverage["links"]["refuted"] == 0
            assert [group["key"] for group in coverage["by"]] == [f"clob:{ONE}"]
            assert ("clob", "account-trades") not in stages(workspace.plan().document)
            assert workspace.sync()["requests"]["clob"] == 0
        with workspace_at(tmp_path, url, clob=KEYS) as workspace:
            workspace.sync()
            trades = workspace.coverage().document["trades"]
        with workspace_at(full, url) as whole:
            expected = whole.coverage().document["trades"]
    assert trades == expected | {"duplicates": own}


def test_keys_that_are_not_accepted_are_an_error_that_does_not_stop_the_rest(tmp_path: Path) -> None:
    with replica_of(world_of()) as url:
        environment = command_environment(url) | {
            "POLY_ADDRESS": ONE,
            "CLOB_API_KEY": "another-api-key",
            "CLOB_API_SECRET": SECRET,
            "CLOB_API_PASSPHRASE": PASSPHRASE,
        }
        command = [*COMMAND, "-w", str(tmp_path), "sync", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 4, done.stderr
        document = json.loads(done.stdout)
        assert document["state"] == "partial"
        assert f"does not accept the keys of {ONE}" in document["message"]
        assert document["coverage"]["trades"]["total"] > 1_000
        del environment["CLOB_API_SECRET"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    assert "the account's trades need clob.secret as well" in done.stderr
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.suffix in {".json", ".log", ".toml"})
    for secret in ("another-api-key", SECRET, PASSPHRASE):
        assert secret not in done.stdout + done.stderr + written


def test_splits_merges_and_redemptions_make_profit_right_without_a_node(full: Path, tmp_path: Path) -> None:
    with replica_of(world_of()) as url:
        with workspace_at(full, url) as whole:
            told = whole.sql(
                "SELECT account, condition_id FROM journal JOIN wallets ON wallet = account "
                "WHERE condition_id IS NOT NULL "
                f"GROUP BY ALL HAVING bool_and(reason IN {TOLD}) AND bool_or(reason IN ('split', 'merge', 'redeem'))"
            ).document["rows"]
            counted = Counter(account for account, _ in told)
            wallets = [account for account, _ in counted.most_common(4)]
            told = [row for row in told if row[0] in wallets]
            expected = {wallet: whole.wallet(wallet).document["positions"] for wallet in wallets}
        with workspace_at(tmp_path, url, **WITHOUT_CHAIN) as workspace:
            scope = Scope.of(wallets=wallets)
            assert set(stages(workspace.plan(scope=scope).document)) == {
                ("data_api", "wallet-trades"),
                ("data_api", "wallet-activity"),
            }
            assert workspace.sync(scope=scope)["state"] == "done"
            found = {wallet: workspace.wallet(wallet).document["positions"] for wallet in wallets}
            limits = workspace.coverage().document["scope"]
            kinds = dict(workspace.sql("SELECT kind, count(*) FROM imported.movements GROUP BY kind").document["rows"])
    assert len(limits["wallets"]) == len(wallets)
    assert kinds["CONVERSION"] == 1
    assert "a conversion of neg-risk shares, of which the Data API does not say" in limits["left_out"]
    assert kinds["SPLIT"] > 10
    assert kinds["REDEEM"] > 10
    checked = moved = 0
    for wallet, condition in told:
        (truth,) = (row for row in expected[wallet] if row.get("condition") == condition)
        (own,) = (row for row in found[wallet] if row.get("condition") == condition)
        if own["state"] != "resolved":
            continue  # the services of the replica do not tell every resolution
        # Prices are quotients in decimal: a micro-dollar a fill may be lost, not more.
        assert abs(micros(own["realized_pnl"]) - micros(truth["realized_pnl"])) <= 5, (wallet, condition)
        checked += 1
        if sorted(own["payout"]) == ["0.000000", "1.000000"]:
            assert abs(micros(own["cash_flow"]) - micros(truth["cash_flow"])) <= 5, (wallet, condition)
            moved += 1
    assert checked >= 5
    assert moved >= 3


def test_activity_gives_way_to_the_chain_once_that_is_scanned(full: Path, tmp_path: Path) -> None:
    with replica_of(world_of()) as url:
        with workspace_at(tmp_path, url, **WITHOUT_CHAIN) as workspace:
            workspace.sync(scope=Scope.of(wallets=[ONE], until="2024-01-04"))
            first = workspace.sql("SELECT count(*) FROM imported.movements").document["rows"][0][0]
            workspace.sync()  # wallets that were listed before are brought up to date
            listed = workspace.sql("SELECT * FROM imported.movements ORDER BY ALL").document["rows"]
            assert 0 < first < len(listed)
            early = workspace.wallet(ONE, as_of="2024-01-04").document
            assert early["cash_flow"] != workspace.wallet(ONE).document["cash_flow"]
            assert stats(url, reset=True)["requests"]["data"] > 2
            workspace.sync(scope=Scope.of(wallets=[ONE], until="2024-01-05"))
            assert "data" not in stats(url)["requests"]  # all of it has been listed
        with workspace_at(tmp_path, url) as workspace:
            workspace.sync()
            assert workspace.sql("SELECT count(*) FROM book.movement_events").document["rows"] == [[0]]
            found = [workspace.sql(query.format(ONE)).document["rows"] for query in OWN]
        with workspace_at(full, url) as whole:
            assert found == [whole.sql(query.format(ONE)).document["rows"] for query in OWN]


def micros(text: str) -> int:
    return round(float(text) * 1e6)
