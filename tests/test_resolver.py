"""The insert-time resolver: proof before claims, the cache, going online through real sockets, and the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from polyledger.ctf.identity import protocol_token
from polyledger.domain.errors import MalformedIdError, UsageError
from polyledger.door.holding import holding
from polyledger.store.database import Database
from polyledger.store.pending import BACK_OFF, MOST_TRIES, note_keys
from polyledger.sync.pending import retry_due
from polyledger.workspace import Workspace
from tests.paths import DEVWORLD_LOGS, DEVWORLD_TRUTH
from tests.worlds import NOWHERE, document_of, replica_of, stats, workspace_at, world_of

Truth = dict[str, Any]
UNKNOWN = str(2**255 + 12345)
OFF = {"enabled": False}


@pytest.fixture(scope="module")
def truth() -> Truth:
    found = document_of(DEVWORLD_TRUTH)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def workspace(ledger: Path) -> Iterator[Workspace]:
    with workspace_at(ledger, NOWHERE) as opened:
        yield opened


def pending(folder: Path) -> list[tuple[Any, ...]]:
    connection = duckdb.connect(str(folder / "ledger.duckdb"), read_only=True)
    try:
        return connection.execute(
            "SELECT kind, lookup_key, tries, next_try, history FROM meta.pending ORDER BY kind, lookup_key"
        ).fetchall()
    finally:
        connection.close()


def test_every_kind_of_id_is_resolved(workspace: Workspace, truth: Truth) -> None:
    with workspace.resolver() as resolver:
        tokens = [token for condition in truth["conditions"] for token in condition["token_ids"]]
        of = {row["key"]: row for row in resolver.resolve_many([{"token": token} for token in tokens]).to_pylist()}
        for condition in truth["conditions"]:
            for index, token in enumerate(condition["token_ids"]):
                found = resolver.resolve(token=token)
                assert asdict(found) == of[token]
                assert (found.state, found.verdict) == ("attributed", "proven")
                assert (found.condition, found.outcome_index) == (condition["condition_id"], index)
                assert (found.market, found.event) == (condition["market_id"], condition["event_id"])
                assert (found.category, found.outcome) == (condition["category"], condition["outcomes"][index])
        for condition in truth["conditions"][:3]:
            for given in (
                {"condition": condition["condition_id"].upper().replace("0X", "0x")},
                {"market": condition["market_id"]},
                {"slug": condition["slug"]},
            ):
                assert resolver.resolve(**given).condition == condition["condition_id"]
        fills: dict[str, set[str]] = {}
        for fill in truth["fills"]:
            fills.setdefault(fill["tx_hash"], set()).add(fill["condition_id"])
        answers = resolver.resolve_many([{"transaction": hash_} for hash_ in fills]).to_pylist()
        for answer, (hash_, conditions) in zip(answers, fills.items(), strict=True):
            assert answer["key"] == hash_
            assert answer["condition"] == (min(conditions) if len(conditions) == 1 else None)


def test_a_batch_keeps_its_rows_and_their_order(workspace: Workspace, truth: Truth) -> None:
    fills = truth["fills"]
    rows = pa.table(
        {
            "token": [fill["token_id"] if number % 3 else None for number, fill in enumerate(fills)],
            "condition": [fill["condition_id"] if number % 5 else "" for number, fill in enumerate(fills)],
            "transaction": [fill["tx_hash"] if number % 2 else None for number, fill in enumerate(fills)],
            "size": [fill["size"] for fill in fills],
        }
    )
    with workspace.resolver(cache_size=7) as resolver:
        found = resolver.resolve_many(rows).to_pylist()
    assert len(found) == len(fills)
    for number, (fill, result) in enumerate(zip(fills, found, strict=True)):
        if number % 3:
            assert (result["condition"], result["outcome_index"]) == (fill["condition_id"], fill["outcome_index"])
            assert result["kind"] == "token"
        elif number % 5:
            assert (result["condition"], result["outcome_index"]) == (fill["condition_id"], None)
        elif number % 2:
            assert result["kind"] == "transaction"
        else:
            assert (result["state"], result["reason"]) == ("unfillable", "no identity")
    odd = [
        {"token": "1.1e77"},
        {"token": UNKNOWN, "condition": truth["conditions"][0]["condition_id"]},
        {"slug": "none"},
    ]
    with workspace.resolver() as resolver:
        wrong, contradicted, unknown = resolver.resolve_many(odd).to_pylist()
    assert wrong["state"] == "unfillable"
    assert "1.1e77" in wrong["reason"]
    assert (contradicted["state"], contradicted["condition"]) == ("conflict", None)
    assert unknown["state"] == "pending"


def test_what_the_id_itself_proves(workspace: Workspace, truth: Truth) -> None:
    binary, other = [c for c in truth["conditions"] if c["outcome_slot_count"] == 2][:2]
    v2 = bytes([1]) + bytes(range(16)) + (1).to_bytes(2, "big") + bytes(12) + b"\0"
    with workspace.resolver() as resolver:
        found = resolver.resolve(token=protocol_token(v2, 1))
        assert (found.condition, found.outcome_index, found.verdict) == (f"0x{v2.hex()}", 1, "proven")
        assert found.source == "derivation"
        wrong = resolver.resolve(token=binary["token_ids"][0], condition=other["condition_id"])
        assert (wrong.state, wrong.condition) == ("conflict", None)
        with pytest.raises(MalformedIdError, match="is not a token id"):
            resolver.resolve(token="7.7e76")  # noqa: S106
        with pytest.raises(MalformedIdError):
            resolver.resolve(slug="it's'; DROP TABLE")
        with pytest.raises(UsageError, match="no id"):
            resolver.resolve()


def test_a_token_of_an_unknown_condition_derives_from_it(tmp_path: Path, truth: Truth) -> None:
    condition = truth["conditions"][0]
    with replica_of(world_of(DEVWORLD_LOGS)) as url, workspace_at(tmp_path, url, chain={"to_block": 52_000_001}) as few:
        few.sync()
        with few.resolver() as resolver:
            assert resolver.resolve(token=condition["token_ids"][1]).state == "pending"
            found = resolver.resolve(token=condition["token_ids"][1], condition=condition["condition_id"])
            assert (found.state, found.verdict, found.outcome_index) == ("attributed", "proven", 1)
            assert found.source == "derivation"


def test_online_the_sources_are_asked_once_and_proven(tmp_path: Path, truth: Truth) -> None:
    with replica_of(world_of(DEVWORLD_LOGS)) as url, workspace_at(tmp_path, url, clob=OFF) as empty:
        with empty.resolver(online=True) as resolver:
            tokens = [token for condition in truth["conditions"] for token in condition["token_ids"]]
            found = resolver.resolve_many([{"token": token} for token in [*tokens, UNKNOWN]]).to_pylist()
            asked = sum(stats(url)["requests"].values()) if "requests" in stats(url) else None
            again = resolver.resolve_many([{"token": token} for token in [*tokens, UNKNOWN]]).to_pylist()
            assert again == found
            if asked is not None:
                assert sum(stats(url)["requests"].values()) == asked
        by_token = {row["key"]: row for row in found}
        for condition in truth["conditions"]:
            for index, token in enumerate(condition["token_ids"]):
                row = by_token[token]
                assert (row["condition"], row["outcome_index"]) == (condition["condition_id"], index)
                assert (row["verdict"], row["market"]) == ("proven", condition["market_id"])
        assert by_token[UNKNOWN]["state"] == "pending"
        # What was learnt stays in the ledger, for those that do not go online.
        with empty.resolver() as offline:
            assert offline.resolve(token=tokens[0]).verdict == "proven"


def test_unknown_keys_wait_longer_each_time_and_end_unfillable(tmp_path: Path, truth: Truth) -> None:
    known = truth["conditions"][0]["token_ids"][0]
    with replica_of(world_of(DEVWORLD_LOGS)) as url, workspace_at(tmp_path, url) as opened:
        opened.sync()
        with opened.resolver() as resolver:
            resolver.resolve(token=UNKNOWN)
            resolver.resolve(token=UNKNOWN)
        opened.close()
        note_keys(tmp_path, [("token", known)])
        with (tmp_path / "pending.jsonl").open("a") as file:
            file.write('{"kind": "tok')  # somebody was killed while writing
        assert len((tmp_path / "pending.jsonl").read_text().splitlines()) == 3
        now = datetime.now(UTC).replace(tzinfo=None)
        database = Database(tmp_path / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)

        def retry() -> dict[str, int]:
            return retry_due(
                database, opened.settings, tmp_path, "test", evidence_folder=tmp_path / "evidence", now=lambda: now
            )

        assert retry() == {"tried": 0, "solved": 0, "given_up": 0}
        assert not (tmp_path / "pending.jsonl").exists()
        now += BACK_OFF[0]
        assert retry() == {"tried": 2, "solved": 1, "given_up": 0}
        assert retry()["tried"] == 0
        for number in range(1, MOST_TRIES):
            now += BACK_OFF[number] - timedelta(seconds=1)
            assert retry()["tried"] == 0
            now += timedelta(seconds=1)
            assert retry() == {"tried": 1, "solved": 0, "given_up": int(number == MOST_TRIES - 1)}
        now += timedelta(days=30)
        assert retry()["tried"] == 0
        database.close()
        ((kind, key, tries, next_try, history),) = pending(tmp_path)
        assert (kind, key, tries, next_try) == ("token", UNKNOWN, MOST_TRIES, None)
        assert [set(entry["asked"]) >= {"gamma"} for entry in json.loads(history)] == [True] * MOST_TRIES
        with opened.resolver() as resolver:
            found = resolver.resolve(token=UNKNOWN)
        assert (found.state, found.reason) == ("unfillable", "unknown to all sources in 7 tries")


def test_sync_tries_again_what_a_resolver_queued(tmp_path: Path, truth: Truth) -> None:
    condition = truth["conditions"][0]
    with replica_of(world_of(DEVWORLD_LOGS)) as url, workspace_at(tmp_path, url, gamma=OFF, clob=OFF) as opened:
        opened.sync()
        with opened.resolver() as resolver:
            resolver.resolve(slug=condition["slug"])
        opened.sync()
        opened.close()
        assert [row[:3] for row in pending(tmp_path)] == [("slug", condition["slug"], 0)]
        connection = duckdb.connect(str(tmp_path / "ledger.duckdb"))
        connection.execute("UPDATE meta.pending SET next_try = first_seen").fetchall()
        connection.close()
    with replica_of(world_of(DEVWORLD_LOGS)) as url, workspace_at(tmp_path, url) as online:
        online.sync()
        with online.resolver() as resolver:
            assert resolver.resolve(slug=condition["slug"]).condition == condition["condition_id"]
        online.close()
        assert pending(tmp_path) == []


def test_it_works_beside_a_run_that_holds_the_ledger(workspace: Workspace, truth: Truth) -> None:
    workspace.close()
    condition = truth["conditions"][0]

    def opened() -> Database:
        return Database(workspace.path / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)

    with (
        holding(workspace.path, workspace.settings, "sync", opened, None),
        Workspace(workspace.path, workspace.settings) as beside,
        beside.resolver(online=True) as resolver,
    ):
        for given in (
            {"token": condition["token_ids"][0]},
            {"condition": condition["condition_id"]},
            {"market": condition["market_id"]},
            {"slug": condition["slug"]},
        ):
            assert resolver.resolve(**given).condition == condition["condition_id"]
        assert resolver.resolve(transaction=truth["fills"][0]["tx_hash"]).state == "attributed"
        # What it fetches cannot be kept now; the key waits for a later try.
        assert resolver.resolve(token=UNKNOWN).state == "pending"
    assert UNKNOWN in (workspace.path / "pending.jsonl").read_text()
