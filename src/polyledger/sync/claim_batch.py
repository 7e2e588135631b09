"""The records of a batch of answers, sorted by what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.domain.records import EventRecord, FillRecord, MarketRecord, ResolutionRecord, TokenRecord
from polyledger.identity import quarantine
from polyledger.identity.proofs import CLAIMED, PROVEN, QUARANTINED
from polyledger.identity.quarantine import Mask
from polyledger.sources.answers import Answer


@dataclass
class Records:
    """The records of a batch by what they are about, each with its evidence and the place of its answer."""

    tokens: list[tuple[TokenRecord, int, int]] = field(default_factory=list)
    markets: list[tuple[MarketRecord, int, int]] = field(default_factory=list)
    resolutions: list[tuple[ResolutionRecord, int, int]] = field(default_factory=list)
    events: list[tuple[EventRecord, int]] = field(default_factory=list)
    fills: list[tuple[FillRecord, int]] = field(default_factory=list)
    foreign: set[int] = field(default_factory=set)  # places of answers that carry another key, or are set aside

    def foreign_rows(self, rows: Sequence[tuple[Any, int, int]]) -> Mask:
        """Which of these rows belong to an answer that carries another key."""
        return np.array([place in self.foreign for _, _, place in rows], np.bool_)

    def take_settlements(
        self,
        rows: Sequence[tuple[TokenRecord | MarketRecord, int, int]],
        verdicts: Sequence[str],
        settled: dict[tuple[ResolutionRecord, int], str],
    ) -> None:
        """Add what the rows say of resolutions; what is not believed of a row is not believed of its settlement."""
        for (record, kept, place), verdict in zip(rows, verdicts, strict=True):
            if verdict == QUARANTINED:
                self.foreign.add(place)
            settlement = settlement_of(record)
            if settlement is not None and settled.get((settlement, kept), CLAIMED) == CLAIMED:
                settled[settlement, kept] = CLAIMED if verdict == PROVEN else verdict

    def markets_of_tokens(self, verdicts: Sequence[str]) -> pa.Table:
        """What the proven rows about tokens say of markets, once per condition and answer."""
        rows = {
            (record.condition_id, record.market_slug, record.event_id, kept): record.neg_risk
            for (record, kept, _), verdict in zip(self.tokens, verdicts, strict=True)
            if verdict == PROVEN and record.condition_id is not None and (record.market_slug or record.event_id)
        }
        return pa.table(
            {
                "condition": pa.array([bytes.fromhex(str(key[0])[2:]) for key in rows], pa.binary(32)),
                "slug": pa.array([key[1] for key in rows], pa.string()),
                "event_id": pa.array([key[2] for key in rows], pa.string()),
                "neg_risk": pa.array(list(rows.values()), pa.bool_()),
                "evidence_id": pa.array([key[3] for key in rows], pa.int64()),
            }
        )


def sort_in(batch: Records, answer: Answer[Any], record: object, kept: int, place: int) -> None:
    """Put one record of an answer where it belongs; what does not carry the key that was asked for is foreign."""
    match record:
        case TokenRecord():
            batch.tokens.append((record, kept, place))
        case MarketRecord():
            if record.condition_id is None:
                if record.event is not None:
                    batch.events.append((record.event, kept))
                return
            batch.markets.append((record, kept, place))
        case ResolutionRecord():
            batch.resolutions.append((record, kept, place))
        case EventRecord():
            if answer.asked and answer.key and not quarantine.echoes(answer.key, record):
                batch.foreign.add(place)
                return
            batch.events.append((record, kept))
            return
        case FillRecord():
            if not answer.asked or record.transaction_hash == answer.key:
                batch.fills.append((record, kept))
            else:
                batch.foreign.add(place)
            return
        case _:
            raise TypeError(f"{type(record).__name__} is no claim")
    if answer.asked and answer.key and not quarantine.echoes(answer.key, record):
        batch.foreign.add(place)


def settlement_of(record: TokenRecord | MarketRecord) -> ResolutionRecord | None:
    """What a record says of the resolution of its condition; when it closed is not when it was resolved."""
    if record.condition_id is None or record.settlement is None:
        return None
    return ResolutionRecord(record.source, record.condition_id, record.settlement)


def text_of(table: pa.Table, name: str) -> pa.Array:
    """A text column with the empty text as null."""
    column = table.column(name).combine_chunks()
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def says_more(table: pa.Table) -> bool:
    """Whether a batch of markets gives anything beside the market number."""
    fields = set(table.column_names) - {"condition", "market_id", "evidence_id"}
    return any(table.column(name).null_count < table.num_rows for name in fields)
