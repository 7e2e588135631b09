"""Writing views to files, sorted by their long ids, so that equal ledgers give equal bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from polyledger.domain.errors import OutputExistsError, UsageError
from polyledger.store.database import Database, plain_errors

# What can be exported, and the order that makes each export reproducible.
EXPORTS: Final = {
    "fills": "block, log_index",
    "journal": "block, log_index, account, asset, token_id, amount, reason, condition_id",
    "positions": "wallet, token_id",
    "wallets": "wallet",
    "conditions": "condition_id",
    "markets": "condition_id, market_id",
}
FORMATS: Final = {
    "parquet": "(FORMAT parquet, COMPRESSION zstd)",
    "csv": "(FORMAT csv, HEADER)",
    "jsonl": "(FORMAT json)",
}
_ENDINGS: Final = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def export(database: Database, what: str, out: Path, *, format: str | None, force: bool) -> int:  # noqa: A002
    """Write one view to `out`; returns the number of rows. The file appears only when it is complete.

    Raises:
        UsageError: an unknown view or format, or a folder that does not exist.
        OutputExistsError: the file exists and `force` is not given.
    """
    if what not in EXPORTS:
        raise UsageError(f"There is no export {what!r}", f"Choose one of {', '.join(EXPORTS)}")
    chosen = format or _ENDINGS.get(out.suffix.lower())
    if chosen not in FORMATS:
        raise UsageError(f"{out} does not say which format to write", f"Give --format {', '.join(FORMATS)}")
    if out.exists() and not force:
        raise OutputExistsError(f"{out} exists already", "Give --force to replace it, or another name")
    if not out.parent.is_dir():
        raise UsageError(f"The folder {out.parent} does not exist", "Make it first, or give another name")
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    quoted = str(partial).replace("'", "''")
    with plain_errors(out):
        cursor = database.cursor()
        try:
            ((rows,),) = cursor.execute(
                f"COPY (SELECT * FROM {what} ORDER BY {EXPORTS[what]}) TO '{quoted}' {FORMATS[chosen]}"
            ).fetchall()
            partial.replace(out)
        finally:
            cursor.close()
            partial.unlink(missing_ok=True)
    return int(rows)
