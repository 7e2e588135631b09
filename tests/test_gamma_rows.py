"""Gamma's rows: each field strict in shape and named when it is wrong, and when a market counts as resolved."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from polyledger.domain.errors import SchemaMismatchError
from polyledger.domain.records import MarketState
from polyledger.sources.gamma_rows import event_record, market_record
from tests.gamma_wire import IDS, row
from tests.paths import real_file


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"outcomes": '["Yes", 1]'}, "outcomes"),
        ({"outcomes": '{"0": "Yes"}'}, "outcomes"),
        ({"outcomes": '["Yes", "No", "Maybe"]'}, "outcomes"),
        ({"clobTokenIds": '["0x12", "13"]'}, "clobTokenIds"),
        ({"clobTokenIds": "[]"}, "clobTokenIds"),
        ({"closed": "false"}, "closed"),
        ({"closed": 0}, "closed"),
        ({"id": "12a"}, "id"),
        ({"id": True}, "id"),
        ({"endDate": "soon"}, "endDate"),
        ({"endDate": "2024-11-05T12:00:00"}, "endDate"),
        ({"negRiskMarketID": "0x12"}, "negRiskMarketID"),
        ({"volume": "many"}, "volume"),
        ({"volume": "NaN"}, "volume"),
        ({"volume": "1e300"}, "volume"),
        ({"tags": [{"label": "Crypto"}]}, "slug"),
        ({"tags": ["crypto"]}, "tags"),
        ({"closed": True, "outcomePrices": '["1"]'}, "outcomePrices"),
    ],
)
def test_a_value_of_another_shape_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(SchemaMismatchError, match=f"field '{field}'"):
        market_record(row(IDS[0]) | changes)


def test_variants_that_are_known_to_occur_are_read() -> None:
    numbers = market_record(row(IDS[0]) | {"id": 1001, "volume": 12.5, "outcomePrices": "[0.25, 0.75]"})
    assert (numbers.market_id, numbers.volume) == ("1001", 12_500_000)
    old = market_record(
        row(IDS[0], clobTokenIds=None, enableOrderBook=None, tags=None, events=None, endDate="0001-01-01T00:00:00Z")
    )
    assert old.token_ids is None
    assert old.tags is None
    assert old.event_id is None
    assert old.end_date is None
    dated = market_record(row(IDS[0]) | {"endDate": "2024-11-05"})
    assert dated.end_date == 1_730_764_800
    structural = "0x01" + "22" * 30
    second = market_record(
        row(IDS[0], version="v2", conditionId=structural, positionIds=["5", "6"], clobTokenIds=None, number=3)
    )
    assert second.condition_id == structural + "00"
    assert second.token_ids == ("5", "6")
    assert second.protocol_version == "v2"
    assert market_record(row(IDS[0]) | {"conditionId": ""}).condition_id is None


@pytest.mark.parametrize(
    ("closed", "status", "prices", "expected"),
    [
        (False, "", '["0.9", "0.1"]', (MarketState.OPEN, None, False)),
        (False, "proposed", '["1", "0"]', (MarketState.OPEN, None, False)),
        (True, "resolved", '["0", "1"]', (MarketState.RESOLVED, (0, 1_000_000), True)),
        (True, "resolved", '["0.5", "0.5"]', (MarketState.VOID, (500_000, 500_000), True)),
        (True, "settled", '["0.3", "0.7"]', (MarketState.RESOLVED, (300_000, 700_000), True)),
        (True, "resolved", '["0.0000004", "0.9999996"]', (MarketState.RESOLVED, (0, 1_000_000), True)),
        (True, "resolved", '["0.9985", "0.0015"]', (MarketState.CLOSED_UNRESOLVED, None, False)),
        (True, "", '["1", "0"]', (MarketState.RESOLVED, (1_000_000, 0), False)),
        (True, "", '["0.5", "0.5"]', (MarketState.CLOSED_UNRESOLVED, None, False)),
        (True, "disputed", '["1", "0"]', (MarketState.CLOSED_UNRESOLVED, None, False)),
        (True, "", '["0", "0"]', (MarketState.CLOSED_UNRESOLVED, None, False)),
        (True, "resolved", "", (MarketState.CLOSED_UNRESOLVED, None, False)),
    ],
)
def test_when_a_market_counts_as_resolved(
    closed: bool, status: str, prices: str, expected: tuple[MarketState, tuple[int, ...] | None, bool]
) -> None:
    settlement = market_record(
        row(IDS[0]) | {"closed": closed, "umaResolutionStatus": status, "outcomePrices": prices}
    ).settlement
    assert (settlement.state, settlement.payouts, settlement.stated) == expected


def test_real_markets_parse_completely() -> None:
    with gzip.open(real_file("gamma_markets.jsonl.gz"), "rt") as lines:
        rows = [json.loads(line) for line in lines]
    records = [market_record(one) for one in rows]
    assert len(records) == 100
    for fields, record in zip(rows, records, strict=True):
        assert record.condition_id == fields["conditionId"]
        assert list(record.token_ids or ()) == json.loads(fields["clobTokenIds"])
        assert record.event_id == fields["events"][0]["id"]
        assert record.neg_risk_market_id == (fields.get("negRiskMarketID") or None)
        assert abs((record.volume or 0) - fields["volumeNum"] * 1e6) < 2
        assert record.settlement.state is MarketState.OPEN
        assert record.event == event_record(fields["events"][0])
