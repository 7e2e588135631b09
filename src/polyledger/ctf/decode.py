"""Decoding: logs in columns become tables in columns, one group of equal events at a time.

Nothing is dropped silently. Every log ends in exactly one of: an event table, ``minor_logs`` (known, without effect on
the books), ``unknown_logs`` (with the reason), or the count of foreign logs, whose emitter is no contract of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyledger.ctf import events
from polyledger.ctf.contracts import AUXILIARY_ROLES, ContractSet, Role
from polyledger.ctf.keccak import keccak256
from polyledger.ctf.layouts import CORE_LAYOUTS, Layout
from polyledger.ctf.layouts_amm import AMM_LAYOUTS, PROTOCOL_LAYOUTS
from polyledger.ctf.logs import NO_TIMESTAMP, LogColumns
from polyledger.ctf.reader import Bytes, Integers, Mask, Reader, Source, address_array, list_array, word_array
from polyledger.ctf.tables import EVENT_TABLES, SCHEMAS
from polyledger.domain.errors import InvariantError

LAYOUTS: Final = CORE_LAYOUTS + AMM_LAYOUTS + PROTOCOL_LAYOUTS

_ROLES: Final = tuple(Role)
_POOL: Final = len(_ROLES)
_FOREIGN: Final = len(_ROLES) + 1
_TOPICS: Final = tuple(sorted({layout.event.topic for layout in LAYOUTS}))
_TOPIC_WORDS: Final = np.frombuffer(b"".join(_TOPICS), dtype=np.uint8).reshape(-1, 32)
_TOPIC_KEYS: Final = _TOPIC_WORDS[:, :8].copy().view(">u8").ravel().astype(np.uint64)
_LAYOUTS_OF: Final = tuple(tuple(layout for layout in LAYOUTS if layout.event.topic == topic) for topic in _TOPICS)
_MINOR_TOPICS: Final = frozenset(
    [
        *(keccak256(signature.encode()) for signature in events.MINOR_SIGNATURES),
        *(
            event.topic
            for event in (
                events.ERC20_APPROVAL,
                events.APPROVAL_FOR_ALL,
                events.ORDER_CANCELLED,
                events.ORDER_PREAPPROVED,
                events.ORDER_PREAPPROVAL_INVALIDATED,
            )
        ),
    ]
)
_CREATION_TOPIC: Final = _TOPICS.index(events.FPMM_CREATION.topic)
_TRANSFER_TOPIC: Final = events.ERC20_TRANSFER.topic


def _role_mask(roles: Iterable[int]) -> Mask:
    mask = np.zeros(_FOREIGN + 1, dtype=np.bool_)
    mask[list(roles)] = True
    return mask


def _layout_mask(layout: Layout) -> Mask:
    return _role_mask([_POOL] if layout.roles is None else [_ROLES.index(role) for role in layout.roles])


_MASKS: Final = {(layout.event.declaration, layout.roles): _layout_mask(layout) for layout in LAYOUTS}
_AUXILIARY: Final = _role_mask(_ROLES.index(role) for role in AUXILIARY_ROLES)
_COLLATERAL: Final = _ROLES.index(Role.COLLATERAL)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a batch of logs says.

    Attributes:
        tables: all tables of ``ctf.tables.SCHEMAS``, rows in chain order.
        counts: how many logs went to each event table (a batch transfer is one log however many rows it gives).
        foreign: how many logs came from addresses that are neither in the contract set nor AMM pools.
    """

    tables: dict[str, pa.Table]
    counts: dict[str, int]
    foreign: int


def decode(columns: LogColumns, contracts: ContractSet, pools: frozenset[bytes] = frozenset()) -> Decoded:
    """Decode logs of `contracts` and of the AMM `pools` (20-byte addresses); pools created in the batch count too.

    Raises:
        InvariantError: two logs disagree on the hash of their block or transaction.
    """
    logs = columns.sort()
    whole = np.diff(logs.data_offset) % 32 == 0
    batch = _Batch(contracts, pools)
    if bool(whole.all()):
        batch.add(logs)
    else:
        batch.add(logs.take(whole))
        batch.add_ragged(logs.take(~whole))
    return batch.finish()


