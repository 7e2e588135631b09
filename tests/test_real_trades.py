"""The 3,500 real trades with holes, closed by the 59 real markets and by receipts, from the command line."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from polyledger.replica import World
from tests.real_world import Row, real_world, records, with_holes, write_rows
from tests.worlds import COMMAND, command_environment, replica_of, stats

UNSEEN = 3  # of eight transactions without any other id, so many are on no node


def is_on_chain(transaction: str) -> bool:
    return int(transaction[-1], 16) % 8 >= UNSEEN


@dataclass
class Ledger:
    """A workspace, its replica, and what went in."""

    folder: Path
    url: str
    world: World
    rows: list[Row]
    file: Path

    def run(self, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        """The command on the workspace. The only block to scan is the empty one at the end of the world."""
        done = subprocess.run(
            [*COMMAND, "-w", str(self.folder), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**command_environment(self.url), "POLYLEDGER_CHAIN__FROM_BLOCK": str(self.world.to_block)},
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done

    def document(self, *arguments: object) -> dict[str, Any]:
        """What the command prints with --json."""
        found: dict[str, Any] = json.loads(self.run(*arguments, "--json").stdout)
        return found

    def enriched(self, folder: Path) -> list[Row]:
        """The file written again with what each row is."""
        out = folder / "enriched.jsonl"
        self.run("export", "enriched-trades", "--file", self.file, "--out", out)
        return [json.loads(line, parse_float=Decimal) for line in out.read_text().splitlines()]


@pytest.fixture(scope="module")
def truth() -> list[Row]:
    return records("trades.jsonl.gz")


@pytest.fixture(scope="module")
def only_clob() -> dict[str, Any]:
    conditions = [market["condition_id"] for market in records("clob_markets.jsonl.gz")]
    return {"markets": {"missing_gamma": conditions, "missing_data": conditions}}


@pytest.fixture(scope="module")
def ledger(truth: list[Row], only_clob: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """The trades with holes, imported and synced."""
    folder = tmp_path_factory.mktemp("real")
    world = real_world(folder / "world", is_on_chain)
    rows = with_holes(truth)
    file = write_rows(folder / "trades.jsonl", rows)
    before = file.read_bytes()
    with replica_of(world, only_clob) as url:
        opened = Ledger(folder / "ledger", url, world, rows, file)
        counts = opened.document("import", file)["rows"]
        assert counts == {"rows": 3500, "imported": 3500, "rejected": 0, "repeats": 0, "duplicates": 0}
        assert opened.document("sync")["state"] == "done"
        assert file.read_bytes() == before
        yield opened


def kind_of(row: Row) -> str:
    """How a row can be known: by its token, its condition, or a transaction that the chain has, or that no node has."""
    if row["asset"]:
        return "token"
    if row["conditionId"]:
        return "condition"
    return "on chain" if is_on_chain(row["transactionHash"]) else "unseen"


def test_every_row_comes_out_as_it_went_in_and_no_attribution_is_wrong(
    ledger: Ledger, truth: list[Row], tmp_path: Path
) -> None:
    kinds = Counter(map(kind_of, ledger.rows))
    assert kinds["token"] == 3150
    assert min(kinds.values()) > 40
    payouts = {
        token["token_id"]: token["winner"] for market in records("clob_markets.jsonl.gz") for token in market["tokens"]
    }
    written = ledger.enriched(tmp_path)
    assert len(written) == len(truth) == 3500
    for given, row, right in zip(ledger.rows, written, truth, strict=True):
        assert {name: row[name] for name in given} == given
        kind = kind_of(given)
        if kind == "unseen":
            assert (row["state"], row["reason"]) == ("pending", "known only by transaction")
            assert (row["condition_id"], row["verdict"]) == (None, None)
            continue
        assert row["state"] == "attributed", (kind, row)
        assert (row["condition_id"], row["outcome_index"]) == (right["conditionId"], right["outcomeIndex"])
        assert row["verdict"] == "proven" or kind == "condition", row
        assert Decimal(row["payout"]) == payouts[right["asset"]], row


def test_coverage_and_gaps_add_up_to_the_rows(ledger: Ledger, truth: list[Row]) -> None:
    kinds = Counter(map(kind_of, ledger.rows))
    coverage = ledger.document("coverage", "--by", "month")
    trades = coverage["trades"]
    assert (trades["total"], trades["pending"]) == (3500, kinds["unseen"])
    assert trades["condition"] == trades["resolution"] == 3500 - kinds["unseen"]
    assert trades["conflict"] == trades["unfillable"] == trades["duplicates"] == trades["market"] == 0
    assert coverage["links"] == {"proven": 118, "claimed": 0, "refuted": 0}
    assert coverage["conditions"]["total"] == coverage["conditions"]["resolved"] == 59
    for part in (coverage, *coverage["by"]):
        states = sum(part["trades"][name] for name in ("condition", "pending", "conflict", "unfillable"))
        assert states == part["trades"]["total"]
    assert sum(part["trades"]["total"] for part in coverage["by"]) == 3500
    gaps = {(gap["missing"], gap["of"]): gap for gap in ledger.document("gaps")["gaps"]}
    unseen = {row["transactionHash"] for row in ledger.rows if kind_of(row) == "unseen"}
    missing = gaps["condition", "transaction"]
    assert (missing["keys"], missing["trades"]) == (len(unseen), kinds["unseen"])
    assert ("condition", "token") not in gaps
    assert ("resolution", "condition") not in gaps


def test_a_receipt_that_no_node_has_waits_a_day_and_is_explained(ledger: Ledger) -> None:
    before = stats(ledger.url)["rpc"]["calls"]["eth_getTransactionReceipt"]
    assert ledger.document("sync")["state"] == "done"
    assert stats(ledger.url)["rpc"]["calls"]["eth_getTransactionReceipt"] == before
    row = next(row for row in ledger.rows if kind_of(row) == "unseen")
    explained = ledger.document("explain", row["transactionHash"])
    assert explained["value"]["rows"][0]["reason"] == "known only by transaction"
    assert [asked["outcome"] for asked in explained["proof"]["asked"]] == ["unseen"]
    row = next(row for row in ledger.rows if kind_of(row) == "on chain")
    explained = ledger.document("explain", row["transactionHash"])
    assert explained["verdict"] == "proven"
    assert [claim["won"] for claim in explained["claims"]].count(True) >= 1


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("gaps", "condition of transactions"),
        pytest.param("coverage", "known only by transaction", marks=pytest.mark.long),
        pytest.param("status", "not found", marks=pytest.mark.long),
        pytest.param("conflicts", "nothing was set aside", marks=pytest.mark.long),
    ],
)
def test_what_people_read_fits_their_terminal(ledger: Ledger, question: str, part: str) -> None:
    printed = ledger.run(question).stdout
    assert part in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert not any("…" in line for line in printed.splitlines()[:3])  # no heading is cut off


@pytest.mark.long
@pytest.mark.parametrize("echoes", [False, True])
def test_sources_that_answer_one_market_for_everything_change_nothing(
    echoes: bool, truth: list[Row], only_clob: dict[str, Any], ledger: Ledger, tmp_path: Path
) -> None:
    """Gamma and the Data API answer everything with the same market: as it is, or under the id that was asked for."""
    wanted = ledger.enriched(tmp_path)
    theirs = only_clob["markets"]["missing_gamma"][7]
    lies = {"one_market": theirs, "one_market_of": ["gamma", "data"], "one_market_echoes": echoes}
    with replica_of(ledger.world, {"markets": lies}) as url:
        other = Ledger(tmp_path / "ledger", url, ledger.world, ledger.rows, ledger.file)
        other.run("import", other.file)
        other.document("sync")
        (tmp_path / "lies").mkdir()
        found = other.enriched(tmp_path / "lies")
        set_aside = other.document("conflicts")["quarantines"]
    for row, right, honest in zip(found, truth, wanted, strict=True):
        assert row["condition_id"] in {right["conditionId"], None}, row
        assert (row["state"], row["condition_id"]) == (honest["state"], honest["condition_id"])
        assert row["market_id"] is None or row["condition_id"] == theirs
    assert {one["source"] for one in set_aside} <= {"gamma", "data_api"}
    assert set_aside
