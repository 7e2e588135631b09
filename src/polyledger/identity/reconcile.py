"""What all claims together come to: the merged names and settlements of conditions, drawn up where claims changed.

The rule is the same everywhere. Refuted and quarantined claims take no part. Where all who say something say the same,
it is agreed; else the source that ranks higher is taken (precedence); among equals the majority; else it is a conflict,
and the field stays open.
"""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.store.sql import script

_MERGED: Final = {"merge_markets": "book.market_names", "merge_resolutions": "book.claimed_resolutions"}


def reconcile(connection: duckdb.DuckDBPyConnection, conditions: pa.Array | None = None) -> None:
    """Draw up the merged rows of these conditions (keys) anew, or of all; inside the caller's transaction.

    Call it in the transaction that changed the claims: whoever reads sees claims and their sum change together.
    """
    if conditions is None:
        known = "SELECT condition FROM claim.markets UNION SELECT condition FROM claim.resolutions"
        conditions = connection.sql(known).to_arrow_table().column("condition").combine_chunks()
        for table in _MERGED.values():
            connection.execute(f"DELETE FROM {table}").fetchall()
    keys = pc.drop_null(pc.unique(conditions))
    if not len(keys):
        return
    connection.register("batch_conditions", pa.table({"condition": keys}))
    try:
        for name, table in _MERGED.items():
            connection.execute(
                f"DELETE FROM {table} WHERE condition IN (SELECT condition FROM batch_conditions)"
            ).fetchall()
            connection.execute(script("polyledger.identity", name)).fetchall()
    finally:
        connection.unregister("batch_conditions")