class _Batch:
    """The tables as they grow."""

    def __init__(self, contracts: ContractSet, pools: frozenset[bytes]) -> None:
        self._known = dict.fromkeys(pools, _POOL)
        self._known.update({contract.address_bytes: _ROLES.index(contract.role) for contract in contracts.all})
        self._parts: dict[str, list[pa.Table]] = {name: [] for name in EVENT_TABLES}
        self._counts = dict.fromkeys(EVENT_TABLES, 0)
        self._foreign = 0
        self._kept: list[LogColumns] = []

    def add(self, logs: LogColumns) -> None:
        """Add logs whose data is whole words."""
        source = Source.of(logs)
        topic = _topic_numbers(logs)
        self._find_pools(source, topic)
        emitter = _match(logs.address, self._known)
        groups = np.argsort(topic, kind="stable")
        edges = np.searchsorted(topic[groups], np.arange(-1, len(_TOPICS) + 1))
        left = [(groups[edges[0] : edges[1]], "layout not known")]
        for number, layouts in enumerate(_LAYOUTS_OF):
            rows = groups[edges[number + 1] : edges[number + 2]]
            for layout in layouts:
                fits = _MASKS[layout.event.declaration, layout.roles][emitter[rows]]
                if bool(fits.any()):
                    self._read(source, layout, rows[fits])
                    rows = rows[~fits]
            left.append((rows, "not an event of this contract"))
        self._leftover(logs, emitter, left)

    def add_ragged(self, logs: LogColumns) -> None:
        """Add logs whose data is not whole words, which no layout allows."""
        emitter = _match(logs.address, self._known)
        self._leftover(logs, emitter, [(np.arange(len(logs)), "the data is not whole words")])

    def finish(self) -> Decoded:
        """All tables, in chain order."""
        tables = {name: _in_order(name, parts) for name, parts in self._parts.items()}
        kept = LogColumns.concat(self._kept).sort()
        tables["transactions"], tables["blocks"] = _transactions(kept), _blocks(kept)
        return Decoded(tables, self._counts, self._foreign)

    def _find_pools(self, source: Source, topic: NDArray[np.int16]) -> None:
        """Learn the pools created in this batch before any log is judged by its emitter."""
        rows = np.flatnonzero(topic == _CREATION_TOPIC)
        if not len(rows):
            return
        emitter = _match(source.logs.address[rows], self._known)
        reader = Reader(source, events.FPMM_CREATION, rows[emitter == _ROLES.index(Role.FPMM_FACTORY)])
        pools = reader.address("pool")
        for pool in pools[reader.accepted()]:
            self._known.setdefault(pool.tobytes(), _POOL)

    def _read(self, source: Source, layout: Layout, rows: Integers) -> None:
        """Read the logs of one layout into its table; what is refused becomes unknown."""
        reader = Reader(source, layout.event, rows)
        columns = layout.read(reader)
        owner = None if layout.owner is None else layout.owner(reader)
        accepted = reader.accepted()
        positions = reader.rows if owner is None else reader.rows[owner]
        table = _event_table(layout.table, source.logs, positions, columns)
        if not bool(accepted.all()):
            table = table.filter(pa.array(accepted if owner is None else accepted[owner]))
        if owner is not None:
            # A batch of nothing moves nothing: known, without effect.
            empty = accepted.copy()
            empty[owner] = False
            self._minor(source.logs, reader.rows[empty])
            accepted &= ~empty
        self._parts[layout.table].append(table)
        self._counts[layout.table] += int(accepted.sum())
        for refused, reason in reader.refused:
            self._unknown(source.logs, refused, reason)

    def _leftover(self, logs: LogColumns, emitter: NDArray[np.int16], left: Sequence[tuple[Integers, str]]) -> None:
        """Sort the logs that no layout of their emitter takes into foreign, minor and unknown ones."""
        kept = emitter != _FOREIGN
        for rows, reason in left:
            minor: list[int] = []
            unknown: list[int] = []
            for row in rows[kept[rows]].tolist():
                fate = _fate(int(emitter[row]), logs.topics[row, 0].tobytes() if logs.topic_count[row] else b"")
                if fate is None:
                    kept[row] = False
                else:
                    (minor if fate == "minor_logs" else unknown).append(row)
            self._minor(logs, np.array(minor, dtype=np.int64))
            self._unknown(logs, np.array(unknown, dtype=np.int64), reason)
        self._foreign += int((~kept).sum())
        self._kept.append(logs if bool(kept.all()) else logs.take(kept))

    def _minor(self, logs: LogColumns, rows: Integers) -> None:
        if len(rows):
            columns = {"contract": address_array(logs.address[rows]), "topic": word_array(logs.topics[rows, 0])}
            self._parts["minor_logs"].append(_event_table("minor_logs", logs, rows, columns))
            self._counts["minor_logs"] += len(rows)

    def _unknown(self, logs: LogColumns, rows: Integers, reason: str) -> None:
        if len(rows):
            chosen = logs.take(rows)
            topics = chosen.topics[np.arange(chosen.topics.shape[1]) < chosen.topic_count[:, None]]
            offsets = np.concatenate([[0], np.cumsum(chosen.topic_count, dtype=np.int64)])
            data = [None, pa.py_buffer(chosen.data_offset.astype(np.int32)), pa.py_buffer(chosen.data)]
            columns = {
                "contract": address_array(chosen.address),
                "topics": list_array(word_array(topics), offsets),
                "data": pa.Array.from_buffers(pa.binary(), len(rows), data),
                "reason": pa.repeat(pa.scalar(reason), len(rows)),
            }
            self._parts["unknown_logs"].append(_event_table("unknown_logs", logs, rows, columns))
            self._counts["unknown_logs"] += len(rows)


