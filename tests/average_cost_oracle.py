"""The average-cost method, literally: one event after another into a dict, as the subgraph's handlers do.

Shares nothing with the implementation, not even the decoding: worlds are read from their raw logs, word by word. Events
are dicts; accounts, tokens, conditions and markets are any hashable values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

SCALE = 10**6
FIFTY_CENTS = 500_000
Event = dict[str, Any]
State = dict[tuple[Hashable, Hashable], list[int]]  # amount, average, realized profit, bought


def quotient(numerator: int, denominator: int) -> int:
    """BigInt division of the source: toward zero."""
    sign = -1 if (numerator < 0) != (denominator < 0) else 1
    return sign * (abs(numerator) // abs(denominator))


class Subgraph:
    """The handlers of the subgraph, with the state they keep."""

    def __init__(self, tokens: dict[Hashable, list[Hashable]], skipped: dict[str, set[Hashable]]) -> None:
        self.tokens = tokens
        self.skipped = skipped
        self.positions: State = defaultdict(lambda: [0, 0, 0, 0])
        self.numerators: dict[Hashable, list[int]] = {}
        self.questions: dict[Hashable, list[Hashable]] = defaultdict(list)
        self.pools: dict[Hashable, tuple[Hashable, Hashable]] = {}

    def run(self, events: Iterable[Event]) -> State:
        for event in events:
            getattr(self, event["event"])(event)
        return dict(self.positions)

    def _buy(self, account: Hashable, token: Hashable, price: int, shares: int) -> None:
        if shares > 0:
            position = self.positions[account, token]
            position[1] = quotient(position[1] * position[0] + price * shares, position[0] + shares)
            position[0] += shares
            position[3] += shares

    def _sell(self, account: Hashable, token: Hashable, price: int, shares: int) -> None:
        position = self.positions[account, token]
        sold = min(shares, position[0])
        position[2] += quotient(sold * (price - position[1]), SCALE)
        position[0] -= sold

    def fill(self, event: Event) -> None:
        if event["shares"]:
            trade = self._buy if event["side"] == 0 else self._sell
            price = quotient(event["collateral"] * SCALE, event["shares"])
            trade(event["wallet"], event["token"], price, event["shares"])

    def position_change(self, event: Event) -> None:
        skipped = self.skipped["adapter" if event["by_adapter"] else "ctf"]
        if event["stakeholder"] in skipped or event["condition"] not in self.tokens:
            return
        for token in self.tokens[event["condition"]]:
            trade = self._buy if event["kind"] == 0 else self._sell
            trade(event["stakeholder"], token, FIFTY_CENTS, event["amount"])

    def resolution(self, event: Event) -> None:
        if event["condition"] in self.tokens:
            self.numerators[event["condition"]] = event["numerators"]

    def redemption(self, event: Event) -> None:
        numerators = self.numerators.get(event["condition"], [])
        if not sum(numerators) or (not event["by_adapter"] and event["redeemer"] in self.skipped["redeemers"]):
            return
        for outcome, token in enumerate(self.tokens[event["condition"]]):
            price = quotient(numerators[outcome] * SCALE, sum(numerators))
            held = self.positions[event["redeemer"], token][0]
            self._sell(event["redeemer"], token, price, event["amounts"][outcome] if event["by_adapter"] else held)

    def question(self, event: Event) -> None:
        self.questions[event["neg_risk_market"]].append(event["condition"])

    def conversion(self, event: Event) -> None:
        questions = self.questions[event["neg_risk_market"]]
        given = [index for index in range(len(questions)) if event["index_set"] >> index & 1]
        total, inside = len(questions), len(given)
        averages = 0
        for index in given:
            no = self.tokens[questions[index]][1]
            average = self.positions[event["stakeholder"], no][1]
            self._sell(event["stakeholder"], no, average, event["amount"])
            averages += average
        no_price = quotient(averages, inside)
        if inside == total:
            return
        yes_price = quotient(no_price * inside - SCALE * (inside - 1), total - inside)
        for index in range(total):
            if index not in given:
                self._buy(event["stakeholder"], self.tokens[questions[index]][0], yes_price, event["amount"])

    def pool(self, event: Event) -> None:
        self.pools[event["pool"]] = (event["condition"], event["share_token"])

    def amm_trade(self, event: Event) -> None:
        if event["shares"]:
            token = self.tokens[self.pools[event["pool"]][0]][event["outcome_index"]]
            trade = self._buy if event["side"] == 0 else self._sell
            price = quotient(event["collateral"] * SCALE, event["shares"])
            trade(event["trader"], token, price, event["shares"])

    def amm_funding(self, event: Event) -> None:
        amounts, shares = event["amounts"], event["pool_shares"]
        if not sum(amounts):
            return
        condition, share_token = self.pools[event["pool"]]
        prices = [quotient(amounts[1 - outcome] * SCALE, sum(amounts)) for outcome in (0, 1)]
        if event["kind"] == 0:
            outcome = 1 if amounts[0] > amounts[1] else 0
            returned = amounts[1 - outcome] - amounts[outcome]
            self._buy(event["funder"], self.tokens[condition][outcome], prices[outcome], returned)
            if shares:
                paid = max(amounts) - quotient(returned * prices[outcome], SCALE)
                self._buy(event["funder"], share_token, quotient(paid * SCALE, shares), shares)
            return
        cost = 0
        for outcome in (0, 1):
            self._buy(event["funder"], self.tokens[condition][outcome], prices[outcome], amounts[outcome])
            cost += quotient(prices[outcome] * amounts[outcome], SCALE)
        if shares:
            price = quotient((event["collateral_from_fees"] - cost) * SCALE, shares)
            self._sell(event["funder"], share_token, price, shares)


def _words(data: str) -> list[int]:
    return [int(data[start : start + 64], 16) for start in range(2, len(data), 64)]


def _address(topic: str) -> str:
    return "0x" + topic[-40:]


def _asset_trade(words: list[int], first: int) -> Event:
    """makerAssetId, takerAssetId, makerAmount, takerAmount from word ``first`` on: asset 0 is collateral."""
    maker_asset, taker_asset, maker_amount, taker_amount = words[first : first + 4]
    if maker_asset == 0:
        return {"side": 0, "token": taker_asset, "collateral": maker_amount, "shares": taker_amount}
    return {"side": 1, "token": maker_asset, "collateral": taker_amount, "shares": maker_amount}


def events_of(logs: list[dict[str, Any]], ctf: str, adapter: str) -> Iterator[Event]:
    """Events of raw logs in chain order; ``ctf`` and ``adapter`` are the addresses of those contracts."""
    for log in sorted(logs, key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16))):
        topics, words, by_adapter = log["topics"], _words(log["data"]), log["address"] == adapter
        match topics[0][:10]:
            case "0xd0a08e8c":
                yield {"event": "fill", "wallet": _address(topics[2])} | _asset_trade(words, 0)
            case "0xd543adfd":
                side, token, making, taking = words[:4]
                shares, collateral = (taking, making) if side == 0 else (making, taking)
                fill = {"side": side, "token": token, "shares": shares, "collateral": collateral}
                yield {"event": "fill", "wallet": _address(topics[2])} | fill
            case "0x2e6bb91f" | "0x6f13ca62" | "0xbbed930d" | "0xba33ac50" if log["address"] in {ctf, adapter}:
                yield {
                    "event": "position_change",
                    "kind": 0 if topics[0][:10] in {"0x2e6bb91f", "0xbbed930d"} else 1,
                    "stakeholder": _address(topics[1]),
                    "condition": topics[2] if by_adapter else topics[3],
                    "amount": words[0] if by_adapter else words[2],
                    "by_adapter": by_adapter,
                }
            case "0x2682012a" | "0x9140a6a2":
                yield {
                    "event": "redemption",
                    "redeemer": _address(topics[1]),
                    "condition": topics[2] if by_adapter else f"0x{words[0]:064x}",
                    "amounts": words[3:5] if by_adapter else None,
                    "by_adapter": by_adapter,
                }
            case "0xb44d84d3":
                yield {"event": "resolution", "condition": topics[1], "numerators": words[3:]}
            case "0xaac410f8":
                yield {"event": "question", "neg_risk_market": topics[1], "question_id": topics[2], "index": words[0]}
            case "0xb03d19dd":
                yield {
                    "event": "conversion",
                    "stakeholder": _address(topics[1]),
                    "neg_risk_market": topics[2],
                    "index_set": int(topics[3], 16),
                    "amount": words[0],
                }
            case _:
                pass
