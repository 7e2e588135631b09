"""What imported sets of ids mean: by proof, by the ids they name, by market claims; and why some mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyledger.identity.reconcile import reconcile
from polyledger.store.attribution import attribute, use_answerers
from polyledger.store.database import Database
from polyledger.value.coverage import coverage
from tests.imported_rows import Importer

FIRST, SECOND, THIRD, CLAIMED_ONLY = 0, 1, 2, 3
LINKED, LINKED_NO, LOOSE, REFUTED = 0, 1, 10, 11


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "ledger.duckdb", read_only=False, memory_limit=None, threads=1)
    with opened.transaction() as connection:
        for condition in range(4):
            connection.execute("INSERT INTO dim.conditions VALUES (?, ?)", [condition, bytes([condition]) * 32])
        # FIRST and SECOND are linked by derivation; LOOSE and REFUTED are tokens nobody has derived.
        for token, condition in ((0, FIRST), (1, FIRST), (2, SECOND), (3, SECOND), (LOOSE, None), (REFUTED, None)):
            index = None if condition is None else token % 2
            connection.execute(
                "INSERT INTO dim.tokens VALUES (?, ?, ?, ?, ?, NULL)",
                [token, bytes([token]) * 32, str(token), condition, index],
            )
        for condition, market, slug in ((FIRST, "m1", "one"), (SECOND, "m2", "two"), (THIRD, "m2", "three")):
            _claim_market(connection, condition, market, slug)
        connection.execute(
            "INSERT INTO claim.tokens VALUES ('gamma', ?, ?, 0, NULL, 'refuted', 1, TIMESTAMP '2026-01-01')",
            [REFUTED, THIRD],
        )
        reconcile(connection)
    yield opened
    opened.close()


def _claim_market(connection: Any, condition: int, market: str, slug: str) -> None:
    connection.execute(
        """INSERT INTO claim.markets (source, condition, market_id, slug, outcomes, verdict, evidence_id, observed_at)
        VALUES ('gamma', ?, ?, ?, ['Yes', 'No'], 'claimed', 1, TIMESTAMP '2026-01-01')""",
        [condition, market, slug],
    )


def link(database: Database, **ids: Any) -> tuple[Any, ...]:
    """(condition, outcome index, token, state, reason, verdict) of a set."""
    with database.transaction() as connection:
        identity = Importer(connection).identity(**ids)
        attribute(connection)
    (row,) = database.query(
        "SELECT condition, outcome_index, token, state, reason, verdict FROM book.identity_links WHERE identity = ?",
        [identity],
    )
    return row


def asked(database: Database, kind: str, key: str, outcome: str, *sources: str) -> None:
    with database.transaction() as connection:
        for source in sources:
            connection.execute(
                "INSERT INTO meta.lookups VALUES (?, ?, ?, ?, NULL, TIMESTAMP '2026-01-01')",
                [source, kind, key, outcome],
            )


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"token": LINKED_NO}, (FIRST, 1, LINKED_NO, "attributed", None, "proven")),
        ({"token": LINKED, "condition": FIRST}, (FIRST, 0, LINKED, "attributed", None, "proven")),
        # What the row says of a proven token gives way to the proof.
        (
            {"token": LINKED_NO, "outcome_index": 82},
            (FIRST, 1, LINKED_NO, "attributed", "outcome corrected by proof", "proven"),
        ),
        ({"token": LINKED, "market_id": "m2"}, (FIRST, 0, LINKED, "attributed", None, "proven")),
        ({"condition": FIRST, "outcome": "no"}, (FIRST, 1, LINKED_NO, "attributed", None, "claimed")),
        ({"condition": FIRST, "outcome_index": 0}, (FIRST, 0, LINKED, "attributed", None, "claimed")),
        ({"condition": FIRST, "outcome": "maybe"}, (FIRST, None, None, "attributed", None, "claimed")),
        ({"condition": CLAIMED_ONLY}, (CLAIMED_ONLY, None, None, "attributed", None, "claimed")),
        ({"condition": THIRD, "outcome": "Yes"}, (THIRD, 0, None, "attributed", None, "claimed")),
        ({"market_id": "m1", "outcome": "YES"}, (FIRST, 0, LINKED, "attributed", None, "claimed")),
        ({"slug": "three", "outcome_index": 1}, (THIRD, 1, None, "attributed", None, "claimed")),
        ({"market_id": "m2", "slug": "two"}, (SECOND, None, None, "attributed", None, "claimed")),
        (
            {"condition": FIRST, "outcome": "Yes", "outcome_index": 1},
            (FIRST, None, None, "attributed", "outcome label and index disagree", "claimed"),
        ),
        ({"condition": FIRST, "outcome_index": 2}, (FIRST, None, None, "attributed", "no such outcome", "claimed")),
    ],
)
def test_what_a_set_means(database: Database, ids: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert link(database, **ids) == expected


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        ({"token": LINKED, "condition": SECOND}, "token and condition contradict each other by proof"),
        ({"token": REFUTED, "condition": THIRD}, "the token does not derive from the condition"),
        ({"token": LOOSE, "condition": FIRST}, "the token does not derive from the condition"),
        ({"token": LOOSE, "slug": "one"}, "the token does not derive from the condition"),
        ({"market_id": "m2"}, "the market id or slug names several conditions"),
        ({"market_id": "m1", "slug": "two"}, "market id and slug name different conditions"),
    ],
)
def test_contradictions_are_conflicts_and_mean_nothing(database: Database, ids: dict[str, Any], reason: str) -> None:
    condition, outcome_index, _, state, found, verdict = link(database, **ids)
    assert (condition, outcome_index, state, found, verdict) == (None, None, "conflict", reason, None)


def test_a_key_is_unknown_only_once_everyone_who_could_know_it_was_asked(database: Database) -> None:
    def state(**ids: Any) -> tuple[Any, ...]:
        return link(database, **ids)[3:5]

    pending = ("pending", "condition not known yet")
    assert state(token=LOOSE) == pending
    asked(database, "token", str(LOOSE), "not_found", "gamma", "clob")
    assert state(token=LOOSE) == pending  # nobody has said yet who could know
    with database.transaction() as connection:
        use_answerers(connection, {"token": ["gamma", "clob", "data_api"], "market_id": ["gamma"], "slug": ["gamma"]})
    assert state(token=LOOSE) == pending
    asked(database, "token", str(LOOSE), "schema_mismatch", "data_api")
    assert state(token=LOOSE) == pending  # no answer
    asked(database, "token", str(LOOSE), "not_found", "data_api")
    assert state(token=LOOSE) == ("unfillable", "unknown to all sources")
    assert state(token=LOOSE, slug="nowhere") == pending  # its slug can still be asked for
    asked(database, "slug", "nowhere", "not_found", "gamma")
    assert state(token=LOOSE, slug="nowhere") == ("unfillable", "unknown to all sources")
    # A source that knows the market and no condition of it: it never came to the chain.
    asked(database, "market_id", "m9", "found", "gamma")
    assert state(market_id="m9") == ("unfillable", "market never deployed")
    asked(database, "token", str(REFUTED), "found", "gamma", "clob", "data_api")
    assert state(token=REFUTED) == ("unfillable", "refuted by proof")
    assert state() == ("unfillable", "no identity")
    # A source switched on later is asked as well.
    with database.transaction() as connection:
        use_answerers(connection, {"token": ["gamma", "clob", "data_api", "subgraph"]})
    assert state(token=LOOSE) == pending


def test_one_position_for_all_ways_to_name_an_outcome(database: Database) -> None:
    with database.transaction() as connection:
        importer = Importer(connection)
        same = [importer.identity(slug="three", outcome="no"), importer.identity(condition=THIRD, outcome_index=1)]
        other = [importer.identity(condition=THIRD, outcome="yes"), importer.identity(condition=THIRD)]
        token = importer.identity(market_id="m1", outcome="no")
        attribute(connection)
    positions = dict(database.query("SELECT identity, position FROM book.identity_links"))
    assert positions[same[0]] == positions[same[1]] < 0
    assert len({positions[same[0]], *(positions[identity] for identity in other)}) == 3
    assert positions[token] == LINKED_NO


def test_every_trade_has_exactly_one_state(database: Database) -> None:
    row = {"side": 0, "shares": 2_000_000, "collateral": 1_000_000}
    with database.transaction() as connection:
        use_answerers(connection, {"transaction": ["chain"]})
        importer = Importer(connection)
        importer.trade(token=LINKED, **row)
        importer.trade(token=LINKED, role=0, **row)  # a maker leg: its volume is the taker's
        importer.trade(slug="three", **row)
        importer.trade(token=LOOSE, **row)
        importer.trade(market_id="m2", **row)
        importer.trade(**row)  # nothing at all
        open_transaction = importer.trade(hash=b"\x01" * 32, **row)
        importer.trade(hash=b"\x02" * 32, **row)
        known = importer.trade(hash=b"\x03" * 32, **row)
        importer.match(known, None, 5, LINKED_NO)
        repeat = importer.trade(token=LINKED, **row)
        connection.execute("INSERT INTO imported.repeats VALUES (?, 0)", [repeat])
    asked(database, "transaction", f"0x{'02' * 32}", "not_found", "chain")
    with database.transaction() as connection:
        attribute(connection)
    document = coverage(database)
    assert document["trades"] == {
        "total": 9, "condition": 4, "market": 4, "category": 0, "resolution": 0,
        "pending": 2, "conflict": 1, "unfillable": 2, "duplicates": 1,
    }  # fmt: skip
    assert document["volume"] == {
        "total": "8.000000", "condition": "3.000000", "market": "3.000000", "category": "0.000000",
        "resolution": "0.000000", "pending": "2.000000", "conflict": "1.000000", "unfillable": "2.000000",
        "duplicates": "1.000000",
    }  # fmt: skip
    assert document["unconfirmed"] == {"trades": 0, "volume": "0.000000"}
    assert {(r["state"], r["reason"], r["trades"]) for r in document["reasons"]} == {
        ("pending", "condition not known yet", 1),
        ("pending", "known only by transaction", 1),
        ("conflict", "the market id or slug names several conditions", 1),
        ("unfillable", "no identity", 1),
        ("unfillable", "unknown to all sources", 1),
    }
    assert document["conditions"]["total"] == 2  # FIRST and THIRD
    for by in ("month", "source", "category", "wallet"):
        groups = coverage(database, by)["by"]
        assert {key: sum(g["trades"][key] for g in groups) for key in document["trades"]} == document["trades"]
        assert sum(len(g["reasons"]) for g in groups) >= 5
    assert open_transaction != known
    (source,) = coverage(database, "source")["by"]
    assert source["key"] == "file:trades.csv"


def test_what_was_scanned_completely_decides_what_is_unconfirmed(database: Database) -> None:
    with database.transaction() as connection:
        for number, timestamp in (
            (100, 1_700_000_000),
            (110, 1_700_000_020),
            (111, 1_700_000_022),
            (200, 1_700_100_000),
        ):
            connection.execute("INSERT INTO chain.blocks VALUES (?, ?, NULL, ?)", [number, bytes(32), timestamp])
        for first, last in ((100, 110), (111, 200)):
            connection.execute(
                "INSERT INTO meta.intervals VALUES ('s', ?, ?, ?, 0, ?, 'r')", [first, last, bytes(32), bytes(16)]
            )
        connection.execute("INSERT INTO chain.transactions VALUES (?, ?)", [150 << 16, b"\x07" * 32])
        importer = Importer(connection)
        inside = [importer.trade(token=LINKED, timestamp=t) for t in (1_700_000_000, 1_700_000_021, 1_700_100_000)]
        inside.append(importer.trade(token=LINKED, hash=b"\x07" * 32))
        nameless = importer.trade(hash=b"\x07" * 32, timestamp=1_600_000_000)
        outside = [importer.trade(token=LINKED, timestamp=t) for t in (1_699_999_999, 1_700_100_001, None)]
        outside.append(importer.trade(token=LINKED, hash=b"\x08" * 32))
        attribute(connection)
    standing = dict(database.query("SELECT trade, standing FROM book.imported_rows"))
    assert {trade for trade, value in standing.items() if value == 2} == {*inside, nameless}
    assert {trade for trade, value in standing.items() if value == 0} == set(outside)
    document = coverage(database)
    assert (document["trades"]["total"], document["unconfirmed"]["trades"]) == (9, 5)
    # A scanned block holds its transaction, and no fill in it is the row: the chain says no.
    assert [r["reason"] for r in document["reasons"]] == ["refuted by proof"]