def _fate(role: int, topic: bytes) -> str | None:
    """The table for a log that no layout takes, or None when it is foreign."""
    # Other events of the collateral, and transfers of a pool's own shares, move no collateral and no outcome shares.
    harmless = (role == _COLLATERAL and topic != _TRANSFER_TOPIC) or (role == _POOL and topic == _TRANSFER_TOPIC)
    if topic in _MINOR_TOPICS or harmless:
        return "minor_logs"
    return None if _AUXILIARY[role] else "unknown_logs"


def _topic_numbers(logs: LogColumns) -> NDArray[np.int16]:
    """For each log the number of its first topic in `_TOPICS`, or -1."""
    first = np.ascontiguousarray(logs.topics[:, 0])
    keys = first.view(">u8")[:, 0].astype(np.uint64)
    numbers = np.minimum(np.searchsorted(_TOPIC_KEYS, keys), len(_TOPICS) - 1)
    words = first.view(np.uint64)
    equal = (words == _TOPIC_WORDS.view(np.uint64)[numbers]).all(axis=1) & (logs.topic_count > 0)
    return np.where(equal, numbers, -1).astype(np.int16)


def _match(addresses: Bytes, known: Mapping[bytes, int]) -> NDArray[np.int16]:
    """The code of each address, `_FOREIGN` when it is not known."""
    ordered = sorted(known)
    if not ordered or not len(addresses):
        return np.full(len(addresses), _FOREIGN, dtype=np.int16)
    names = np.array(ordered, dtype="S20")
    codes = np.array([known[address] for address in ordered], dtype=np.int16)
    # All are 20 bytes wide, so the zero bytes that numpy strips from such strings cannot make two of them equal.
    texts = np.ascontiguousarray(addresses).view("S20").ravel()
    positions = np.minimum(np.searchsorted(names, texts), len(names) - 1)
    return np.where(names[positions] == texts, codes[positions], _FOREIGN).astype(np.int16)


def _event_table(name: str, logs: LogColumns, positions: Integers, columns: Mapping[str, pa.Array]) -> pa.Table:
    """A table of the schema `name`; columns that it does not have are left out, those it lacks are an error."""
    common = {"tx": pa.array(logs.transaction[positions]), "log_index": pa.array(logs.log_index[positions])}
    every = {**common, **columns}
    schema = SCHEMAS[name]
    return pa.Table.from_arrays([every[field.name] for field in schema], schema=schema)


def _in_order(name: str, parts: Sequence[pa.Table]) -> pa.Table:
    if not parts:
        return SCHEMAS[name].empty_table()
    table = pa.concat_tables(parts)
    if sum(len(part) > 0 for part in parts) < 2:
        return table
    # A stable sort keeps the items of a batch transfer in their order.
    order = np.lexsort((table["log_index"].to_numpy(), table["tx"].to_numpy()))
    return table.take(pa.array(order))


def _transactions(logs: LogColumns) -> pa.Table:
    first = _first_of_each(logs.transaction, logs.transaction_hash, "transaction")
    return pa.Table.from_arrays(
        [pa.array(logs.transaction[first]), word_array(logs.transaction_hash[first])], schema=SCHEMAS["transactions"]
    )


def _blocks(logs: LogColumns) -> pa.Table:
    first = _first_of_each(logs.block, logs.block_hash, "block")
    timestamps = logs.timestamp[first]
    return pa.Table.from_arrays(
        [
            pa.array(logs.block[first]),
            word_array(logs.block_hash[first]),
            pa.array(timestamps, mask=timestamps == NO_TIMESTAMP),
        ],
        schema=SCHEMAS["blocks"],
    )


def _first_of_each(keys: Integers, hashes: Bytes, kind: str) -> Integers:
    """The position of the first log of each key, in order; logs are sorted by block but not always by transaction."""
    order = np.argsort(keys, kind="stable")
    new = np.ones(len(keys), dtype=np.bool_)
    new[1:] = keys[order][1:] != keys[order][:-1]
    first: Integers = order[new]
    same = (hashes[order] == hashes[first][np.cumsum(new) - 1]).all(axis=1) if len(keys) else np.ones(0, np.bool_)
    if not bool(same.all()):
        position = int(order[np.flatnonzero(~same)[0]])
        raise InvariantError(
            f"Two logs give different hashes for one {kind}; one of them is 0x{hashes[position].tobytes().hex()}",
            "The endpoint mixed answers from two branches of the chain; run sync again",
        )
    return first
