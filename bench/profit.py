"""Coverage and profit by wallet and category over synthetic fills: integer keys against long ids and against polars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.data import scratch_folder
from bench.figures import Figure, Outcome, isolated, progress, timed_with_processor
from bench.synthetic import build, build_long, connect, fold

MEMORY_LIMIT = "6GB"  # of the engine; what lies outside of it stays well below two more
PROFIT = "SELECT * FROM book.wallet_categories"
COVERAGE = "SELECT measure, total, condition, market, category, resolution FROM coverage"
_SUMS = (
    "realized_pnl",
    "cash_flow",
    "settled_value",
    "low",
    "high",
    "volume",
    "resolved_volume",
    "traded_conditions",
    "resolved_conditions",
    "winning_conditions",
    "yes_conditions",
    "no_conditions",
    "fills",
)


def measure(rows: int) -> list[Figure]:
    """Coverage and profit from the fills, and profit from the sums that sync keeps; all files are removed."""
    with scratch_folder("profit") as folder:
        return _measure(rows, folder)


def _measure(rows: int, folder: Path) -> list[Figure]:
    ledger, long_ids, columns = folder / "ledger.duckdb", folder / "long.duckdb", folder / "columns"
    isolated(build, ledger, rows, MEMORY_LIMIT)
    isolated(build_long, long_ids, ledger, MEMORY_LIMIT)
    isolated(export_columns, ledger, columns)
    sizes = f"{ledger.stat().st_size / rows:.0f} against {long_ids.stat().st_size / rows:.0f} bytes a fill"
    figures, by_polars = [], {}
    for name, sql, polars_query in (("coverage", COVERAGE, polars_coverage), ("profit", PROFIT, polars_profit)):
        progress(f"{name} over {rows:,} fills")
        own = isolated(query, ledger, sql)
        by_polars[name] = isolated(polars_query, columns)
        label = f"{name}, {rows / 1e6:,.1f} M fills"
        figures += [
            _beside(label, own, "long ids", isolated(query, long_ids, sql), aim="≥ 2", note=sizes),
            _beside(label, own, "polars", by_polars[name], aim="≥ 0.83"),
        ]
    progress("folding the fills into the compacted sums")
    isolated(fold, ledger, MEMORY_LIMIT)
    label = f"profit as sync leaves the ledger, {rows / 1e6:,.1f} M fills"
    figures.append(_beside(label, isolated(query, ledger, PROFIT), "polars, from the fills", by_polars["profit"]))
    return figures


def _beside(label: str, own: Outcome, baseline: str, other: Outcome, *, aim: str = "", note: str = "") -> Figure:
    """Two outcomes as a figure; they must have come to the same sums."""
    if own.value["sums"] != other.value["sums"]:
        raise SystemExit(f"two calculations of {label} differ: {own.value['sums']} and {other.value['sums']}")
    processor = f"processor {own.value['processor']:.1f} against {other.value['processor']:.1f} s"
    notes = [processor, f"{own.peak} against {other.peak}", *([note] if note else [])]
    return Figure(label, own.value["seconds"], "s", baseline, other.value["seconds"], aim, "; ".join(notes))


def query(path: Path, sql: str) -> dict[str, Any]:
    """Runs a query on a database file; its seconds (on the wall, and of the processor) and the sums of its columns."""
    connection = connect(path, MEMORY_LIMIT)
    table, seconds, processor = timed_with_processor(lambda: connection.sql(sql).to_arrow_table())
    connection.register("result", table)
    names = [name for name in _SUMS if name in table.column_names]
    if names:
        sums = connection.execute(
            f"SELECT count(*), {', '.join(f'sum({name})' for name in names)} FROM result"
        ).fetchall()
    else:
        sums = connection.execute("SELECT * FROM result ORDER BY measure").fetchall()
    return {"seconds": seconds, "processor": processor, "sums": _plain(sums)}


def _plain(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    return [[cell if isinstance(cell, str) else int(cell) for cell in row] for row in rows]


def export_columns(ledger: Path, folder: Path) -> None:
    """What polars reads: the columns of the fills that profit needs, and one row per token, as Parquet."""
    folder.mkdir()
    connection = connect(ledger, MEMORY_LIMIT)
    connection.execute(
        "COPY (SELECT wallet, token, role, side, layout, shares, collateral, fee, fee_refund, leftover "
        f"FROM chain.fills) TO '{folder}/fills.parquet' (FORMAT parquet, COMPRESSION zstd)"
    )
    connection.execute(
        f"""COPY (
            SELECT t.token, t.condition, t.outcome_index, f.neg_risk_market, f.market_id IS NOT NULL AS has_market,
                   f.category, f.numerators[t.outcome_index + 1] AS numerator,
                   CAST(list_sum(f.numerators) AS BIGINT) AS denominator
            FROM dim.tokens AS t LEFT JOIN book.condition_facts AS f ON f.condition = t.condition
        ) TO '{folder}/tokens.parquet' (FORMAT parquet)"""
    )
    connection.execute(
        f"""COPY (SELECT neg_risk_market, yes_won, category FROM book.neg_risk_groups)
        TO '{folder}/groups.parquet' (FORMAT parquet)"""
    )


def polars_coverage(folder: Path) -> dict[str, Any]:
    """Coverage as the project's view has it, by polars."""
    import polars as pl

    def run() -> Any:
        is_buy = pl.col("side") == 0
        volume = pl.when(pl.col("role") == 0).then(0).otherwise(
            pl.col("collateral") - pl.when(is_buy).then(pl.col("leftover")).otherwise(0)
        )  # fmt: skip
        by_token = (
            pl.scan_parquet(folder / "fills.parquet")
            .group_by("token")
            .agg(pl.len().alias("trades").cast(pl.Int64), volume.sum().alias("volume"))
        )
        tokens = pl.scan_parquet(folder / "tokens.parquet")
        known = {
            "condition": pl.col("condition").is_not_null(),
            "market": pl.col("has_market").fill_null(value=False),
            "category": pl.col("category").fill_null("Uncategorized") != "Uncategorized",
            "resolution": pl.col("denominator").is_not_null(),
        }
        columns = [
            pl.col(measure).filter(condition).sum().alias(f"{measure} {name}")
            for measure in ("trades", "volume")
            for name, condition in ({"total": pl.lit(value=True)} | known).items()
        ]
        return by_token.join(tokens, on="token", how="left").select(columns).collect(engine="streaming")

    table, seconds, processor = timed_with_processor(run)
    row = table.row(0)
    half = len(row) // 2
    sums = _plain([("trades", *row[:half]), ("volume", *row[half:])])
    return {"seconds": seconds, "processor": processor, "sums": sums}


