"""The rows behind the subgraphs, made from the recorded logs up to a block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.replica.catalogue import Catalogue
from polyledger.replica.fills import ORDER_FILLED_V1, Fill, read_fill
from polyledger.replica.graphql import QueryError
from polyledger.replica.logs import LogFilter, LogRecord

Row = dict[str, Any]

_ORDERS_MATCHED_V1 = "0x63bf4d16b7fa898ef4c4b2b6d90fd201e9c56313b65638af6088d149d2ce956c"
_SPLIT = "0x2e6bb91f8cbcda0c93623c54d0403a43514fabc40084ec96b6d5379a74786298"
_MERGE = "0x6f13ca62553fcc2bcd2372180a43949c1e4cebba603901ede2f4e14f36b282ca"
_REDEMPTION = "0x2682012a4a4f1973119f1c9b90745d1bd91fa2bab387344f044cb3586864d18d"
_CONVERSION = "0xb03d19dddbc72a87e735ff0ea3b57bef133ebe44e1894284916a84044deb367e"


class Entities:
    """Finds the rows of an entity by the name it has in a query: one row or, in the plural, a list."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        contracts = ContractSet.mainnet()
        # Splits and merges that a contract makes on behalf of others are left out, as the activity subgraph does.
        between = (Role.EXCHANGE_V1, Role.NEG_RISK_EXCHANGE_V1, Role.NEG_RISK_ADAPTER)
        self._between = frozenset("0x" + address.hex() for address in contracts.addresses_of(between))
        self._cache: dict[tuple[str, int, tuple[int, str]], list[Row]] = {}

    def of(self, subgraph: str, name: str, head: int) -> tuple[list[Row], bool]:
        """Rows of an entity up to a block, and whether the name asks for a list.

        Raises:
            QueryError: the subgraph has no such entity.
        """
        makers = {
            ("orderbook-subgraph", "orderFilledEvent"): self._order_filled,
            ("orderbook-subgraph", "ordersMatchedEvent"): self._orders_matched,
            ("orderbook-subgraph", "marketData"): self._market_data,
            ("activity-subgraph", "split"): lambda until: self._changes(_SPLIT, until),
            ("activity-subgraph", "merge"): lambda until: self._changes(_MERGE, until),
            ("activity-subgraph", "redemption"): self._redemptions,
            ("activity-subgraph", "negRiskConversion"): self._conversions,
            ("activity-subgraph", "position"): self._market_data,
            ("pnl-subgraph", "condition"): self._conditions,
            ("positions-subgraph", "tokenIdCondition"): self._token_conditions,
            ("positions-subgraph", "condition"): self._conditions,
        }
        singular = "marketData" if name == "marketDatas" else name.removesuffix("s")
        maker = makers.get((subgraph, singular))
        if maker is None:
            raise QueryError(f"Type `Query` has no field `{name}`")
        key = (f"{subgraph}/{singular}", head, self._catalogue.chain.revision)
        if key not in self._cache:
            if len(self._cache) > 2:  # paging through an entity asks for the same one over and over
                self._cache.clear()
            self._cache[key] = maker(head)
        return self._cache[key], name != singular

    def _records(self, topic: str, head: int) -> list[LogRecord]:
        return self._catalogue.chain.records(LogFilter(topics=(frozenset((topic,)),)), 0, head)

    def _order_filled(self, head: int) -> list[Row]:
        rows = {}
        for fill in map(read_fill, self._records(ORDER_FILLED_V1, head)):
            row = _assets(fill) | {
                "id": f"{fill.transaction_hash}_{fill.order_hash}",
                "transactionHash": fill.transaction_hash,
                "timestamp": str(fill.timestamp),
                "orderHash": fill.order_hash,
                "maker": fill.maker,
                "taker": fill.taker,
                "fee": str(fill.fee),
            }
            rows[row["id"]] = row  # a second fill of the order in this transaction takes the place of the first
        return list(rows.values())

    def _orders_matched(self, head: int) -> list[Row]:
        rows = {}
        for record in self._records(_ORDERS_MATCHED_V1, head):
            maker_asset, taker_asset, given, taken = _words(record)
            rows[record.transaction_hash] = {
                "id": record.transaction_hash,
                "timestamp": _timestamp(record),
                "makerAssetID": str(maker_asset),
                "takerAssetID": str(taker_asset),
                "makerAmountFilled": str(given),
                "takerAmountFilled": str(taken),
            }
        return list(rows.values())

    def _tokens(self, head: int) -> Iterable[tuple[str, str, int, str]]:
        for market in self._catalogue.markets():
            prepared = self._catalogue.preparation(market.condition_id)
            if prepared is not None and prepared.block <= head and prepared.slots == 2:
                first, second = market.token_ids
                yield first, market.condition_id, 0, second
                yield second, market.condition_id, 1, first

    def _market_data(self, head: int) -> list[Row]:
        return [
            {"id": token, "condition": condition, "outcomeIndex": str(at)}
            for token, condition, at, _ in self._tokens(head)
        ]

    def _token_conditions(self, head: int) -> list[Row]:
        return [
            {"id": token, "condition": {"id": condition}, "complement": other, "outcomeIndex": str(at)}
            for token, condition, at, other in self._tokens(head)
        ]

    def _conditions(self, head: int) -> list[Row]:
        rows = []
        for market in self._catalogue.markets():
            prepared = self._catalogue.preparation(market.condition_id)
            if prepared is None or prepared.block > head:
                continue
            resolution = self._catalogue.resolution(market.condition_id)
            numerators = resolution.numerators if resolution is not None and resolution.block <= head else ()
            rows.append(
                {
                    "id": market.condition_id,
                    "positionIds": market.token_ids,
                    "payoutNumerators": [str(numerator) for numerator in numerators],
                    "payoutDenominator": str(sum(numerators)),
                    "payouts": [str(one / sum(numerators)) for one in numerators] if numerators else None,
                }
            )
        return rows

    def _changes(self, topic: str, head: int) -> list[Row]:
        return [
            {
                "id": _log_id(record),
                "timestamp": _timestamp(record),
                "stakeholder": _address(record.topics[1]),
                "condition": record.topics[3],
                "amount": str(_words(record)[2]),
            }
            for record in self._records(topic, head)
            if _address(record.topics[1]) not in self._between
        ]

    def _redemptions(self, head: int) -> list[Row]:
        rows = []
        for record in self._records(_REDEMPTION, head):
            words = _words(record)
            sets_at = words[1] // 32
            if _address(record.topics[1]) in self._between:
                continue
            rows.append(
                {
                    "id": _log_id(record),
                    "timestamp": _timestamp(record),
                    "redeemer": _address(record.topics[1]),
                    "condition": f"0x{words[0]:064x}",
                    "indexSets": [str(one) for one in words[sets_at + 1 : sets_at + 1 + words[sets_at]]],
                    "payout": str(words[2]),
                }
            )
        return rows

    def _conversions(self, head: int) -> list[Row]:
        group_sizes: dict[str, int] = {}
        for market in self._catalogue.markets():
            if market.neg_risk_market_id is not None:
                group_sizes[market.neg_risk_market_id] = group_sizes.get(market.neg_risk_market_id, 0) + 1
        return [
            {
                "id": _log_id(record),
                "timestamp": _timestamp(record),
                "stakeholder": _address(record.topics[1]),
                "negRiskMarketId": record.topics[2],
                "amount": str(_words(record)[0]),
                "indexSet": str(int(record.topics[3], 16)),
                "questionCount": group_sizes.get(record.topics[2], 0),
            }
            for record in self._records(_CONVERSION, head)
        ]


def _assets(fill: Fill) -> Row:
    """The two sides of a fill as the event has them; collateral is asset 0."""
    collateral, shares = ("0", fill.collateral), (fill.token_id, fill.shares)
    (maker_asset, given), (taker_asset, taken) = (collateral, shares) if fill.is_buy else (shares, collateral)
    return {
        "makerAssetId": maker_asset,
        "takerAssetId": taker_asset,
        "makerAmountFilled": str(given),
        "takerAmountFilled": str(taken),
    }


def _words(record: LogRecord) -> list[int]:
    return [int(record.data[at : at + 64], 16) for at in range(2, len(record.data), 64)]


def _timestamp(record: LogRecord) -> str:
    return str(int(record.block_timestamp or "0x0", 16))


def _log_id(record: LogRecord) -> str:
    return f"{record.transaction_hash}_{record.log_index}"


def _address(topic: str) -> str:
    return "0x" + topic[26:]
