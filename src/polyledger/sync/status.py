"""What runs, what is done and what is open: the polyledger.status/1 document."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

from polyledger.domain.amounts import amount_text
from polyledger.store.database import Database
from polyledger.sync.run_state import RunState
from polyledger.value.coverage import coverage

Document = dict[str, Any]


def status_document(workspace: Path, held: Document | None, database: Database | None) -> Document:
    """The document; `held` is what the process that holds the ledger wrote down, `database` an open idle ledger."""
    document: Document = {
        "schema": "polyledger.status/1",
        "run": {"id": None, "state": "idle", "pid": None, "started": None},
        "sources": [],
        "coverage": {},
        "projected": {},
        "stages": [],
        "messages": [],
        "resume": resume_command(workspace),
    }
    if held is not None:
        document["run"] = {
            "id": None,
            "state": "running",
            "pid": held.get("pid"),
            "started": _moment(held.get("started")),
            "doing": held.get("doing"),
        }
        progress = held.get("progress") or {}
        if progress.get("stage"):
            document["sources"] = [_source(progress["stage"], progress)]
        return document
    if database is None:
        return document
    rows = database.query(
        "SELECT run_id, state, pid, started_at, from_block, to_block, requests FROM meta.runs "
        "ORDER BY started_at DESC LIMIT 1"
    )
    if rows:
        run_id, state, pid, started, first, last, requests = rows[0]
        # Nobody holds the ledger, so a run that is marked running was killed.
        state = "interrupted" if state == "running" else state
        document["run"] = {"id": run_id, "state": state, "pid": pid, "started": f"{started.isoformat()}Z"}
        document["sources"] = _sources(database, first, last, json.loads(requests))
        document["stages"] = _stages(database, run_id)
    document["coverage"] = coverage(database)
    return document


def running_document(workspace: Path, state: RunState) -> Document:
    """The document of a run under way in this process, from what it knows of itself; asks the ledger nothing."""
    return {
        "schema": "polyledger.status/1",
        "run": {
            "id": state.run_id,
            "state": state.state,
            "pid": os.getpid(),
            "started": _moment(state.started),
            "doing": state.doing,
        },
        "sources": state.sources(),
        "coverage": state.coverage(),
        "projected": state.projected(),
        "messages": state.messages(),
        "resume": resume_command(workspace),
    }


def resume_command(workspace: Path) -> str:
    """The command that goes on in this workspace."""
    return f"polyledger -w {quote(str(workspace))} sync"


def _sources(database: Database, first: int | None, last: int | None, requests: dict[str, int]) -> list[Document]:
    done = int(database.query("SELECT coalesce(sum(to_block - from_block + 1), 0) FROM meta.intervals")[0][0])
    total = last - first + 1 if first is not None and last is not None else done
    sources = [_source("chain", {"done": done, "total": max(total, done)})] if done or total else []
    counts = database.query(
        "SELECT source, outcome, count(DISTINCT kind || lookup_key) FROM meta.lookups GROUP BY source, outcome"
    )
    for name in sorted({row[0] for row in counts}):
        outcomes = {row[1]: int(row[2]) for row in counts if row[0] == name}
        asked = sum(outcomes.values())
        failed = outcomes.get("schema_mismatch", 0) + outcomes.get("refused", 0)
        entry = _source(name, {"done": asked, "total": asked})
        sources.append(
            {
                **entry,
                "found": outcomes.get("found", 0),
                "not_found": outcomes.get("not_found", 0) + outcomes.get("unseen", 0),
                "failed": failed,
            }
        )
    for entry in sources:
        entry["requests"] = requests.get(entry["source"], 0)
    return sources


def _stages(database: Database, run_id: str) -> list[Document]:
    """What a run's plan expected of each stage, and what came of it; ``actual`` is null where nothing was asked."""
    rows = database.query(
        "SELECT * EXCLUDE (run_id, position) FROM meta.stages WHERE run_id = ? ORDER BY position", [run_id]
    )
    return [
        {
            "source": source,
            "action": action,
            "expected": _outcome(figures[:6]),
            "actual": None if figures[6] is None else _outcome(figures[6:]),
        }
        for source, action, *figures in rows
    ]


def _outcome(figures: Sequence[Any]) -> Document:
    keys, requests, seconds, found, trades, volume = figures
    return {
        "keys": keys,
        "requests": requests,
        "seconds": round(seconds, 1),
        "found": round(found),
        "trades": round(trades),
        "volume": amount_text(round(volume)),
    }


def _source(name: str, progress: Document) -> Document:
    return {
        "source": name,
        "done": progress.get("done") or 0,
        "total": progress.get("total") or 0,
        "found": 0,
        "open": 0,
        "not_found": 0,
        "failed": 0,
        "per_second": progress.get("rate"),
        "eta_seconds": progress.get("eta_seconds"),
        "limited": False,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
