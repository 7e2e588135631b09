"""While one process writes, it answers the others: the same documents and errors, and queries that only read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polyledger.domain.errors import (
    MalformedIdError,
    PolyledgerError,
    UnknownSubjectError,
    UsageError,
    WorkspaceLockedError,
)
from polyledger.door import wire
from polyledger.door.client import Door
from tests.held_ledgers import held, opened

WALLET = "0xff863271d085713d681af7eac0711e637deaa039"
UNKNOWN = "0x" + "77" * 20


def answers(folder: Path) -> dict[str, Any]:
    """Every question once, as documents, tables and errors."""
    with opened(folder) as workspace:
        condition = workspace.sql("SELECT min(condition_id) AS c FROM conditions").arrow()["c"][0].as_py()
        results = {
            "coverage": workspace.coverage(by="category"),
            "wallets": workspace.wallets(order_by="volume", limit=5),
            "average": workspace.wallets(method="average-cost"),
            "wallet": workspace.wallet(WALLET),
            "verify": workspace.verify(),
            "explain": workspace.explain(condition),
            "conflicts": workspace.conflicts(),
            "gaps": workspace.gaps(),
            "plan": workspace.plan(),
            "sql": workspace.sql("SELECT * FROM fills ORDER BY block, log_index"),
            "nothing": workspace.sql("SELECT * FROM fills WHERE false"),
            "shown": workspace.sql("DESCRIBE fills"),
        }
        errors = {}
        for name, call in {
            "wallet": lambda: workspace.wallet("0x12"),
            "unknown": lambda: workspace.wallet(UNKNOWN),
            "sql": lambda: workspace.sql("SELECT nothing FROM fills"),
            "two": lambda: workspace.sql("SELECT 1; SELECT 2"),
            "later": lambda: workspace.sql("SELECT CAST(side || 'x' AS INTEGER) FROM fills"),
            "order": lambda: workspace.wallets(order_by="luck"),
        }.items():
            with pytest.raises(PolyledgerError) as caught:
                call()
            errors[name] = (type(caught.value), caught.value.what, caught.value.next_step, caught.value.exit_code)
        return {
            "documents": {name: result.document for name, result in results.items()},
            "tables": {name: result.arrow() for name, result in results.items()},
            "errors": errors,
        }


def test_answers_through_the_door_are_those_of_the_file(ledger: Path) -> None:
    direct = answers(ledger)
    with held(ledger):
        through = answers(ledger)
    assert through["documents"] == direct["documents"]
    assert through["errors"] == direct["errors"]
    assert direct["errors"]["unknown"][0] is UnknownSubjectError
    assert direct["errors"]["wallet"][0] is MalformedIdError
    for name, table in direct["tables"].items():
        assert through["tables"][name].schema == table.schema, name
        assert through["tables"][name].equals(table), name


def test_a_document_is_of_one_moment(ledger: Path) -> None:
    """What is committed while an answer is worked out is not in it."""
    with held(ledger) as open_door, open_door.database.snapshot() as before:
        database = open_door.database
        ((count,),) = before.query("SELECT count(*) FROM meta.settings")
        with database.transaction():
            database.set_setting("noted while reading", "1")
        assert before.query("SELECT count(*) FROM meta.settings") == [(count,)]
        assert Door(ledger).sql("SELECT count(*) AS n FROM meta.settings").to_pylist() == [{"n": count + 1}]
        with database.transaction() as connection:
            connection.execute("DELETE FROM meta.settings WHERE name = 'noted while reading'")


ATTACKS = [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/*')",
    "SELECT getenv('HOME')",
    "COPY fills TO '{out}'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "EXPORT DATABASE '{out}'",
    "ATTACH '{out}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '1MB'",
    "SET enable_external_access = true",
    "RESET memory_limit",
    "PRAGMA memory_limit = '1MB'",
    "PRAGMA database_size",
    "SET VARIABLE x = 1",
    "CALL force_checkpoint()",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM",
    "SELECT * FROM checkpoint()",
    'SELECT * FROM "Force_Checkpoint"()',
    "SELECT * FROM query('SELECT * FROM checkpoint()')",
    "SELECT 1 WHERE EXISTS (FROM enable_logging())",
    "WITH a AS (FROM disable_logging()) SELECT * FROM a",
    "EXPLAIN ANALYZE SELECT * FROM enable_profiling()",
    "SELECT write_log('x')",
    "SELECT * FROM duckdb_secrets()",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE TEMP TABLE mine AS SELECT 1",
    "CREATE OR REPLACE TEMP VIEW fills AS SELECT 1",
    "INSERT INTO meta.settings VALUES ('a', 'b')",
    "WITH a AS (DELETE FROM meta.settings RETURNING *) SELECT * FROM a",
    "UPDATE meta.settings SET value = 'x'",
    "DELETE FROM chain.fills",
    "DROP VIEW fills",
    "BEGIN",
    "COMMIT",
    "DETACH ledger",
    "USE meta",
    "PREPARE a AS SELECT 1",
    "SELECT 1; DELETE FROM chain.fills",
    "",
    "nonsense",
]


def state_of(door: Door) -> list[dict[str, Any]]:
    query = (
        "SELECT (SELECT count(*) FROM chain.fills) AS fills, (SELECT count(*) FROM meta.settings) AS settings, "
        "(SELECT string_agg(name || '=' || value, ',' ORDER BY name) FROM duckdb_settings() WHERE name IN "
        "('memory_limit', 'enable_external_access', 'enable_logging', 'threads')) AS switches, "
        "(SELECT count(*) FROM duckdb_tables()) AS tables, (SELECT count(*) FROM duckdb_databases()) AS databases"
    )
    rows: list[dict[str, Any]] = door.sql(query).to_pylist()
    return rows


def test_queries_only_read(door: Door, ledger: Path, tmp_path: Path) -> None:
    before = state_of(door)
    for attack in ATTACKS:
        with pytest.raises(UsageError):
            door.sql(attack.format(out=tmp_path / "out"))
    assert state_of(door) == before
    assert not list(tmp_path.iterdir())
    with Path(__file__).open(encoding="utf-8") as table:  # a variable here is no table there
        assert table is not None
        with pytest.raises(UsageError):
            door.sql("SELECT * FROM table_of_the_test")
    # The same where no run goes on.
    local = ledger.with_name("local")
    local.mkdir()
    (local / "ledger.duckdb").write_bytes((ledger / "ledger.duckdb").read_bytes())
    with opened(local) as workspace:
        for attack in ATTACKS:
            with pytest.raises(UsageError):
                workspace.sql(attack.format(out=tmp_path / "out"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "query",
    [
        "WITH a AS (SELECT 1 AS n) SELECT * FROM a",
        "FROM fills LIMIT 1",
        "VALUES (1)",
        "EXPLAIN SELECT * FROM fills",
        "EXPLAIN (FORMAT json) SELECT * FROM fills",
        "EXPLAIN ANALYZE SELECT count(*) FROM fills",
        "SHOW TABLES",
        "DESCRIBE fills",
        "SUMMARIZE fills",
        "SELECT * FROM range(3), unnest([1, 2])",
        "SELECT 'SELECT * FROM checkpoint()', '\"function_name\":\"checkpoint\"' AS text",
        "SELECT " + " + ".join(["1"] * 900),
    ],
)
def test_what_queries_may_be(door: Door, query: str) -> None:
    assert door.sql(query).num_rows >= 1


def test_a_query_that_takes_too_long_is_stopped(ledger: Path) -> None:
    endless = "SELECT count(*) FROM range(1000000) a, range(100000000) b WHERE a.range + b.range = 3.5"
    with held(ledger, seconds_for_sql=0.5):
        with pytest.raises(WorkspaceLockedError, match="longer"):
            Door(ledger).sql(endless)
        assert Door(ledger).sql("SELECT 1 AS n").num_rows == 1


def test_a_query_that_takes_too_much_memory_is_stopped_and_the_writer_goes_on(ledger: Path) -> None:
    with held(ledger) as open_door:
        with pytest.raises((WorkspaceLockedError, UsageError), match=r"[Mm]emory"):
            Door(ledger).sql("SELECT list(repeat('x', 1000000) || i) FROM range(100000) AS r(i)")
        with open_door.database.transaction() as connection:
            connection.execute("CREATE TEMP TABLE work AS SELECT range AS n FROM range(1000000)")
            connection.execute("DROP TABLE work")


def test_rows_are_sent_while_they_are_worked_out(door: Door) -> None:
    """Five hundred million rows are more than this process would hold; nobody waits for the end of them."""
    connection = door._connect()
    with connection:
        wire.send_frame(connection, wire.QUESTION, wire.encode({"sql": "SELECT * FROM range(500000000)"}))
        received = 0
        while received < 20_000_000:
            kind, payload = wire.receive_frame(connection)
            assert kind == wire.DATA
            received += len(payload)
    # The client has gone; the answer is given up and the next one comes.
    assert door.sql("SELECT 1 AS n").num_rows == 1
