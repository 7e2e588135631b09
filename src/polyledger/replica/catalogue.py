"""Markets, events and resolutions as of the visible chain: the common ground of the HTTP services."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import token_ids
from polyledger.replica.chain import Chain
from polyledger.replica.faults import MarketFaults
from polyledger.replica.logs import LogFilter, LogIndex
from polyledger.replica.world import MarketRecord

_PREPARATION = "0xab3760c3bd2bb38b5bcf54dc79802ed67338b4cf29f3054ded67ed24661e4177"
_FIRST_NAMELESS = 1_000_000  # ids of markets that the world does not name
_RESOLUTION = "0xb44d84d3289691f71497564b85d4233648d9dbae8cbdbb4329f301c3a0185894"


@dataclass(frozen=True, slots=True)
class Preparation:
    """A ConditionPreparation log. The timestamp is in seconds."""

    condition_id: str
    oracle: str
    question_id: str
    slots: int
    block: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Resolution:
    """A ConditionResolution log."""

    numerators: tuple[int, ...]
    block: int
    timestamp: int
    transaction_hash: str
    log_index: int

    @property
    def prices(self) -> list[float]:
        """What one share of each outcome pays, between 0 and 1."""
        total = sum(self.numerators)
        return [numerator / total for numerator in self.numerators]


@dataclass(frozen=True, slots=True)
class Event:
    """Markets that belong together; an event of one market shares its name."""

    event_id: str
    slug: str
    title: str
    category: str | None
    markets: tuple[MarketRecord, ...]
    parent_event_id: str | None = None

    @property
    def neg_risk(self) -> bool:
        """Whether its markets form a neg-risk group."""
        return self.markets[0].neg_risk

    @property
    def tags(self) -> list[dict[str, str]]:
        """The general tag every event has, and one for the category."""
        tags = [{"id": "100639", "label": "All", "slug": "all"}]
        if self.category:
            slug = self.category.lower().replace(" ", "-")
            number = zlib.crc32(slug.encode())  # any number that stays the same for the same tag
            tags.append({"id": str(number), "label": self.category, "slug": slug})
        return tags


@dataclass(slots=True)
class _Facts:
    """Preparations and resolutions found in one index of logs."""

    preparations: dict[str, Preparation] = field(default_factory=dict)
    resolutions: dict[str, Resolution] = field(default_factory=dict)


class Catalogue:
    """Looks up markets and events by any of their ids, and what the visible chain says about them."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._facts: dict[int, tuple[LogIndex, _Facts]] = {}
        prepared = self._facts_of(chain.world.logs).preparations
        self._recorded = frozenset(prepared)
        named = chain.world.markets
        self._markets = _nameless(prepared.values()) if named is None else named
        self._by_condition = {market.condition_id: market for market in self._markets}
        self._by_token = {token: market for market in self._markets for token in market.token_ids}
        self._events = {event.event_id: event for event in _events(self._markets)}

    def markets(self) -> list[MarketRecord]:
        """Markets whose condition is prepared on the visible chain, or was before the recording began; by id."""
        return [market for market in self._markets if self.is_visible(market)]

    def events(self) -> list[Event]:
        """Events with at least one visible market, holding only the visible ones; by id."""
        found: list[Event] = []
        for event in self._events.values():
            visible = tuple(market for market in event.markets if self.is_visible(market))
            if visible:
                found.append(replace(event, markets=visible))
        return found

    def event(self, event_id: str) -> Event | None:
        """An event, holding only its visible markets; None without any."""
        known = self._events.get(event_id)
        visible = () if known is None else tuple(market for market in known.markets if self.is_visible(market))
        if known is None or not visible:
            return None
        return replace(known, markets=visible)

    def is_visible(self, market: MarketRecord) -> bool:
        """Whether the market exists yet."""
        return market.condition_id not in self._recorded or self.preparation(market.condition_id) is not None

    def market_of_condition(self, condition_id: str) -> MarketRecord | None:
        """The visible market of a condition."""
        market = self._by_condition.get(condition_id.lower())
        return market if market is not None and self.is_visible(market) else None

    def market_of_token(self, token_id: str) -> MarketRecord | None:
        """The visible market that has this token."""
        market = self._by_token.get(token_id)
        return market if market is not None and self.is_visible(market) else None

    def instead_of(self, faults: MarketFaults, source: str, condition_id: str = "") -> MarketRecord | None:
        """The market that `source` answers whatever it is asked, a condition say; None while it answers soundly."""
        if faults.one_market is None or source not in faults.one_market_of:
            return None
        market = self._by_condition[faults.one_market.lower()]
        echoed = condition_id if faults.one_market_echoes and condition_id else market.condition_id
        return msgspec.structs.replace(market, condition_id=echoed)

    def event_of(self, market: MarketRecord) -> Event:
        """The event a market belongs to."""
        return self._events[market.event_id]

    def preparation(self, condition_id: str) -> Preparation | None:
        """How the condition was prepared, when the visible chain shows it."""
        for index, first, last in self.chain.segments(0, self.chain.head):
            found = self._facts_of(index).preparations.get(condition_id)
            if found is not None and first <= found.block <= last:
                return found
        return None

    def resolution(self, condition_id: str) -> Resolution | None:
        """How the condition was resolved on the visible chain; None while it is open."""
        for index, first, last in self.chain.segments(0, self.chain.head):
            found = self._facts_of(index).resolutions.get(condition_id)
            if found is not None and first <= found.block <= last:
                return found
        return None

    def _facts_of(self, index: LogIndex) -> _Facts:
        known = self._facts.get(id(index))
        if known is not None and known[0] is index:
            return known[1]
        facts = _Facts()
        wanted = LogFilter(topics=(frozenset((_PREPARATION, _RESOLUTION)),))
        for record in index.records(index.select(wanted, 0, 1 << 62)):
            block, timestamp = int(record.block_number, 16), int(record.block_timestamp or "0x0", 16)
            words = [int(record.data[at : at + 64], 16) for at in range(2, len(record.data), 64)]
            condition = record.topics[1]
            if record.topics[0] == _PREPARATION:
                oracle = "0x" + record.topics[2][26:]
                facts.preparations[condition] = Preparation(
                    condition, oracle, record.topics[3], words[0], block, timestamp
                )
            else:
                facts.resolutions[condition] = Resolution(
                    tuple(words[3 : 3 + words[2]]), block, timestamp, record.transaction_hash, int(record.log_index, 16)
                )
        self._facts[id(index)] = (index, facts)
        return facts


