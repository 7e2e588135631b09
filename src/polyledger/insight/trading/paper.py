"""The paper broker: an order is filled by the fills that were recorded after it, as far as it may take part in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from polyledger.domain.amounts import MICRO
from polyledger.insight.trading.orders import Fill, Key, Order, Result
from polyledger.insight.watchlist.strategies import Paper
from polyledger.store.database import Database
from polyledger.store.sql import script

PACKAGE: Final = "polyledger.insight.trading"
_LATER: Final = 1 << 61
_CRUMBS: Final = 10_000  # a cent: what is left of an order when no whole share can be bought for it


@dataclass(frozen=True)
class PaperBroker:
    """Fills orders from the ledger. The same ledger and order give the same result.

    Attributes:
        head: the time of the last block that was scanned; what is later is not known yet.
        ends: condition → when it was settled, which ends every order.
    """

    database: Database
    paper: Paper
    head: int
    ends: Mapping[str, Key]

    def submit(self, order: Order) -> Result:
        """See `Broker`."""
        return self.check(order)

    def check(self, order: Order) -> Result:
        """See `Broker`. An order to buy works until its patience ends, one to sell until its market does."""
        lapses: Key | None = None if order.side == "SELL" else (order.time + self.paper.patience, _LATER, 0)
        ends = self.ends.get(order.condition)
        borders = [border for border in (lapses, ends) if border is not None]
        return self._until(order, min(borders) if borders else None)

    def cancel(self, order: Order, at: Key) -> Result:
        """See `Broker`."""
        found = self._until(order, at)
        return found if found.state == "filled" else Result("cancelled", found.fills, at)

    def _until(self, order: Order, border: Key | None) -> Result:
        fills: list[Fill] = []
        left = order.amount if order.side == "BUY" else order.shares
        last_time = self.head if border is None else min(border[0], self.head)
        for time, tx, log_index, shares, collateral in self._recorded(order, last_time):
            if border is not None and (time, tx, log_index) >= border:
                break
            fill = self._part(order, left, Fill(time, tx, log_index, order.side, shares, collateral, 0))
            if fill is None:
                continue
            fills.append(fill)
            left -= fill.collateral if order.side == "BUY" else fill.shares
            if left <= (_CRUMBS if order.side == "BUY" else 0):
                return Result("filled", tuple(fills), (time, tx, log_index))
        if border is None or self.head <= border[0]:
            return Result("working", tuple(fills))
        return Result("partial" if fills else "unfilled", tuple(fills), border)

    def _recorded(self, order: Order, until: int) -> list[tuple[Any, ...]]:
        # Borders as numbers, so that the engine reads the blocks of this time alone.
        ((first, last),) = self.database.query(
            "SELECT min(number) * 65536, max(number) * 65536 + 65535 FROM chain.blocks WHERE timestamp BETWEEN ? AND ?",
            [order.time, until],
        )
        if first is None:
            return []
        return self.database.query(
            script(PACKAGE, "recorded_fills"),
            {"token": order.token, "first": first, "last": last, "since": order.time, "tx": order.tx},
        )

    def _part(self, order: Order, left: int, recorded: Fill) -> Fill | None:
        """What the order takes of one recorded fill, rounded against it; None for nothing."""
        cost, whole = recorded.collateral * MICRO, recorded.shares
        if cost > order.limit * whole if order.side == "BUY" else cost < order.limit * whole:
            return None
        share = Fraction(str(self.paper.participation))
        offered = whole * share.numerator // share.denominator
        if order.side == "BUY":
            shares = min(offered, left * whole // recorded.collateral)
            collateral = -(-shares * recorded.collateral // whole)
        else:
            shares = min(offered, left)
            collateral = shares * recorded.collateral // whole
        if shares <= 0 or collateral <= 0:
            return None
        dearest = max(min(recorded.collateral, whole - recorded.collateral), 0)  # min(p, 1 - p) of all its shares
        due = Fraction(str(self.paper.fee_rate)) * shares * dearest
        fee = -(-due.numerator // (due.denominator * whole))
        return Fill(recorded.time, recorded.tx, recorded.log_index, order.side, shares, collateral, fee)
