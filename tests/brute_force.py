"""Profit by the money rules straight from raw logs: plain dictionaries and eth-abi, nothing of the program.

Only what conditions are called, and which tokens are theirs, is taken from the truth file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from eth_abi import decode
from eth_utils import keccak

ZERO = "0x" + "0" * 40
Events = tuple[int, list[tuple[str, str, list[Any]]]]
BURN = "0xa5ef39c3d3e10d0b270233af41cac69796b12966"  # where the adapter sends NO shares of conversions


@dataclass
class Condition:
    """A condition with what the chain has said of it so far."""

    condition_id: str
    category: str
    tokens: list[int]
    market: str | None
    index: int | None
    numerators: list[int] | None = None

    def payout(self, token: int, shares: int) -> int:
        """What net shares of a token are worth once resolved, floored (towards less when given away); 0 before."""
        if self.numerators is None:
            return 0
        return shares * self.numerators[self.tokens.index(token)] // sum(self.numerators)


@dataclass
class Wallet:
    """Everything of one wallet; amounts in millionths, conditions by id, tokens by number."""

    cash: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    group_cash: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    shares: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    transferred: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    bought: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    sold: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    volume: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    touched: set[str] = field(default_factory=set)
    fills: int = 0


def _topic(text: str) -> str:
    return "0x" + keccak(text=text).hex()


# Name → (first topic, types of the indexed arguments, types of the data).
_EVENTS: dict[str, tuple[str, list[str], list[str]]] = {
    "fill1": (
        _topic("OrderFilled(bytes32,address,address,uint256,uint256,uint256,uint256,uint256)"),
        ["bytes32", "address", "address"],
        ["uint256"] * 5,
    ),
    "fill2": (
        _topic("OrderFilled(bytes32,address,address,uint8,uint256,uint256,uint256,uint256,bytes32,bytes32)"),
        ["bytes32", "address", "address"],
        ["uint8", "uint256", "uint256", "uint256", "uint256", "bytes32", "bytes32"],
    ),
    "refund": (
        _topic("FeeRefunded(bytes32,address,uint256,uint256,uint256)"),
        ["bytes32", "address", "uint256"],
        ["uint256", "uint256"],
    ),
    "charged1": (_topic("FeeCharged(address,uint256,uint256)"), ["address"], ["uint256", "uint256"]),
    "charged2": (_topic("FeeCharged(address,uint256)"), ["address"], ["uint256"]),
    "operator": (_topic("NewOperator(address,address)"), ["address", "address"], []),
    "admin": (_topic("NewAdmin(address,address)"), ["address", "address"], []),
    "single": (
        _topic("TransferSingle(address,address,address,uint256,uint256)"),
        ["address"] * 3,
        ["uint256", "uint256"],
    ),
    "batch": (
        _topic("TransferBatch(address,address,address,uint256[],uint256[])"),
        ["address"] * 3,
        ["uint256[]", "uint256[]"],
    ),
    "split": (
        _topic("PositionSplit(address,address,bytes32,bytes32,uint256[],uint256)"),
        ["address", "bytes32", "bytes32"],
        ["address", "uint256[]", "uint256"],
    ),
    "merge": (
        _topic("PositionsMerge(address,address,bytes32,bytes32,uint256[],uint256)"),
        ["address", "bytes32", "bytes32"],
        ["address", "uint256[]", "uint256"],
    ),
    "redeem": (
        _topic("PayoutRedemption(address,address,bytes32,bytes32,uint256[],uint256)"),
        ["address", "address", "bytes32"],
        ["bytes32", "uint256[]", "uint256"],
    ),
    "group_split": (_topic("PositionSplit(address,bytes32,uint256)"), ["address", "bytes32"], ["uint256"]),
    "group_merge": (_topic("PositionsMerge(address,bytes32,uint256)"), ["address", "bytes32"], ["uint256"]),
    "group_redeem": (
        _topic("PayoutRedemption(address,bytes32,uint256[],uint256)"),
        ["address", "bytes32"],
        ["uint256[]", "uint256"],
    ),
    "convert": (
        _topic("PositionsConverted(address,bytes32,uint256,uint256)"),
        ["address", "bytes32", "uint256"],
        ["uint256"],
    ),
    "resolve": (
        _topic("ConditionResolution(bytes32,address,bytes32,uint256,uint256[])"),
        ["bytes32", "address", "bytes32"],
        ["uint256", "uint256[]"],
    ),
}
_BY_TOPIC = {topic: (name, indexed, plain) for name, (topic, indexed, plain) in _EVENTS.items()}


@dataclass
class _Leg:
    order: bytes
    wallet: str
    taker: str
    buy: bool
    token: int
    shares: int
    usdc: int
    fee: int
    fee_in_shares: bool
    leftover: int = 0


class Ledger:
    """Wallets and conditions of a recording, by the money rules."""

    def __init__(
        self, logs: Sequence[Mapping[str, Any]] | None, truth: Mapping[str, Any], transactions: Iterable[Events] = ()
    ) -> None:
        """Of logs, or of `transactions` that `read` gave."""
        self.conditions = {
            row["condition_id"].lower(): Condition(
                row["condition_id"].lower(),
                row["category"],
                [int(token) for token in row["token_ids"]],
                row["neg_risk_market_id"].lower() if row["neg_risk"] else None,
                row["neg_risk_index"],
            )
            for row in truth["conditions"]
        }
        self.of_token = {token: c for c in self.conditions.values() for token in c.tokens}
        self.exchanges = {truth["contracts"][name].lower() for name in ("EX", "NRX", "V2")}
        self.aside = {address.lower() for address in truth["contracts"].values()} | {ZERO, BURN}
        self.everybody: defaultdict[str, Wallet] = defaultdict(Wallet)
        self.volume_once = 0
        self.legs = 0
        for _, events in transactions if logs is None else read(logs):
            self._transaction(events)

    @property
    def wallets(self) -> dict[str, Wallet]:
        """Wallets as the contract defines them."""
        return {address: wallet for address, wallet in self.everybody.items() if address not in self.aside}

    def groups(self) -> dict[str, list[Condition]]:
        """The conditions of each neg-risk market."""
        groups: defaultdict[str, list[Condition]] = defaultdict(list)
        for condition in self.conditions.values():
            if condition.market is not None:
                groups[condition.market].append(condition)
        return groups

    def figures(
        self, wallet: Wallet, category: str | None, *, jointly: bool = True, left_out: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The amounts and counts of W, in millionths; without a category over all.

        `jointly`: the bounds over every way in which all that is open can end together; else group by group, which is
        the same and still ends where much is open. Conditions in `left_out` do not count.
        """
        mine = [
            c for c in self.conditions.values() if category in {None, c.category} and c.condition_id not in left_out
        ]
        groups = {
            market: members
            for market, members in self.groups().items()
            if category in {None, members[0].category} and not {c.condition_id for c in members} <= left_out
        }
        settled = {c.condition_id: sum(c.payout(t, wallet.shares[t]) for t in c.tokens) for c in mine}
        traded = [c for c in mine if any(wallet.bought[t] or wallet.sold[t] for t in c.tokens)]
        resolved = [c for c in traded if c.numerators is not None]
        profit = {c.condition_id: wallet.cash[c.condition_id] + settled[c.condition_id] for c in mine}
        cash = sum(wallet.cash[c.condition_id] for c in mine) + sum(wallet.group_cash[market] for market in groups)
        done = [market for market, members in groups.items() if all(c.numerators is not None for c in members)]
        sides = [self._side(wallet, c) for c in traded]
        units = [list(self.endings())] if jointly else self.open_units()
        totals = [[self._held(wallet, ways, category) for ways in unit] for unit in units]
        return {
            "cash_flow": cash,
            "settled_value": sum(settled.values()),
            "realized_pnl": sum(profit[c.condition_id] for c in mine if c.numerators is not None)
            + sum(wallet.group_cash[market] for market in done),
            "transferred_value": sum(c.payout(t, wallet.transferred[t]) for c in mine for t in c.tokens),
            "low": cash + sum(settled.values()) + sum(map(min, totals)),
            "high": cash + sum(settled.values()) + sum(map(max, totals)),
            "volume": sum(wallet.volume[c.condition_id] for c in mine),
            "resolved_volume": sum(wallet.volume[c.condition_id] for c in mine if c.numerators is not None),
            "traded_conditions": len(traded),
            "resolved_conditions": len(resolved),
            "winning_conditions": sum(profit[c.condition_id] > 0 for c in resolved),
            "yes_conditions": sides.count(0),
            "no_conditions": sides.count(1),
        }

    def open_units(self) -> list[list[dict[str, int]]]:
        """Per open condition or group the ways in which it can end: condition → the outcome that pays one."""
        open_plain = [c for c in self.conditions.values() if c.market is None and c.numerators is None]
        open_groups = []
        for members in self.groups().values():
            unknown = [c for c in members if c.numerators is None]
            decided = any(c.numerators is not None and c.numerators[0] > 0 for c in members)
            winners: list[Condition | None] = [None, *([] if decided else unknown)]
            open_groups.append(
                [{c.condition_id: 0 if c is winner else 1 for c in unknown} for winner in winners] if unknown else [{}]
            )
        return [*([{c.condition_id: outcome} for outcome in range(len(c.tokens))] for c in open_plain), *open_groups]

    def endings(self) -> Iterator[dict[str, int]]:
        """Every way in which all that is open can end together."""
        for choice in product(*self.open_units()):
            yield {condition: outcome for part in choice for condition, outcome in part.items()}

    def _held(self, wallet: Wallet, ending: Mapping[str, int], category: str | None) -> int:
        return sum(
            wallet.shares[self.conditions[condition].tokens[outcome]]
            for condition, outcome in ending.items()
            if category is None or self.conditions[condition].category == category
        )

    @staticmethod
    def _side(wallet: Wallet, condition: Condition) -> int | None:
        if len(condition.tokens) != 2:
            return None
        yes, no = (wallet.bought[token] - wallet.sold[token] for token in condition.tokens)
        return None if yes == no else int(no > yes)

    def _transaction(self, events: list[tuple[str, str, list[Any]]]) -> None:
        refunds = {values[0]: values[4] for name, _, values in events if name == "refund"}
        traded = any(name in {"fill1", "fill2"} for name, _, _ in events)
        waiting: defaultdict[str, list[_Leg]] = defaultdict(list)
        for name, contract, values in events:
            if name in {"fill1", "fill2"}:
                leg = _leg(values, second=name == "fill2")
                if leg.taker in self.exchanges:
                    leg.leftover = _leftover(leg, waiting.pop(contract, []))
                    self.volume_once += leg.usdc - (leg.leftover if leg.buy else 0)
                else:
                    waiting[contract].append(leg)
                self._fill(leg, refunds.get(leg.order, 0))
            elif name in {"charged1", "charged2", "operator", "admin"}:
                self.aside.add(values[0])
            elif name in {"single", "batch"}:
                self._moves(values, plain=not traded)
            else:
                self._other(name, values)
        # Legs that no taker leg closed were filled by an operator, each of them a match of its own.
        self.volume_once += sum(leg.usdc for legs in waiting.values() for leg in legs)

    def _fill(self, leg: _Leg, refund: int) -> None:
        wallet, condition = self.everybody[leg.wallet], self.of_token[leg.token].condition_id
        fee = leg.fee - refund
        usdc = leg.usdc - (leg.leftover if leg.buy else 0)
        shares = leg.shares - (0 if leg.buy else leg.leftover) - (fee if leg.fee_in_shares else 0)
        wallet.cash[condition] += (-usdc if leg.buy else usdc) - (0 if leg.fee_in_shares else fee)
        (wallet.bought if leg.buy else wallet.sold)[leg.token] += shares
        wallet.volume[condition] += usdc
        wallet.touched.add(condition)
        wallet.fills += 1
        self.legs += 1

    def _moves(self, values: list[Any], *, plain: bool) -> None:
        _, sender, recipient, tokens, amounts = values
        for token, amount in zip(_many(tokens), _many(amounts), strict=True):
            self.everybody[sender].shares[token] -= amount
            self.everybody[recipient].shares[token] += amount
            if plain and not {sender, recipient} & self.aside:
                self.everybody[sender].transferred[token] -= amount
                self.everybody[recipient].transferred[token] += amount
            for address in (sender, recipient):
                self.everybody[address].touched.add(self.of_token[token].condition_id)

    def _other(self, name: str, values: list[Any]) -> None:
        if name == "resolve":
            self.conditions[_hex(values[0])].numerators = list(values[4])
        elif name == "convert":
            parts = bin(values[2]).count("1")
            self.everybody[values[0]].group_cash[_hex(values[1])] += (parts - 1) * values[3]
        elif name != "refund":
            # The wallet comes first and the amount last in all of them.
            condition = _hex(values[3] if name == "redeem" else values[2] if name in {"split", "merge"} else values[1])
            sign = -1 if "split" in name else 1
            self.everybody[values[0]].cash[condition] += sign * values[-1]
            self.everybody[values[0]].touched.add(condition)


