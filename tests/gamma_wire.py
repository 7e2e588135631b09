"""Gamma's markets as they come over the wire, for tests."""

from __future__ import annotations

from typing import Any

IDS = [f"0x{number:064x}" for number in range(1, 400)]


def row(condition: str, *, number: int = 0, closed: bool = False, **changes: Any) -> dict[str, Any]:
    """A market as it comes over the wire; `changes` replace fields, None removes one."""
    number = number or int(condition, 16) + 1000
    fields = {
        "id": str(number),
        "conditionId": condition,
        "questionID": "0x" + "ab" * 32,
        "slug": f"market-{number}",
        "question": f"Question {number}?",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["1", "0"]' if closed else '["0.25", "0.75"]',
        "clobTokenIds": f'["{number}1", "{number}2"]',
        "umaResolutionStatus": "resolved" if closed else "",
        "closed": closed,
        "closedTime": "2024-11-06 15:00:00+00" if closed else None,
        "enableOrderBook": True,
        "endDate": "2024-11-05T12:00:00Z",
        "startDate": "2024-01-04T22:58:00.123456789Z",
        "volume": "12.3456789",
        "negRisk": False,
        "negRiskMarketID": "",
        "events": [{"id": "9", "slug": "event-9", "title": "Event 9", "seriesSlug": "series", "closed": False}],
        "tags": [{"id": "1", "label": "Crypto", "slug": "crypto"}],
    } | changes
    return {name: value for name, value in fields.items() if value is not None}