def _nameless(preparations: Iterable[Preparation]) -> list[MarketRecord]:
    """Markets of a world that comes without names: the ids follow from the chain, the names are plain numbers."""
    contracts = ContractSet.mainnet()
    adapter, wrapped = contracts.address_bytes(Role.NEG_RISK_ADAPTER), contracts.address_bytes(Role.WRAPPED_COLLATERAL)
    markets = []
    for number, prepared in enumerate(preparations):
        oracle = bytes.fromhex(prepared.oracle[2:])
        is_neg_risk = oracle == adapter
        collateral = wrapped if is_neg_risk else contracts.address_bytes(Role.COLLATERAL)
        tokens = token_ids(bytes.fromhex(prepared.condition_id[2:]), prepared.slots, collateral)
        group = prepared.question_id[:-2] + "00" if is_neg_risk else None
        is_binary = prepared.slots == 2
        markets.append(
            MarketRecord(
                market_id=str(_FIRST_NAMELESS + number),
                condition_id=prepared.condition_id,
                question_id=prepared.question_id,
                oracle=prepared.oracle,
                token_ids=[str(token) for token in tokens],
                outcomes=["Yes", "No"] if is_binary else [f"Outcome {at}" for at in range(prepared.slots)],
                question=f"Unnamed question {number}",
                slug=f"unnamed-question-{number}",
                event_id=str(_FIRST_NAMELESS + number) if group is None else str(zlib.crc32(group.encode()) >> 1),
                neg_risk=is_neg_risk,
                neg_risk_market_id=group,
                neg_risk_index=int(prepared.question_id[-2:], 16) if is_neg_risk else None,
            )
        )
    return markets


def _events(markets: Iterable[MarketRecord]) -> list[Event]:
    grouped: dict[str, list[MarketRecord]] = {}
    for market in markets:
        grouped.setdefault(market.event_id, []).append(market)
    events = []
    for event_id, members in sorted(grouped.items(), key=lambda item: int(item[0])):
        single = len(members) == 1
        events.append(
            Event(
                event_id=event_id,
                slug=members[0].slug if single else f"world-event-{event_id}",
                title=members[0].question if single else f"World event {event_id}",
                category=members[0].category,
                markets=tuple(members),
                parent_event_id=members[0].parent_event_id,
            )
        )
    return events
