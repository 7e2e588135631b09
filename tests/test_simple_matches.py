"""The quick way of matching imported rows gives what the general rule gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyledger.ledger import import_matches
from polyledger.ledger.simple_matches import simple_matches
from polyledger.store.attribution import attribute
from polyledger.store.database import Database
from tests.imported_rows import Importer

SUMS = """
SELECT file, link, standing, count(*), CAST(sum(CASE WHEN role = 0 THEN 0 ELSE coalesce(collateral, 0) END) AS BIGINT)
FROM book.imported_rows GROUP BY ALL ORDER BY ALL
"""

rows = st.fixed_dictionaries(
    {"place": st.integers(0, 3), "file": st.integers(0, 1)},
    optional={
        "log_index": st.integers(0, 2),
        "wallet": st.integers(1000, 1001),
        "side": st.integers(0, 1),
        "shares": st.sampled_from([10, 20]),
        "collateral": st.sampled_from([5, 6, 7, 9]),
        "token": st.integers(0, 2),
        "role": st.integers(0, 1),
        "timestamp": st.just(1),
    },
)
whole = st.fixed_dictionaries(
    {
        "place": st.integers(0, 3),
        "file": st.just(0),
        "wallet": st.integers(1000, 1002),
        "side": st.integers(0, 1),
        "shares": st.sampled_from([10, 20]),
        "collateral": st.sampled_from([5, 6, 9]),
    },
    optional={"token": st.integers(0, 2)},
)
fills = st.fixed_dictionaries(
    {
        "place": st.integers(0, 3),
        "wallet": st.integers(1000, 1002),
        "side": st.integers(0, 1),
        "shares": st.sampled_from([10, 20]),
        "collateral": st.sampled_from([5, 6, 9]),
        "token": st.integers(0, 2),
        "leftover": st.sampled_from([0, 0, 0, 1]),
    }
)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = Database(
        tmp_path_factory.mktemp("matches") / "ledger.duckdb", read_only=False, memory_limit=None, threads=1
    )
    with opened.transaction() as connection:
        connection.execute(
            "INSERT INTO dim.tokens SELECT CAST(i AS INTEGER), unhex(printf('%064x', i)), CAST(i AS VARCHAR), "
            "NULL, NULL, NULL FROM range(3) AS t(i)"
        )
    yield opened
    opened.close()


def matched(ledger: Database, given_rows: list[dict[str, Any]], given_fills: list[dict[str, Any]]) -> list[Any]:
    """What match_imports makes of rows and fills; places 0 and 1 are scanned, 2 and 3 have receipts only."""
    with ledger.transaction() as connection:
        for table in ("imported.files", "imported.trades", "imported.transactions",
                      "imported.matches", "imported.repeats", "book.imported_bases", "chain.transactions",
                      "chain.fills", "claim.receipt_fills"):  # fmt: skip
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM imported.identities WHERE identity > 0")
        connection.execute("DELETE FROM meta.settings WHERE name = 'imports_matched'")
        hashes = [bytes([place + 1]) * 32 for place in range(4)]
        files = [Importer(connection, f"{number}.csv") for number in range(2)]
        for hash_ in hashes:
            files[0].transaction(hash_)
        for row in given_rows:
            columns = {name: value for name, value in row.items() if name not in {"place", "file"}}
            files[row["file"]].sets = files[0].sets
            files[row["file"]].trade(hash=hashes[row["place"]], **columns)
        counts: defaultdict[int, int] = defaultdict(int)
        for place in (0, 1):
            connection.execute("INSERT INTO chain.transactions VALUES (?, ?)", [place + 7, hashes[place]])
        for fill in given_fills:
            place, log = fill["place"], counts[fill["place"]]
            counts[place] += 1
            common = [fill["side"], fill["token"], fill["shares"], fill["collateral"]]
            if place < 2:
                connection.execute(
                    "INSERT INTO chain.fills BY NAME SELECT ? AS tx, ? AS log_index, 5 AS contract, ? AS wallet, "
                    "6 AS counterparty, 1 AS role, ? AS side, 1 AS layout, ? AS token, ? AS shares, ? AS collateral, "
                    "0 AS fee, 0 AS fee_refund, ? AS leftover, -1 AS match_log_index",
                    [place + 7, log, fill["wallet"], *common, fill["leftover"]],
                )
            else:
                connection.execute(
                    "INSERT INTO claim.receipt_fills VALUES (?, 1, ?, 5, ?, 6, 1, ?, ?, ?, ?, 0, 1)",
                    [place, log, fill["wallet"], *common],
                )
    import_matches.match_imports(ledger)
    with ledger.transaction() as connection:
        attribute(connection)
    sums = ledger.query("SELECT * FROM book.imported_sums ORDER BY ALL")
    assert sums == ledger.query(SUMS)
    return ledger.query("SELECT * FROM imported.matches ORDER BY trade")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.lists(rows, max_size=12), st.lists(whole, max_size=12), st.lists(st.one_of(rows, whole), max_size=9)),
    st.lists(fills, max_size=12),
)
def test_both_ways_agree(ledger: Database, given_rows: list[dict[str, Any]], given_fills: list[dict[str, Any]]) -> None:
    quick = matched(ledger, given_rows, given_fills)

    def nothing_is_simple(columns: Any, of_fills: Any, transactions: int) -> Any:
        return simple_matches({**columns, "simple": columns["simple"] & False}, of_fills, transactions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_matches, "simple_matches", nothing_is_simple)
        general = matched(ledger, given_rows, given_fills)
    assert quick == general
