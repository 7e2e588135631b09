"""Token → condition, outcome: rows of dim.tokens, each link made by deriving the token from its condition.

A position id is a hash of the collateral and the condition, so a link found by derivation is a proof; nothing else is
ever written into these columns.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import ProtocolPosition, position_ids
from polyledger.store.keys import CONDITIONS, TOKENS, KeyMap, append, intern, known_keys, next_key


def link_pairs(connection: duckdb.DuckDBPyConnection, pairs: pa.Table) -> int:
    """Derive and store the tokens of each (condition, collateral) that has not all of them yet.

    Args:
        connection: the writing connection, inside a transaction.
        pairs: columns condition, collateral (integer keys) and slots (how many outcomes).

    Returns:
        How many tokens were linked.
    """
    if not pairs.num_rows:
        return 0
    connection.register("batch_pairs", pairs)
    try:
        missing = connection.sql(
            """
            SELECT p.condition, p.collateral, max(p.slots) AS slots,
                   any_value(c.condition_id) AS condition_id, any_value(a.address) AS address
            FROM batch_pairs AS p
            JOIN dim.conditions AS c ON c.condition = p.condition
            JOIN dim.accounts AS a ON a.account = p.collateral
            WHERE NOT EXISTS (
                SELECT 1 FROM dim.tokens AS t WHERE t.condition = p.condition AND t.collateral = p.collateral
                AND t.outcome_index = p.slots - 1)
            GROUP BY p.condition, p.collateral ORDER BY p.condition
            """
        ).to_arrow_table()
    finally:
        connection.unregister("batch_pairs")
    linked = 0
    for group in _by_slots_and_collateral(missing):
        slots, address = int(group["slots"][0].as_py()), group["address"][0].as_py()
        ids = _words(group.column("condition_id"))
        derived = position_ids(ids, slots, [address])[:, 0]  # (n, slots, 32)
        count = len(ids)
        linked += store_links(
            connection,
            derived.reshape(count * slots, 32),
            np.repeat(group.column("condition").to_numpy(), slots),
            np.tile(np.arange(slots, dtype=np.int32), count),
            np.repeat(group.column("collateral").to_numpy(), slots),
        )
    return linked


def link_protocol_tokens(connection: duckdb.DuckDBPyConnection, tokens: pa.Array, position_manager: int) -> int:
    """Link Protocol V2 tokens, which carry their condition and outcome in their bits (no hash involved)."""
    positions = [(word, ProtocolPosition.of(int.from_bytes(word, "big"))) for word in tokens.to_pylist()]
    found = [(word, position) for word, position in positions if position is not None]
    if not found:
        return 0
    conditions = pa.array([position.condition for _, position in found], pa.binary(32))
    keys = intern(connection, CONDITIONS, pc.unique(conditions)).of(conditions)
    return store_links(
        connection,
        np.frombuffer(b"".join(word for word, _ in found), np.uint8).reshape(-1, 32),
        keys.to_numpy(),
        np.array([position.outcome_index for _, position in found], np.int32),
        np.full(len(found), position_manager, np.int32),
    )


def other_tokens(token: str, condition: str, contracts: ContractSet) -> list[str]:
    """The other tokens of a binary condition, by derivation; none when `token` is not one of its tokens."""
    word = np.frombuffer(bytes.fromhex(condition[2:]), np.uint8).reshape(1, 32)
    collaterals = contracts.addresses_of([Role.COLLATERAL, Role.WRAPPED_COLLATERAL])
    for derived in position_ids(word, 2, collaterals)[0]:
        names = [str(int.from_bytes(name.tobytes(), "big")) for name in derived]
        if token in names:
            return [name for name in names if name != token]
    return []


def intern_tokens(connection: duckdb.DuckDBPyConnection, values: pa.Array) -> KeyMap:
    """Keys for distinct position ids; ids that no derivation has given yet are stored without a link."""
    keys = known_keys(connection, TOKENS, values)
    fresh = np.flatnonzero(keys < 0)
    if len(fresh):
        keys[fresh] = next_key(connection, TOKENS) + np.arange(len(fresh), dtype=np.int32)
        new = values.take(pa.array(fresh))
        nothing = pa.nulls(len(fresh), pa.int32())
        append(connection, "dim.tokens", _rows(keys[fresh], new, nothing, nothing, nothing))
    return KeyMap(values, keys)


def store_links(
    connection: duckdb.DuckDBPyConnection,
    derived: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    conditions: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    outcomes: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    collaterals: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
) -> int:
    """Store tokens with the condition key, outcome and collateral key they were derived from; returns how many.

    Args:
        connection: the writing connection, inside a transaction.
        derived: (n, 32) bytes, distinct. Whoever calls has derived them: nothing is checked here.
        conditions, outcomes, collaterals: n each. Of one condition and collateral either all outcomes from 0 up are
            given, or none.
    """
    words = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(32), len(derived), [None, pa.py_buffer(np.ascontiguousarray(derived).tobytes())]
    )
    keys = known_keys(connection, TOKENS, words)
    new, old = np.flatnonzero(keys < 0), np.flatnonzero(keys >= 0)
    keys[new] = next_key(connection, TOKENS) + np.arange(len(new), dtype=np.int32)
    rows = _rows(keys, words, pa.array(conditions), pa.array(outcomes), pa.array(collaterals))
    append(connection, "dim.tokens", rows.take(pa.array(new)))
    if len(old):
        # A token that was seen before its condition was known: complete its row.
        connection.register("batch_links", rows.take(pa.array(old)))
        try:
            connection.execute(
                "UPDATE dim.tokens SET condition = l.condition, outcome_index = l.outcome_index, "
                "collateral = l.collateral FROM batch_links AS l WHERE dim.tokens.token = l.token"
            )
        finally:
            connection.unregister("batch_links")
    return len(keys)


def _rows(
    keys: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    words: pa.Array,
    conditions: pa.Array,
    outcomes: pa.Array,
    collaterals: pa.Array,
) -> pa.Table:
    decimals = [str(int.from_bytes(word, "big")) for word in words.to_pylist()]
    return pa.table(
        {
            "token": pa.array(keys, pa.int32()),
            "position_id": words.cast(pa.binary()),
            "token_id": pa.array(decimals, pa.string()),
            "condition": conditions,
            "outcome_index": outcomes,
            "collateral": collaterals,
        }
    )


def _by_slots_and_collateral(pairs: pa.Table) -> Iterable[pa.Table]:
    kinds = pairs.group_by(["slots", "collateral"]).aggregate([])
    for kind in kinds.to_pylist():
        mask = pc.and_(
            pc.equal(pairs.column("slots"), kind["slots"]), pc.equal(pairs.column("collateral"), kind["collateral"])
        )
        yield pairs.filter(mask)


def _words(column: pa.ChunkedArray) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(-1, 32)
