"""HTTP answers kept for good: each body once, compressed, under the hash of its content."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from polyledger.store.database import plain_errors

EVIDENCE_FOLDER: Final = "evidence"
"""Of a workspace: where bodies are kept."""


def evidence_path(folder: Path, digest: bytes) -> Path:
    """Where the body with this SHA-256 lies below the evidence folder."""
    name = digest.hex()
    return folder / name[:2] / f"{name}.gz"


def keep_body(folder: Path, body: bytes) -> bytes:
    """Write a body unless it is there already; returns its SHA-256.

    The file appears under its name only when it is complete, so a crash leaves no half evidence.
    """
    digest = hashlib.sha256(body).digest()
    path = evidence_path(folder, digest)
    if not path.exists():
        partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        with plain_errors(folder):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial.write_bytes(gzip.compress(body, 6, mtime=0))
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
    return digest


def read_body(folder: Path, digest: bytes) -> bytes:
    """A body that was kept."""
    return gzip.decompress(evidence_path(folder, digest).read_bytes())


def record(
    connection: duckdb.DuckDBPyConnection,
    *,
    source: str,
    url: str,
    params: Iterable[tuple[str, str]],
    status: int,
    digest: bytes,
    received_at: float,
    run_id: str,
) -> int:
    """Note one answer in meta.evidence; returns its id. `url` must be free of secrets."""
    ((number,),) = connection.execute("SELECT coalesce(max(evidence_id) + 1, 1) FROM meta.evidence").fetchall()
    request = json.dumps({"url": url, "params": list(params)}, ensure_ascii=False)
    when = datetime.fromtimestamp(received_at, UTC).replace(tzinfo=None)
    connection.execute(
        "INSERT INTO meta.evidence VALUES (?, ?, ?, ?, ?, ?, ?)",
        [number, source, request, status, digest, when, run_id],
    )
    return int(number)
