"""Keys that nobody could explain yet: a queue with back-off, each try on record.

Programs that resolve their own rows only append to ``pending.jsonl``, which needs no lock; whoever holds the ledger
takes those keys into meta.pending and tries the due ones again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

PENDING_FILE: Final = "pending.jsonl"
KINDS: Final = ("token", "condition", "market", "slug", "transaction")
BACK_OFF: Final = (
    timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6),
    timedelta(days=1), timedelta(days=1),
)  # fmt: skip
"""How long after it was first seen, and after each try, a key waits. After the seventh try it is unfillable."""
MOST_TRIES: Final = 7
Key = tuple[str, str]


def note_keys(workspace: Path, keys: Sequence[Key]) -> None:
    """Append keys (kind, id) to the workspace's queue file; safe beside other processes that do the same."""
    if not keys:
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lines = "".join(json.dumps({"kind": kind, "key": key, "at": now}) + "\n" for kind, key in keys)
    descriptor = os.open(workspace / PENDING_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, lines.encode())
    finally:
        os.close(descriptor)


def take_in(connection: duckdb.DuckDBPyConnection, workspace: Path, now: datetime) -> Path | None:
    """Put what the queue file holds into meta.pending, inside the caller's transaction.

    Returns:
        The file to delete once that transaction is committed; None when there was nothing. Taken in twice, a key stays
        one row, so a crash in between loses and doubles nothing.
    """
    taken, queue = workspace / f"{PENDING_FILE}.taken", workspace / PENDING_FILE
    if not taken.exists():
        if not queue.exists():
            return None
        queue.replace(taken)
    keys: dict[Key, None] = {}
    for line in taken.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            keys[str(entry["kind"]), str(entry["key"])] = None
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a process that was killed while it wrote
    add_keys(connection, [key for key in keys if key[0] in KINDS], now)
    return taken


def add_keys(connection: duckdb.DuckDBPyConnection, keys: Iterable[Key], now: datetime) -> None:
    """Queue keys that are not in the queue yet."""
    rows = list(keys)
    if not rows:
        return
    batch = pa.table({"kind": [kind for kind, _ in rows], "lookup_key": [key for _, key in rows]})
    connection.register("batch_keys", batch)
    try:
        connection.execute(
            "INSERT INTO meta.pending SELECT b.kind, b.lookup_key, $now, 0, $next, '[]' FROM batch_keys AS b "
            "WHERE NOT EXISTS (SELECT 1 FROM meta.pending AS p WHERE p.kind = b.kind AND p.lookup_key = b.lookup_key)",
            {"now": now, "next": now + BACK_OFF[0]},
        ).fetchall()
    finally:
        connection.unregister("batch_keys")


def due_keys(connection: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, list[str]]:
    """By kind, the keys whose next try is due, the oldest first."""
    found: dict[str, list[str]] = {}
    for kind, key in connection.execute(
        "SELECT kind, lookup_key FROM meta.pending WHERE next_try <= ? ORDER BY kind, first_seen, lookup_key", [now]
    ).fetchall():
        found.setdefault(str(kind), []).append(str(key))
    return found


def note_tries(
    connection: duckdb.DuckDBPyConnection,
    tried: Mapping[Key, Mapping[str, str]],
    solved: Iterable[Key],
    now: datetime,
) -> None:
    """Write down a try of each key (source → outcome): solved keys leave the queue, others wait longer or end."""
    done = set(solved)
    for (kind, key), outcomes in tried.items():
        if (kind, key) in done:
            connection.execute("DELETE FROM meta.pending WHERE kind = ? AND lookup_key = ?", [kind, key]).fetchall()
            continue
        rows = connection.execute(
            "SELECT tries, history FROM meta.pending WHERE kind = ? AND lookup_key = ?", [kind, key]
        ).fetchall()
        if not rows:
            continue
        tries = int(rows[0][0]) + 1
        history = [*json.loads(rows[0][1]), {"at": f"{now.isoformat(timespec='seconds')}Z", "asked": dict(outcomes)}]
        next_try = None if tries >= MOST_TRIES else now + BACK_OFF[tries]
        connection.execute(
            "UPDATE meta.pending SET tries = ?, next_try = ?, history = ? WHERE kind = ? AND lookup_key = ?",
            [tries, next_try, json.dumps(history), kind, key],
        ).fetchall()
