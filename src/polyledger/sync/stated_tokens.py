"""What imported rows say of their own tokens, put to the proof: no source need be asked about these."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa

from polyledger.store.sql import script
from polyledger.sync.claim_writer import ClaimCounts, ClaimWriter

_WORD = pa.binary(32)


def prove_stated_tokens(
    connection: duckdb.DuckDBPyConnection, writer: ClaimWriter, source: str, evidence: Callable[[], int], file: int
) -> ClaimCounts | None:
    """Store the pairs of token and condition in the rows of a file as claims, with what derivation makes of them.

    Args:
        connection: the writing connection, inside the transaction that has stored the rows.
        writer: of the run.
        source: who says so, ``file:NAME`` or a service.
        evidence: the id of what the rows were read from; asked for only when there is something to claim.
        file: key in imported.files.

    Returns:
        What came of the claims; None where the rows name no pair that is not known already.
    """
    stated = connection.sql(script("polyledger.sync", "stated_tokens"), params={"file": file}).to_arrow_table()
    if not stated.num_rows:
        return None
    ids = {name: stated.column(name).cast(_WORD) for name in ("token", "condition")}
    table = pa.table({**ids, "outcome_index": stated.column("outcome_index"), "outcome": stated.column("outcome")})
    return writer.store_claims(connection, source, evidence(), tokens=table)
