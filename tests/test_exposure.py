"""Open exposure agrees with the bounds of P&L, wallet by wallet, and adds up over categories, events and groups."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyledger.cli.insight_views import exposure as exposure_view
from polyledger.insight.exposure import OpenUnit, exposure, summary
from polyledger.store.database import Database
from tests.test_cli_views import drawn


@pytest.fixture(scope="module")
def database(devworld: Path) -> Iterator[Database]:
    database = Database(devworld / "ledger.duckdb", read_only=True, memory_limit=None, threads=None)
    yield database
    database.close()


def test_what_is_open_is_what_bounds_add_to_cash_and_settled_value(database: Database) -> None:
    from polyledger.value.wallets import wallets

    documents = wallets(database)["wallets"]
    assert len(documents) == 20
    total = sum(Decimal(document["high"]) - Decimal(document["low"]) for document in documents)
    for document in documents[::4]:
        fixed = Decimal(document["cash_flow"]) + Decimal(document["settled_value"])
        found = exposure(database, [document["wallet"]])
        assert Decimal(found["least"]) == Decimal(document["low"]) - fixed
        assert Decimal(found["most"]) == Decimal(document["high"]) - fixed
        for part in document["categories"]:
            row = next((r for r in found["by_category"] if r["category"] == part["category"]), None)
            part_fixed = Decimal(part["cash_flow"]) + Decimal(part["settled_value"])
            assert (Decimal(row["most"]) if row else 0) == Decimal(part["high"]) - part_fixed
        assert Decimal(found["at_stake"]) == Decimal(document["high"]) - Decimal(document["low"])
    whole = exposure(database)
    assert Decimal(whole["at_stake"]) == total > 0
    titles = dict(database.query("SELECT event_id, title FROM events"))
    assert {row["event"]: row["title"] for row in whole["by_event"]} == {
        row["event"]: titles[row["event"]] for row in whole["by_event"]
    }
    assert titles[whole["by_event"][0]["event"]] in drawn(exposure_view, whole)


units = st.builds(
    lambda number, event, category, unit, is_group, least, more: OpenUnit(
        number, event, category, unit, is_group, least, least + more
    ),
    st.integers(1, 9),
    st.sampled_from([None, "1", "2"]),
    st.sampled_from(["Sports", "Crypto"]),
    st.sampled_from(["0xa", "0xb", "0xc"]),
    st.booleans(),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
)


@given(st.lists(units, max_size=12))
def test_parts_add_up_and_concentration_keeps_its_limits(given_units: list[OpenUnit]) -> None:
    document = summary(given_units)
    for part in ("by_category", "by_event"):
        assert sum(Decimal(row["at_stake"]) for row in document[part]) == Decimal(document["at_stake"])
        assert sum(row["open"] for row in document[part]) == sum(unit.open for unit in given_units)
    if Decimal(document["at_stake"]) == 0:
        assert document["herfindahl"] is None
        assert document["largest_share"] is None
        return
    events = sum(1 for row in document["by_event"] if Decimal(row["at_stake"]) > 0)
    assert 1 / events - 1e-9 <= document["herfindahl"] <= 1 + 1e-9
    assert document["herfindahl"] <= document["largest_share"] + 1e-9
