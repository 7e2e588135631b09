"""From signals, settlements and time to changes of entries: in the order in which things happened, each a line."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from polyledger.domain.scope import moment_text
from polyledger.insight.trading.orders import Broker, Key, Order, Result, allowed
from polyledger.insight.watchlist.entries import (
    ENTERED,
    ESCALATE,
    EXITED,
    SETTLED,
    WATCHING,
    Entry,
    Signal,
    advanced,
    heard,
    is_for,
    misfit,
    named,
    opened,
    should_enter,
)
from polyledger.insight.watchlist.journal import State
from polyledger.insight.watchlist.strategies import Strategies, Strategy

Document = dict[str, Any]
SCHEMA: Final = "polyledger.watchlist-change/1"
_END_OF_SECOND: Final = 1 << 61
# At one place in time an order is done before its market settles, and that before anybody reacts to a signal.
_RESULT, _SETTLED, _SIGNAL, _TIMER = range(4)


@dataclass
class Engine:
    """One update of the watchlist.

    Attributes:
        state: what the log holds; every line made here goes into it as well.
        ends: condition → when it was settled.
        head: the time of the last block scanned; now: the clock, for live orders and the log.
        stopped: the kill switch.
    """

    strategies: Strategies
    state: State
    brokers: Mapping[str, Broker]
    ends: Mapping[str, Key]
    head: int
    now: int
    stopped: bool = False
    _queue: list[tuple[int, int, int, int, str, int, Any]] = field(default_factory=list)
    _pushed: int = 0
    _fills: list[Document] = field(default_factory=list)

    def run(
        self, signals: Iterable[Signal], facts: Mapping[str, Mapping[str, Any]], withdrawn: Mapping[str, set[str]]
    ) -> Iterator[Document]:
        """The lines of the log that follow.

        Args:
            signals: all that the strategies' rules have found; those taken up before are passed over.
            facts: entry id → what is known of its market now.
            withdrawn: entry id → signals that a reorg took back.
        """
        for id in sorted(self.state.entries):  # noqa: A001
            yield from self._news(self.state.entries[id], facts.get(id, {}), withdrawn.get(id, set()))
        for entry in list(self.state.entries.values()):
            self._await(entry)
        for signal in signals:
            self._push((signal.time, signal.tx, signal.log_index), _SIGNAL, signal.key, signal)
        while self._queue:
            time, tx, log_index, kind, _, _, what = heapq.heappop(self._queue)
            key = (time, tx, log_index)
            if kind == _SIGNAL:
                for strategy in self.strategies.strategies:
                    yield from self._heard(strategy, what, key)
            else:
                yield from self._happened(kind, what, key)

    def _push(self, key: Key, kind: int, name: str, what: Any) -> None:
        # By name within a moment, so that many small updates and a large one come to the same log.
        self._pushed += 1
        heapq.heappush(self._queue, (*key, kind, name, self._pushed, what))

    def _await(self, entry: Entry) -> None:
        """What will happen to an entry by itself, as far as it is known by now."""
        strategy = self._strategy(entry)
        if entry.state == EXITED:
            return
        if entry.condition in self.ends:
            self._push(self.ends[entry.condition], _SETTLED, entry.id, entry.id)
        if strategy is not None and entry.state == ENTERED:
            self._set_timer(strategy, entry)
        if entry.order is not None and entry.order["state"] == "working":
            broker = self._broker(strategy)
            if broker is not None:
                self._result_later(entry, broker.check(_order(entry)))

    def _set_timer(self, strategy: Strategy, entry: Entry) -> None:
        after = strategy.exit.after if strategy.exit is not None else None
        if after is not None and entry.entered_at is not None and entry.entered_at + after < self.head:
            self._push((entry.entered_at + after, _END_OF_SECOND, 0), _TIMER, entry.id, entry.id)

    def _result_later(self, entry: Entry, result: Result) -> None:
        if result.state != "working":
            assert entry.order is not None  # noqa: S101 - only orders have results
            at = result.at or (self.head, _END_OF_SECOND, 0)
            self._push(at, _RESULT, entry.id, (entry.id, entry.order["id"], result))

    def _news(self, entry: Entry, facts: Mapping[str, Any], withdrawn: set[str]) -> Iterator[Document]:
        """What was learned about a market, or taken back, since the last time; and the kill switch."""
        key = (self.head, _END_OF_SECOND, 0)
        strategy = self._strategy(entry)
        for signal in sorted(withdrawn & self.state.wallets.get(entry.id, {}).keys()):
            wallets = {w for k, w in self.state.wallets[entry.id].items() if k != signal}
            after = replace(entry, signals=entry.signals - 1, wallets=len(wallets))
            if not after.signals and entry.state in {WATCHING, ESCALATE}:
                after = self._left(after, "its signals were taken back by a reorg", key[0])
            yield self._line(key, {"kind": "withdrawn", "signal": signal}, None, after)
            entry = after
        changed = named(entry, facts)
        if changed != entry:
            before = entry
            if strategy is not None and changed.state in {WATCHING, ESCALATE}:
                reason = misfit(strategy, changed)
                changed = (
                    self._left(changed, reason, key[0]) if reason else self._go_on(strategy, changed, key, self.head)
                )
            names = [n for n in facts if getattr(before, n, None) != getattr(changed, n, None)]
            yield self._line(key, {"kind": "metadata", "changed": sorted(names)}, None, changed)
            entry = changed
        if self.stopped and entry.order is not None and entry.order["state"] == "working":
            broker = self._broker(strategy)
            if broker is not None:
                result = replace(broker.cancel(_order(entry), key), state="cancelled", reason="kill switch")
                yield self._line(key, _result_event(entry, result), None, self._booked(entry, result, key[0]))

    def _heard(self, strategy: Strategy, signal: Signal, key: Key) -> Iterator[Document]:
        leaving = strategy.exit.rules if strategy.exit is not None and strategy.exit.rules is not None else ()
        id = f"{strategy.name}:{signal.condition}"  # noqa: A001
        entry = self.state.entries.get(id)
        if signal.rule not in {*strategy.rules, *leaving} or signal.key in self.state.seen.get(id, ()):
            return
        if (entry is not None and entry.state == EXITED) or self.ends.get(signal.condition, (1 << 60, 0, 0)) <= key:
            return
        counts = signal.rule in strategy.rules and _covered(strategy, signal)
        is_new = entry is None
        if entry is None:
            if not counts or signal.side != "BUY":
                return
            entry = opened(strategy, signal)
            if misfit(strategy, entry) is not None:
                return
        speaks_for = is_for(entry, signal)
        if not (counts if speaks_for else counts or signal.rule in leaving):
            return
        if not speaks_for and signal.time <= entry.opened_at:  # of before there was an entry to speak against
            return
        event: Document = {"kind": "signal", "signal": signal.key, "for": speaks_for}
        if speaks_for:
            wallets = {*self.state.wallets.get(id, {}).values(), signal.wallet}
            after = self._go_on(strategy, heard(entry, signal, wallets=len(wallets)), key, signal.time)
        else:
            after = replace(entry, against=entry.against + 1)
            if signal.rule in leaving:
                after = self._exit(strategy, after, f"a signal of {signal.rule} against it", key)
        yield self._line(key, event, signal, after)
        if is_new and signal.condition in self.ends:
            self._push(self.ends[signal.condition], _SETTLED, id, id)

    def _happened(self, kind: int, what: Any, key: Key) -> Iterator[Document]:
        entry = self.state.entries[what[0] if kind == _RESULT else what]
        strategy = self._strategy(entry)
        if entry.state == EXITED:
            return
        if kind == _RESULT:
            _, order, result = what
            if entry.order is not None and (entry.order["id"], entry.order["state"]) == (order, "working"):
                after = self._booked(entry, result, key[0])
                yield self._line(key, _result_event(entry, result), None, after)
        elif kind == _SETTLED:
            event: Document = {"kind": "settled"}
            broker = self._broker(strategy)
            if entry.order is not None and entry.order["state"] == "working" and broker is not None:
                cancelled = broker.cancel(_order(entry), key)
                entry = self._booked(entry, cancelled, key[0])
            yield self._line(key, event, None, self._left(entry, SETTLED, key[0]))
        elif entry.state == ENTERED and entry.reason is None and strategy is not None:
            after = self._exit(strategy, entry, "its time was up", key)
            yield self._line(key, {"kind": "timer"}, None, after)

    def _go_on(self, strategy: Strategy, entry: Entry, key: Key, signal_time: int) -> Entry:
        """The entry escalated and entered, as far as it is due."""
        entry = advanced(strategy, entry)
        if not should_enter(strategy, entry):
            return entry
        if strategy.trade is None:
            return self._entered(strategy, entry, key[0])
        assert strategy.stake is not None  # noqa: S101 - a strategy that trades has one
        assert self.strategies.limits is not None  # noqa: S101 - and the file has limits
        amount, limit = allowed(strategy.stake, entry, self.state.entries.values(), self.strategies.limits)
        price = min(strategy.max_price, entry.price + strategy.slippage)
        refused = f"nothing is left of {limit}" if not amount else None
        if strategy.trade == "live" and self.now - signal_time > strategy.max_age:
            refused = "the signal is older than max_age"
        order = _new_order(entry, key, side="BUY", amount=amount, limit=price)
        return self._place(strategy, entry, key, order, refused, cut_by=limit)

    def _place(
        self,
        strategy: Strategy,
        entry: Entry,
        key: Key,
        order: Order,
        refused: str | None,
        *,
        cut_by: str | None = None,
    ) -> Entry:
        reason = "kill switch" if self.stopped else refused
        broker = self._broker(strategy)
        if reason is None and broker is None:
            reason = f"there is no broker for {strategy.trade}"
        result = Result("refused", reason=reason) if reason or broker is None else broker.submit(order)
        working = result.state == "working" or (result.at is not None and result.at > key)
        document = {**order.plain(), "state": "working" if working else result.state, "reason": result.reason}
        entry = replace(entry, orders=entry.orders + 1, order={**document, "cut_by": cut_by})
        if working:
            self._result_later(entry, result)
            return entry
        return self._booked(entry, result, key[0])

    def _booked(self, entry: Entry, result: Result, time: int) -> Entry:
        """The entry with what an order has brought; entered when it bought, out when everything is sold."""
        assert entry.order is not None  # noqa: S101 - only orders have results
        self._fills += [{"order": entry.order["id"], **fill.plain()} for fill in result.fills]
        position = dict(entry.position or {"shares": 0, "cost": 0, "proceeds": 0, "fees": 0})
        sold_all = False
        for fill in result.fills:
            if fill.side == "BUY":
                position["shares"] += fill.shares
                position["cost"] += fill.collateral
            else:
                position["shares"] -= fill.shares
                position["proceeds"] += fill.collateral
                sold_all = position["shares"] == 0
            position["fees"] += fill.fee
        order = {**entry.order, "state": result.state, "reason": result.reason or entry.order["reason"]}
        entry = replace(entry, order=order, position=position if result.fills else entry.position)
        if sold_all:
            return self._left(entry, entry.reason or "sold", time)
        strategy = self._strategy(entry)
        if result.fills and order["side"] == "BUY" and entry.state == ESCALATE and strategy is not None:
            return self._entered(strategy, entry, time)
        return entry

    def _entered(self, strategy: Strategy, entry: Entry, time: int) -> Entry:
        entry = replace(entry, state=ENTERED, entered_at=time)
        self._set_timer(strategy, entry)
        return entry

    def _exit(self, strategy: Strategy, entry: Entry, reason: str, key: Key) -> Entry:
        """The entry out, or on its way out while its shares are sold."""
        broker = self._broker(strategy)
        if entry.order is not None and entry.order["state"] == "working" and broker is not None:
            if entry.order["side"] == "SELL":
                return entry
            entry = self._booked(entry, broker.cancel(_order(entry), key), key[0])
        shares = 0 if entry.position is None else int(entry.position["shares"])
        if not shares or broker is None:
            return self._left(entry, reason, key[0])
        entry = replace(entry, reason=reason)
        entry = self._place(strategy, entry, key, _new_order(entry, key, side="SELL", shares=shares), None)
        assert entry.order is not None  # noqa: S101 - it was just placed
        if entry.order["state"] == "refused":
            return self._left(entry, f"{reason}; its shares are kept: {entry.order['reason']}", key[0])
        return entry

    def _left(self, entry: Entry, reason: str, time: int) -> Entry:
        return replace(entry, state=EXITED, exited_at=time, reason=reason)

    def _strategy(self, entry: Entry) -> Strategy | None:
        return next((s for s in self.strategies.strategies if s.name == entry.strategy), None)

    def _broker(self, strategy: Strategy | None) -> Broker | None:
        return None if strategy is None or strategy.trade is None else self.brokers.get(strategy.trade)

    def _line(self, key: Key, event: Document, signal: Signal | None, after: Entry) -> Document:
        before = self.state.entries.get(after.id)
        if self._fills:
            event, self._fills = {**event, "fills": self._fills}, []
        line = {
            "schema": SCHEMA, "seq": self.state.lines + 1,
            "at": moment_text(key[0]), "recorded_at": moment_text(self.now),
            "entry": after.id, "strategy": after.strategy,
            "change": [None if before is None else before.state, after.state],
            "event": event, "trigger": None if signal is None else signal.trigger(),
            "category": after.category, "tags": after.tags,
            "before": None if before is None else before.plain(), "after": after.plain(),
        }  # fmt: skip
        self.state.apply(line)
        return line


def _covered(strategy: Strategy, signal: Signal) -> bool:
    return strategy.min_coverage is None or (signal.coverage or 0.0) >= strategy.min_coverage


def _new_order(
    entry: Entry, key: Key, *, side: Literal["BUY", "SELL"], amount: int = 0, shares: int = 0, limit: int = 0
) -> Order:
    return Order(
        id=f"{entry.id}:{entry.orders + 1}", strategy=entry.strategy, condition=entry.condition, token=entry.token,
        outcome=entry.outcome, category=entry.category, tags=entry.tags, event=entry.event,
        side=side, amount=amount, shares=shares, limit=limit, time=key[0], tx=key[1], log_index=key[2],
    )  # fmt: skip


def _order(entry: Entry) -> Order:
    """The order that an entry holds."""
    assert entry.order is not None  # noqa: S101 - asked of entries with an order
    return Order(**{name: entry.order[name] for name in Order.__dataclass_fields__})


def _result_event(entry: Entry, result: Result) -> Document:
    assert entry.order is not None  # noqa: S101 - only orders have results
    return {
        "kind": "result", "order": entry.order["id"], "state": result.state, "category": entry.order["category"],
        "tags": entry.order["tags"], "event": entry.order["event"],
    }  # fmt: skip
