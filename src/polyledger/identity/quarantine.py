"""Whether a batch of answers can be answers at all: many keys that share one value, rows that carry other keys, a field
that is empty everywhere. Pure functions over Arrow columns; what they find is set aside whole and never used.

A filter that an API does not understand is ignored, and the first row of an unfiltered list comes back for every key.
Each row looks sound by itself; only beside its neighbours does it show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.domain.records import EventRecord, MarketRecord, MarketState, ResolutionRecord, TokenRecord

Mask = npt.NDArray[np.bool_]

MOST_KEYS_OF_ONE_VALUE: Final = 4
"""A value that belongs to one key, such as a market number, may be repeated this often before it is no answer."""
LEAST_TELLING_ROWS: Final = 20
"""Below this many rows an empty field says nothing."""


@dataclass(frozen=True)
class Judgement:
    """What is wrong with a batch.

    Attributes:
        rows: which rows are set aside.
        keys: how many distinct keys they answer.
        pattern: one clause that names what is wrong; "" when nothing is.
    """

    rows: Mask
    keys: int = 0
    pattern: str = ""


def judge_values(name: str, keys: pa.Array, values: pa.Array) -> Judgement:
    """Judge a field whose value belongs to one key only: market number and slug of a condition.

    The batch is set aside whole when its keys, five or more, collapse onto half as many values or fewer; else those
    rows are whose value answers five or more keys.

    Args:
        name: of the field, for the pattern.
        keys: what was asked about, one per row; a key may be repeated.
        values: what was answered; null where nothing was.
    """
    given = pc.is_valid(values)
    nothing = np.zeros(len(keys), np.bool_)
    pairs = (
        pa.table({"key": keys.filter(given), "value": values.filter(given)}).group_by(["key", "value"]).aggregate([])
    )
    if not pairs.num_rows:
        return Judgement(nothing)
    counts = (
        pairs.group_by("value")
        .aggregate([("key", "count")])
        .sort_by([("key_count", "descending"), ("value", "ascending")])
    )
    distinct = len(pc.unique(pairs.column("key")))
    if distinct > MOST_KEYS_OF_ONE_VALUE and counts.num_rows * 2 <= distinct:
        shown = _shown(counts.column("value")[0].as_py())
        if counts.num_rows == 1:
            pattern = f"{distinct:,} conditions all have {name} {shown}"
        else:
            pattern = f"{distinct:,} conditions collapse onto {counts.num_rows:,} values of {name}, most onto {shown}"
        return Judgement(np.ones(len(keys), np.bool_), distinct, pattern)
    crowded = counts.filter(pc.greater(counts.column("key_count"), MOST_KEYS_OF_ONE_VALUE))
    if not crowded.num_rows:
        return Judgement(nothing)
    rows = pc.is_in(values, value_set=crowded.column("value").combine_chunks()).to_numpy(zero_copy_only=False)
    hit = len(pc.unique(keys.filter(pa.array(rows))))
    shown = ", ".join(_shown(value.as_py()) for value in crowded.column("value")[:3])
    more = f" and {crowded.num_rows - 3:,} more" if crowded.num_rows > 3 else ""
    return Judgement(rows, hit, f"{hit:,} conditions share {name} {shown}{more}")


def judge_tokens(tokens: pa.Array, conditions: pa.Array, unproven: Mask) -> Judgement:
    """Judge claims *token → condition* that no derivation confirms: a condition has few tokens.

    Proven claims are never set aside. The others are when nine or more tokens collapse onto a quarter as many
    conditions or fewer.
    """
    open_rows = pa.array(unproven & pc.is_valid(conditions).to_numpy(zero_copy_only=False))
    keys = len(pc.unique(tokens.filter(open_rows)))
    values = len(pc.unique(conditions.filter(open_rows)))
    if keys > 2 * MOST_KEYS_OF_ONE_VALUE and values * 4 <= keys:
        pattern = (
            f"{keys:,} tokens collapse onto {values:,} condition{'s' if values > 1 else ''} that none derives from"
        )
        return Judgement(open_rows.to_numpy(zero_copy_only=False), keys, pattern)
    return Judgement(np.zeros(len(tokens), np.bool_))


def judge_states(conditions: pa.Array, states: pa.Array) -> Judgement:
    """Judge settlements: a batch in which every market is closed and not one names a payout has lost a field."""
    keys = len(pc.unique(conditions))
    undecided = pc.equal(states, str(MarketState.CLOSED_UNRESOLVED)).to_numpy(zero_copy_only=False)
    if keys >= LEAST_TELLING_ROWS and undecided.all():
        return Judgement(undecided, keys, f"{keys:,} conditions are closed, and the payout is empty for every one")
    return Judgement(np.zeros(len(conditions), np.bool_))


def judge_emptiness(name: str, keys: pa.Array, values: pa.Array) -> Judgement:
    """Judge a field that a whole file exists to give: null in every one of twenty rows or more, it is a lost field."""
    if len(keys) >= LEAST_TELLING_ROWS and values.null_count == len(values):
        count = len(pc.unique(keys))
        return Judgement(np.ones(len(keys), np.bool_), count, f"{name} is empty in all {len(keys):,} rows")
    return Judgement(np.zeros(len(keys), np.bool_))


def judge_echo(keys: pa.Array, rows: Mask | None) -> Judgement:
    """Judge rows that do not carry the key that was asked for."""
    if rows is None or not rows.any():
        return Judgement(np.zeros(len(keys), np.bool_))
    count = len(pc.unique(keys.filter(pa.array(rows))))
    return Judgement(rows, count, f"{count:,} rows do not carry the key that was asked for")


def judge_with_earlier(name: str, keys: pa.Array, values: pa.Array, earlier: pa.Table) -> Judgement:
    """Judge a batch together with what the source said before of the same values."""
    own = judge_values(name, keys, values)
    if own.pattern or not earlier.num_rows:
        return own
    all_keys = pa.concat_arrays([keys, earlier.column("condition").combine_chunks().cast(keys.type)])
    all_values = pa.concat_arrays([values, earlier.column("market_id").combine_chunks().cast(values.type)])
    both = judge_values(name, all_keys, all_values)
    return Judgement(both.rows[: len(keys)], both.keys, both.pattern)


def first_of(judgements: Iterable[Judgement], rows: int) -> Judgement:
    """The judgements of one batch as one: every row that any sets aside, with the pattern of the largest."""
    kept = [judgement for judgement in judgements if judgement.pattern]
    if not kept:
        return Judgement(np.zeros(rows, np.bool_))
    largest = max(kept, key=lambda judgement: judgement.keys)
    return Judgement(np.logical_or.reduce([judgement.rows for judgement in kept]), largest.keys, largest.pattern)


def echoes(key: str, record: MarketRecord | TokenRecord | ResolutionRecord | EventRecord) -> bool:
    """Whether a record carries the key that was asked for: it answers that question and not another."""
    if isinstance(record, EventRecord):
        return key in {record.event_id, record.slug}
    if isinstance(record, MarketRecord):
        own = {record.condition_id, record.market_id, record.slug, record.question_id, record.event_id}
        return key in own or key in (record.token_ids or ())
    if isinstance(record, TokenRecord):
        return key in {record.token_id, record.condition_id}
    return key == record.condition_id


def _shown(value: object) -> str:
    text = str(value)
    return f'"{text}"' if len(text) <= 40 else f'"{text[:40]}…"'
