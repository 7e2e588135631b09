"""A live broker for tests: it says yes to everything and remembers what it was asked."""

from __future__ import annotations

from polyledger.insight.trading.orders import Fill, Key, Order, Result

SUBMITTED: list[Order] = []


class RecordingBroker:
    """Fills every order at its limit, at once."""

    def submit(self, order: Order) -> Result:
        SUBMITTED.append(order)
        shares = order.amount * 1_000_000 // order.limit if order.side == "BUY" else order.shares
        fill = Fill(order.time, order.tx, order.log_index, order.side, shares, order.amount, 0)
        return Result("filled", (fill,))

    def check(self, order: Order) -> Result:
        raise AssertionError(f"{order.id} was filled at once")

    def cancel(self, order: Order, at: Key) -> Result:
        raise AssertionError(f"{order.id} was filled at once, not to be cancelled at {at}")


def make() -> RecordingBroker:
    return RecordingBroker()


def make_nothing() -> str:
    return "no broker"
