"""Claims *token → condition, outcome* put to the proof, set by set, and the links that come of it.

Every claimed condition is derived once for all collaterals of the contract set and all its outcomes; a token that is
among them belongs to the condition, whatever index the claim gave. Only what derives is written to dim.tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import MOST_SLOTS, ProtocolPosition, collection_id, position_id, position_ids
from polyledger.identity.links import link_protocol_tokens, store_links
from polyledger.store.keys import ACCOUNTS, CONDITIONS, binary_array, distinct, intern

PROVEN: Final = "proven"
REFUTED: Final = "refuted"
CLAIMED: Final = "claimed"
QUARANTINED: Final = "quarantined"

_WORD: Final = pa.binary(32)
# Derived tokens of this many conditions are held at a time.
_CHUNK: Final = 50_000

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenClaims:
    """Claims *token is an outcome of condition*, one per row.

    Attributes:
        tokens: binary(32), not null.
        conditions: binary(32), null where a claim names none.
        outcomes: int32, null where a claim names none.
        slots: int32, how many outcomes the claim says the condition has, null for unknown. The chain knows better.
    """

    tokens: pa.Array
    conditions: pa.Array
    outcomes: pa.Array
    slots: pa.Array

    def take(self, rows: Integers) -> TokenClaims:
        """Some of the rows."""
        chosen = pa.array(rows)
        return TokenClaims(*(column.take(chosen) for column in vars(self).values()))


def prove_tokens(connection: duckdb.DuckDBPyConnection, contracts: ContractSet, claims: TokenClaims) -> pa.Array:
    """Verdicts of claims; the links that they prove are written to dim.tokens.

    Args:
        connection: the writing connection, inside a transaction.
        contracts: whose collaterals are tried.
        claims: what is claimed.

    Returns:
        ``proven``: the token derives from the condition as this outcome (or as some outcome, when the claim names
        none); ``refuted``: it derives as another outcome or not at all; ``claimed``: the claim names no condition.
    """
    named = pc.is_valid(claims.conditions).to_numpy(zero_copy_only=False)
    linked, found = _known_links(connection, claims)
    rows = np.flatnonzero(named & ~linked)
    if len(rows):
        found[rows] = _derive(connection, contracts, claims.take(rows))
    unstated = pc.is_null(claims.outcomes).to_numpy(zero_copy_only=False)
    stated = pc.fill_null(claims.outcomes, -1).to_numpy(zero_copy_only=False)
    right = (found >= 0) & (unstated | (stated == found))
    return pa.array(np.where(~named, CLAIMED, np.where(right, PROVEN, REFUTED)).astype(object), pa.string())


def prove_markets(connection: duckdb.DuckDBPyConnection, contracts: ContractSet, markets: pa.Table) -> pa.Array:
    """Verdicts of market claims (columns of store.claims.MARKET_CLAIMS), and the links of their tokens.

    ``proven`` where every token that a row names is that outcome of its condition, ``refuted`` where one is not,
    ``claimed`` where it names none.
    """
    lists = markets.column("token_ids").combine_chunks()
    owners = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    texts = pc.list_flatten(lists).to_pylist()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    labels = pc.fill_null(pc.list_value_length(markets.column("outcomes").combine_chunks()), 0)
    slots = np.maximum(lengths, labels.to_numpy(zero_copy_only=False))
    given = np.array([bool(text) for text in texts], np.bool_)
    owners, places = owners[given], places[given]
    claims = TokenClaims(
        binary_array([int(text).to_bytes(32, "big") for text in texts if text], 32),
        markets.column("condition").combine_chunks().take(pa.array(owners)),
        pa.array(places.astype(np.int32)),
        pa.array(slots[owners].astype(np.int32)),
    )
    proven = pc.equal(prove_tokens(connection, contracts, claims), PROVEN).to_numpy(zero_copy_only=False)
    verdicts = np.full(markets.num_rows, CLAIMED, object)
    verdicts[owners] = PROVEN
    verdicts[owners[~proven]] = REFUTED
    return pa.array(verdicts, pa.string())


def _known_links(connection: duckdb.DuckDBPyConnection, claims: TokenClaims) -> tuple[npt.NDArray[np.bool_], Integers]:
    """Which tokens are linked already, and the outcome of those whose claim names the linked condition (else -1)."""
    batch = pa.table(
        {
            "position": pa.array(np.arange(len(claims.tokens))),
            "token": claims.tokens.cast(pa.binary()),
            "condition": claims.conditions.cast(pa.binary()),
        }
    )
    connection.register("batch_claims", batch)
    try:
        rows = connection.execute(
            """
            SELECT b.position, CASE WHEN c.condition_id = b.condition THEN t.outcome_index ELSE -1 END AS outcome
            FROM batch_claims AS b
            JOIN dim.tokens AS t ON t.position_id = b.token
            JOIN dim.conditions AS c ON c.condition = t.condition
            """
        ).fetchnumpy()
    finally:
        connection.unregister("batch_claims")
    linked = np.zeros(len(claims.tokens), np.bool_)
    outcome = np.full(len(claims.tokens), -1, np.int64)
    linked[rows["position"]] = True
    outcome[rows["position"]] = np.ma.filled(rows["outcome"], -1)
    return linked, outcome


def _derive(connection: duckdb.DuckDBPyConnection, contracts: ContractSet, claims: TokenClaims) -> Integers:
    """The outcome that each token is of its claimed condition, or -1; links of the conditions that were hit."""
    conditions = distinct([claims.conditions], 32)
    owner = pc.index_in(claims.conditions, value_set=conditions).to_numpy(zero_copy_only=False).astype(np.int64)
    widths = _slot_counts(connection, conditions, owner, claims.slots)
    collaterals = contracts.addresses_of([Role.COLLATERAL, Role.WRAPPED_COLLATERAL])
    found = np.full(len(owner), -1, np.int64)
    for width in np.unique(widths.slots):
        group = np.flatnonzero(widths.slots == width)
        for start in range(0, len(group), _CHUNK):
            chunk = group[start : start + _CHUNK]
            rows = np.flatnonzero(np.isin(owner, chunk))
            found[rows] = _match(
                connection,
                collaterals,
                conditions.take(pa.array(chunk)),
                int(width),
                tokens=claims.tokens.take(pa.array(rows)),
                place=np.searchsorted(chunk, owner[rows]),
            )
    missed = np.flatnonzero(found < 0)
    if len(missed):
        tried = np.where(widths.by_chain, MOST_SLOTS, widths.slots)[owner[missed]]
        found[missed] = _other_kinds(connection, contracts, claims.take(missed), tried)
    return found


@dataclass
class _Widths:
    """How many outcomes each distinct condition is derived with, and whether the chain says so."""

    slots: Integers
    by_chain: npt.NDArray[np.bool_]


def _slot_counts(
    connection: duckdb.DuckDBPyConnection, conditions: pa.Array, owner: Integers, claimed: pa.Array
) -> _Widths:
    slots = np.full(len(conditions), 2, np.int64)
    np.maximum.at(slots, owner, pc.fill_null(claimed, 2).to_numpy(zero_copy_only=False).astype(np.int64))
    slots = np.clip(slots, 2, MOST_SLOTS)
    batch = pa.table({"position": pa.array(np.arange(len(conditions))), "id": conditions.cast(pa.binary())})
    connection.register("batch_conditions", batch)
    try:
        rows = connection.execute(
            """
            SELECT b.position, max(s.outcome_slots) AS slots
            FROM batch_conditions AS b JOIN dim.conditions AS c ON c.condition_id = b.id
            JOIN (
                SELECT condition, outcome_slots FROM chain.preparations
                UNION ALL SELECT condition, outcome_slots FROM chain.resolutions
            ) AS s ON s.condition = c.condition
            GROUP BY b.position
            """
        ).fetchnumpy()
    finally:
        connection.unregister("batch_conditions")
    by_chain = np.zeros(len(conditions), np.bool_)
    by_chain[rows["position"]] = True
    slots[rows["position"]] = np.maximum(rows["slots"], 2)
    return _Widths(slots, by_chain)


def _match(
    connection: duckdb.DuckDBPyConnection,
    collaterals: tuple[bytes, ...],
    conditions: pa.Array,
    slots: int,
    *,
    tokens: pa.Array,
    place: Integers,
) -> Integers:
    """Derive all conditions, find the tokens among what derives, and store the links of what was found.

    `place` is the row in `conditions` that each token is claimed of. A collateral in which no claim hits stays without
    links.
    """
    words = np.frombuffer(b"".join(conditions.to_pylist()), np.uint8).reshape(-1, 32)
    derived = position_ids(words, slots, collaterals)  # (n, collaterals, slots, 32)
    flat = np.ascontiguousarray(derived).reshape(-1, 32)
    value_set = pa.FixedSizeBinaryArray.from_buffers(_WORD, len(flat), [None, pa.py_buffer(flat.tobytes())])
    index = pc.fill_null(pc.index_in(tokens, value_set=value_set), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    condition, rest = np.divmod(index, len(collaterals) * slots)
    collateral, outcome = np.divmod(rest, slots)
    hit = (index >= 0) & (condition == place)
    pairs = np.unique(condition[hit] * len(collaterals) + collateral[hit])
    if len(pairs):
        _link(connection, collaterals, conditions, derived, pairs)
    return np.where(hit, outcome, -1)


def _link(
    connection: duckdb.DuckDBPyConnection,
    collaterals: tuple[bytes, ...],
    conditions: pa.Array,
    derived: npt.NDArray[np.uint8],
    pairs: Integers,
) -> None:
    slots = derived.shape[2]
    accounts = intern(connection, ACCOUNTS, binary_array(collaterals, 20)).keys
    condition, collateral = np.divmod(pairs, len(collaterals))
    ids = conditions.take(pa.array(condition))
    keys = intern(connection, CONDITIONS, pc.unique(ids)).of(ids).to_numpy(zero_copy_only=False).astype(np.int32)
    store_links(
        connection,
        derived[condition, collateral].reshape(-1, 32),
        np.repeat(keys, slots),
        np.tile(np.arange(slots, dtype=np.int32), len(pairs)),
        np.repeat(accounts[collateral], slots),
    )


def _other_kinds(
    connection: duckdb.DuckDBPyConnection, contracts: ContractSet, claims: TokenClaims, tried: Integers
) -> Integers:
    """What the first look cannot find: Protocol V2 tokens, and outcomes above those that were `tried`."""
    collaterals = contracts.addresses_of([Role.COLLATERAL, Role.WRAPPED_COLLATERAL])
    managers = contracts.addresses_of([Role.POSITION_MANAGER])
    found = np.full(len(tried), -1, np.int64)
    protocol: list[bytes] = []
    wider: dict[bytes, int] = {}
    rows = zip(claims.tokens.to_pylist(), claims.conditions.to_pylist(), claims.outcomes.to_pylist(), strict=True)
    for place, (token, condition, outcome) in enumerate(rows):
        if condition[-1] == 0 and token[:-1] == condition[:-1]:
            if managers and ProtocolPosition.of(int.from_bytes(token, "big")) is not None:
                found[place] = token[-1]
                protocol.append(token)
        elif outcome is not None and tried[place] <= outcome < MOST_SLOTS:
            collection = collection_id(condition, 1 << outcome)
            if int.from_bytes(token, "big") in {position_id(collateral, collection) for collateral in collaterals}:
                found[place] = outcome
                wider[condition] = max(outcome + 1, wider.get(condition, 0))
    if protocol:
        manager = intern(connection, ACCOUNTS, binary_array(managers[:1], 20)).keys[0]
        link_protocol_tokens(connection, pc.unique(binary_array(protocol, 32)), int(manager))
    for condition, slots in wider.items():
        own = claims.tokens.filter(pc.equal(claims.conditions, pa.scalar(condition, _WORD)))
        _match(
            connection,
            collaterals,
            binary_array([condition], 32),
            slots,
            tokens=own,
            place=np.zeros(len(own), np.int64),
        )
    return found