def read(logs: Iterable[Mapping[str, Any]]) -> Iterator[Events]:
    """The known events of each transaction, with its block, as (name, contract, values), in chain order."""
    last, block, events = "", 0, []
    for log in sorted(logs, key=lambda one: (int(one["blockNumber"], 16), int(one["logIndex"], 16))):
        if log["transactionHash"] != last:
            yield block, events
            last, block, events = log["transactionHash"], int(log["blockNumber"], 16), []
        known = _BY_TOPIC.get(log["topics"][0])
        if known is None:
            continue
        name, indexed, plain = known
        values = [
            decode([kind], bytes.fromhex(topic[2:]))[0] for kind, topic in zip(indexed, log["topics"][1:], strict=True)
        ]
        events.append((name, log["address"], [*values, *decode(plain, bytes.fromhex(log["data"][2:]))]))
    yield block, events


def _leg(values: list[Any], *, second: bool) -> _Leg:
    order, wallet, taker, first, *rest = values
    if second:
        token, gives, gets, fee = rest[:4]
        buy = first == 0
    else:
        asset, gives, gets, fee = rest
        buy = first == 0
        token = asset if buy else first
    shares, usdc = (gets, gives) if buy else (gives, gets)
    return _Leg(order, wallet, taker, buy, token, shares, usdc, fee, fee_in_shares=buy and not second)


def _leftover(taker: _Leg, makers: list[_Leg]) -> int:
    """What the taker gave and the makers did not use: USDC of a buyer, shares of a seller."""
    if not taker.buy:
        return taker.shares - sum(maker.shares for maker in makers)
    return taker.usdc - sum(m.usdc if m.token == taker.token else m.shares - m.usdc for m in makers)


def _many(value: Any) -> Sequence[int]:
    return [value] if isinstance(value, int) else value


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
