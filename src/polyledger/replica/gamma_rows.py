"""The objects that the Gamma API shows: markets and events, with the types they have on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from polyledger.replica.catalogue import Catalogue, Event
from polyledger.replica.faults import Faults
from polyledger.replica.fills import Fills
from polyledger.replica.world import MarketRecord

Row = dict[str, Any]


class GammaRows:
    """Makes rows of markets and events as of the visible chain, and says what they are ordered by."""

    def __init__(self, catalogue: Catalogue, fills: Fills, faults: Callable[[], Faults]) -> None:
        self._catalogue = catalogue
        self._fills = fills
        self._faults = faults

    def is_closed(self, market: MarketRecord) -> bool:
        """Whether the market is resolved on the visible chain."""
        return self._catalogue.resolution(market.condition_id) is not None

    def market_key(self, market: MarketRecord, name: str) -> Any:
        """What a market is ordered by under that name; text where the service compares text.

        Raises:
            ValueError: the service does not order by it.
        """
        preparation, resolution = (
            self._catalogue.preparation(market.condition_id),
            self._catalogue.resolution(market.condition_id),
        )
        volume = self._volume(market) if name.startswith("volume") else 0.0
        keys: Row = {
            "id": int(market.market_id),
            "slug": market.slug,
            "question": market.question,
            "volume": f"{volume:.6f}",
            "volumeNum": volume,
            "startDate": 0 if preparation is None else preparation.timestamp,
            "createdAt": 0 if preparation is None else preparation.timestamp,
            "closedTime": 0 if resolution is None else resolution.timestamp,
        }
        if name not in keys:
            raise ValueError("order fields are not valid")
        return keys[name]

    def event_key(self, event: Event, name: str) -> Any:
        """What an event is ordered by under that name.

        Raises:
            ValueError: the service does not order by it.
        """
        keys: Row = {"id": int(event.event_id), "slug": event.slug, "title": event.title}
        if name not in keys:
            raise ValueError("order fields are not valid")
        return keys[name]

    def _volume(self, market: MarketRecord) -> float:
        return self._fills.taker_volume(market.token_ids) / 1e6

    def market_row(self, market: MarketRecord, *, include_tags: bool, embed_event: bool = True) -> Row:
        """A market as the lists show it, with the event it belongs to unless told otherwise."""
        resolution = self._catalogue.resolution(market.condition_id)
        preparation = self._catalogue.preparation(market.condition_id)
        slots = len(market.outcomes)
        prices = [1 / slots] * slots if resolution is None else resolution.prices
        row: Row = {
            "id": market.market_id,
            "question": market.question,
            "conditionId": market.condition_id,
            "questionID": market.question_id,
            "slug": market.slug,
            "description": f"Resolves as the recorded world says. {market.question}",
            "resolutionSource": "",
            "outcomes": json.dumps(market.outcomes),
            "outcomePrices": json.dumps([f"{price:g}" for price in prices]),
            "clobTokenIds": json.dumps(market.token_ids),
            "category": None,  # empty on newer markets; the event and its tags carry it
            "active": True,
            "closed": resolution is not None,
            "archived": False,
            "restricted": True,
            "acceptingOrders": resolution is None,
            "enableOrderBook": True,
            "negRisk": market.neg_risk,
            "negRiskMarketID": market.neg_risk_market_id or "",
            "negRiskRequestID": "",
            "umaResolutionStatus": "" if resolution is None else "resolved",
            "umaResolutionStatuses": json.dumps([] if resolution is None else ["proposed", "resolved"]),
            "resolvedBy": market.oracle,
            "orderMinSize": 5,
            "orderPriceMinTickSize": 0.001,
            "marketMakerAddress": "",
        }
        if self._fills.are_at_hand:
            row["volumeNum"] = row["volumeClob"] = volume = self._volume(market)
            row["volume"] = f"{volume:.6f}"
        if preparation is not None:
            row["createdAt"] = row["startDate"] = _rfc3339(preparation.timestamp)
            row["startDateIso"] = row["startDate"][:10]
        if resolution is not None:
            row["closedTime"] = datetime.fromtimestamp(resolution.timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S+00")
            row["updatedAt"] = _rfc3339(resolution.timestamp)
        event = self._catalogue.event_of(market)
        if embed_event:
            row["events"] = [self._event_head(event)]
        if include_tags:
            row["tags"] = event.tags
        return row

    def _event_head(self, event: Event) -> Row:
        parent = {} if event.parent_event_id is None else {"parentEventId": int(event.parent_event_id)}
        return parent | {
            "id": event.event_id,
            "ticker": event.slug,
            "slug": event.slug,
            "title": event.title,
            "description": "",
            "category": event.category,
            "active": True,
            "closed": all(self.is_closed(market) for market in event.markets),
            "archived": False,
            "restricted": True,
            "negRisk": event.neg_risk,
            "negRiskMarketID": event.markets[0].neg_risk_market_id or "",
            "enableNegRisk": event.neg_risk,
        }

    def event_row(self, event: Event) -> Row:
        """An event as the lists show it, with its markets and tags."""
        markets = [
            self.market_row(market, include_tags=False, embed_event=False)
            for market in event.markets
            if market.condition_id not in self._faults().markets.missing_gamma
        ]
        return self._event_head(event) | {"markets": markets, "series": [], "tags": event.tags}


def _rfc3339(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
