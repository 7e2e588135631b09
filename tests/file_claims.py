"""What a file says, stored as claims in a transaction of its own."""

from __future__ import annotations

import hashlib
import time

import pyarrow as pa

from polyledger.store import evidence
from polyledger.store.database import Database
from polyledger.sync.claim_writer import ClaimCounts, ClaimWriter


def commit_file(database: Database, writer: ClaimWriter, source: str, **batches: pa.Table) -> ClaimCounts:
    """Batches are those of `ClaimWriter.store_claims`."""
    with database.transaction() as connection:
        digest = hashlib.sha256(source.encode()).digest()
        number = evidence.record(
            connection, source=source, url=source, params=(), status=200, digest=digest, received_at=time.time(),
            run_id="test",
        )  # fmt: skip
        return writer.store_claims(connection, source, number, **batches)