def polars_profit(folder: Path) -> dict[str, Any]:
    """Profit by wallet and category as the project's views have it, by polars."""
    import polars as pl

    table, seconds, processor = timed_with_processor(lambda: _polars_profit(folder).collect(engine="streaming"))
    sums = table.select(pl.len(), *(pl.col(name).sum() for name in _SUMS)).row(0)
    return {"seconds": seconds, "processor": processor, "sums": _plain([sums])}


def _polars_totals(*names: str) -> list[Any]:
    import polars as pl

    return [pl.col(name).sum() for name in names]


def _polars_positions(folder: Path) -> Any:
    """One row per wallet and condition."""
    import polars as pl

    is_buy = pl.col("side") == 0
    net_fee = pl.col("fee") - pl.col("fee_refund")
    in_shares = pl.when(pl.col("layout") == 1).then(net_fee).otherwise(0)
    in_cash = pl.when(pl.col("layout") == 1).then(0).otherwise(net_fee)
    events = pl.scan_parquet(folder / "fills.parquet").select(
        "wallet",
        "token",
        pl.when(is_buy)
        .then(pl.col("shares") - in_shares)
        .otherwise(pl.col("leftover") - pl.col("shares"))
        .alias("net"),
        pl.when(is_buy)
        .then(pl.col("leftover") - pl.col("collateral") - in_cash)
        .otherwise(pl.col("collateral") - net_fee)
        .alias("cash"),
        (pl.col("collateral") - pl.when(is_buy).then(pl.col("leftover")).otherwise(0)).alias("volume"),
    )
    holdings = events.group_by("wallet", "token").agg(
        *_polars_totals("net", "cash", "volume"), pl.len().cast(pl.Int64).alias("fills")
    )
    held = pl.col("net").clip(lower_bound=0)
    outcome = pl.col("outcome_index")
    return (
        holdings.join(pl.scan_parquet(folder / "tokens.parquet"), on="token", how="left")
        .with_columns(held.alias("held"), (-pl.col("net")).clip(lower_bound=0).alias("missing"))
        .with_columns((pl.col("held") * pl.col("numerator") // pl.col("denominator")).fill_null(0).alias("settled"))
        .group_by("wallet", "condition", pl.when(pl.col("condition").is_null()).then(pl.col("token")).alias("loose"))
        .agg(
            *_polars_totals("cash", "settled", "volume", "fills", "missing"),
            pl.col("denominator").is_not_null().any().alias("resolved"),
            pl.len().alias("tokens"),
            pl.col("held").min().alias("least_held"),
            pl.col("held").max().alias("most_held"),
            *(pl.col("held").filter(outcome == which).sum().alias(f"held_{which}") for which in (0, 1)),
            *(pl.col("net").filter(outcome == which).sum().alias(f"bought_{which}") for which in (0, 1)),
            pl.col("category").first(),
            pl.col("neg_risk_market").first(),
        )
    )


def _polars_profit(folder: Path) -> Any:
    import polars as pl

    positions = _polars_positions(folder)
    settled = pl.col("resolved") & (pl.col("missing") == 0)
    grouped = pl.col("neg_risk_market").is_not_null()
    plain_open = ~pl.col("resolved") & ~grouped
    least = (
        pl.when(plain_open & pl.col("condition").is_not_null() & (pl.col("tokens") == 2))
        .then("least_held")
        .otherwise(0)
    )
    most = pl.when(plain_open).then("most_held").otherwise(0)
    profit = pl.col("cash") + pl.col("settled")
    two = pl.col("condition").is_not_null()
    by_condition = positions.select(
        "wallet",
        pl.col("category").fill_null("Uncategorized"),
        pl.when(settled).then(profit).otherwise(0).alias("realized_pnl"),
        pl.col("cash").alias("cash_flow"),
        pl.col("settled").alias("settled_value"),
        (profit + least - pl.col("missing")).alias("low"),
        (profit + most).alias("high"),
        "volume",
        pl.when(settled).then("volume").otherwise(0).alias("resolved_volume"),
        pl.lit(1, pl.Int64).alias("traded_conditions"),
        settled.cast(pl.Int64).alias("resolved_conditions"),
        (settled & (profit > 0)).cast(pl.Int64).alias("winning_conditions"),
        (two & (pl.col("bought_0") > pl.col("bought_1"))).cast(pl.Int64).alias("yes_conditions"),
        (two & (pl.col("bought_0") < pl.col("bought_1"))).cast(pl.Int64).alias("no_conditions"),
        "fills",
    )
    difference = pl.col("held_0") - pl.col("held_1")
    zero = pl.lit(0, pl.Int64)
    by_group = (
        positions.filter(grouped & ~pl.col("resolved"))
        .group_by("wallet", "neg_risk_market")
        .agg(pl.col("held_1").sum().alias("all_no"), difference.min().alias("worst"), difference.max().alias("best"))
        .join(pl.scan_parquet(folder / "groups.parquet"), on="neg_risk_market")
        .select(
            "wallet",
            "category",
            *(zero.alias(name) for name in ("realized_pnl", "cash_flow", "settled_value")),
            (pl.col("all_no") + pl.when("yes_won").then(0).otherwise(pl.col("worst").clip(upper_bound=0))).alias("low"),
            (pl.col("all_no") + pl.when("yes_won").then(0).otherwise(pl.col("best").clip(lower_bound=0))).alias("high"),
            *(zero.alias(name) for name in _SUMS[5:]),
        )
    )
    return pl.concat([by_condition, by_group]).group_by("wallet", "category").agg(*_polars_totals(*_SUMS))
