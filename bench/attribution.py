"""Attributing imported trades: links beside the trades, against rewriting the trades.

Three in ten rows are known only by their transaction. First their receipts arrive, all at once, and are matched with
the rows; then the mapping of tokens arrives, and everything is attributed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.data import scratch_folder
from bench.figures import Figure, isolated, progress, timed, timed_with_processor
from bench.synthetic import connect
from polyledger.ledger.import_matches import match_imports
from polyledger.store.attribution import attribute
from polyledger.store.database import Database

MEMORY_LIMIT = "3GB"  # of the engine; what lies outside of it stays below three more
BASELINE_ROWS = 20_000_000  # beyond that the baseline is measured at this size, and multiplied
COVERAGE = "SELECT measure, total, condition, pending FROM coverage ORDER BY measure"
_SQL = Path(__file__).parent / "sql"
_CHUNK = 20_000_000


def measure(rows: int) -> list[Figure]:
    """Seconds from each arrival until figures show it; the synthetic files are removed afterwards."""
    with scratch_folder("attribution") as folder:
        return _measure(rows, folder)


def _measure(rows: int, folder: Path) -> list[Figure]:
    smaller = min(rows, BASELINE_ROWS)
    baseline_path, path = folder / "baseline.duckdb", folder / "ledger.duckdb"
    isolated(build, baseline_path, smaller)
    progress(f"rewriting {smaller:,} trades")
    baseline = isolated(rewrite, baseline_path)
    baseline_path.unlink()
    isolated(build, path, rows)
    progress(f"attributing {rows:,} trades")
    own = isolated(link, path)
    if own.value["attributed"] != rows or baseline.value["attributed"] != smaller:
        raise SystemExit(f"{own.value} of {rows} and {baseline.value} of {smaller} trades are attributed, not all")
    label = f"{rows / 1e6:,.1f} M imported trades"
    scale = rows / smaller
    steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in own.value["steps"].items())
    note = f"{steps}; both arrivals with processor {own.value['processor']:.1f} s; {own.peak} against {baseline.peak}"
    if scale > 1:
        note += f"; baseline measured with {smaller / 1e6:.0f} M and multiplied by {scale:.2f}"
    return [
        Figure(
            f"receipts of three in ten matched, {label}", own.value["matching"], "s", "UPDATE in place",
            baseline.value["matching"] * scale,
        ),
        Figure(
            f"attribution after the mapping, {label}", own.value["mapping"], "s", "UPDATE in place",
            baseline.value["mapping"] * scale, "< 15 s, < 6 GB", note,
        ),
        Figure(
            f"coverage, {label}", own.value["coverage"], "s", "of rewritten trades", baseline.value["coverage"] * scale,
        ),
    ]  # fmt: skip


def build(path: Path, rows: int) -> None:
    """A ledger with one imported file of `rows` trades, and beside it the mapping that is to come."""
    conditions = max(500, min(100_000, rows // 400))
    sizes = {"rows": rows, "wallets": max(1000, rows // 120), "conditions": conditions}
    database = Database(path, read_only=False, memory_limit=MEMORY_LIMIT, threads=None)
    database.connection.execute("SET preserve_insertion_order = false")
    _run(database, "imports", **sizes)
    for first in range(0, rows, _CHUNK):
        _run(database, "imported_trades", first=first, last=min(rows, first + _CHUNK), **sizes)
        progress(f"{min(rows, first + _CHUNK):,} imported trades")
    _run(database, "mapping", **sizes)
    with database.transaction() as connection:
        attribute(connection)
    database.close()


def _run(database: Database, name: str, **sizes: int) -> None:
    for statement in (_SQL / f"{name}.sql").read_text().format(**sizes).split(";\n"):
        if statement.strip():
            with database.transaction() as connection:
                connection.execute(statement)


def link(path: Path) -> dict[str, Any]:
    """As the project does it: links of tokens, matches of rows known by transaction, sums; all beside the rows."""
    database = Database(path, read_only=False, memory_limit=MEMORY_LIMIT, threads=None)
    steps: dict[str, float] = {}

    def tokens() -> None:
        with database.transaction() as connection:
            connection.execute(
                "UPDATE dim.tokens SET condition = m.condition, outcome_index = m.outcome_index FROM mapping AS m "
                "WHERE dim.tokens.token = m.token"
            )

    def sums() -> None:
        with database.transaction() as connection:
            attribute(connection)

    def everything() -> None:
        _, steps["matches"] = timed(lambda: match_imports(database))
        _, steps["tokens"] = timed(tokens)
        _, steps["nothing to match"] = timed(lambda: match_imports(database))
        _, steps["links and sums"] = timed(sums)

    _, _, processor = timed_with_processor(everything)
    rows, coverage = timed(lambda: database.query(COVERAGE))
    database.close()
    attributed = next(int(row[2]) for row in rows if row[0] == "trades")
    return {
        "matching": steps["matches"], "mapping": sum(steps.values()) - steps["matches"] + coverage,
        "processor": processor, "coverage": coverage, "attributed": attributed,
        "steps": {**steps, "coverage": coverage},
    }  # fmt: skip


def rewrite(path: Path) -> dict[str, Any]:
    """As it is commonly done: columns for token, condition and outcome in the trades, filled by UPDATE."""
    connection = connect(path, MEMORY_LIMIT, read_only=False)
    connection.execute(
        """CREATE TABLE rewritten AS
        SELECT t.* EXCLUDE (identity), i.token, CAST(NULL AS INTEGER) AS condition,
               CAST(NULL AS INTEGER) AS outcome_index
        FROM imported.trades AS t JOIN imported.identities AS i ON i.identity = t.identity"""
    )
    connection.execute("CHECKPOINT")

    def match() -> None:
        connection.execute(
            """UPDATE rewritten SET token = r.token FROM claim.receipt_fills AS r
            WHERE rewritten.token IS NULL AND r.transaction = rewritten.transaction AND r.wallet = rewritten.wallet
              AND r.side = rewritten.side AND r.shares = rewritten.shares AND r.collateral = rewritten.collateral"""
        )
        connection.execute("CHECKPOINT")

    def update() -> None:
        connection.execute(
            """UPDATE rewritten SET condition = m.condition, outcome_index = m.outcome_index FROM mapping AS m
            WHERE rewritten.token = m.token"""
        )
        connection.execute("CHECKPOINT")

    _, matching = timed(match)
    _, seconds = timed(update)
    rows, coverage = timed(
        lambda: connection.execute("SELECT count(*), count(condition), sum(collateral) FROM rewritten").fetchall()
    )
    return {"matching": matching, "mapping": seconds + coverage, "coverage": coverage, "attributed": int(rows[0][1])}
