"""The average-cost method in cases worked by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from polyledger.domain.errors import InvariantError
from polyledger.value.average_cost import OPERATIONS, average_cost
from polyledger.value.average_cost_events import operations
from polyledger.value.average_cost_kernel import Kind
from tests.average_cost_events import (
    ADAPTER_KEY,
    EXCHANGE_KEY,
    MARKET,
    NEG_RISK_EXCHANGE_KEY,
    PARTIES,
    computed,
    conversion,
    fill,
    literal,
    prepared,
    tables_of,
)
from tests.average_cost_oracle import SCALE, Event


# By hand
def test_selling_more_than_is_tracked_counts_only_what_is_tracked() -> None:
    # Buy 10 at 0.40, sell 25 at 0.70: profit on 10 shares only, 10 × 0.30.
    events = [fill(0, 10 * SCALE, 4 * SCALE), fill(1, 25 * SCALE, 17_500_000), fill(1, 5, 1)]
    assert computed(events) == {(1, 10): [0, 400_000, 3 * SCALE, 10 * SCALE]}


def test_an_average_truncates_toward_zero() -> None:
    # (1 × 0.333333 + 2 × 0.5) / 3 = 0.444444333… per share.
    events = [fill(0, 3, 1), fill(0, 2, 1)]
    price = (333_333 * 3 + 500_000 * 2) // 5
    assert computed(events) == {(1, 10): [5, price, 0, 5]}


def test_a_loss_truncates_toward_zero() -> None:
    # 1 micro-share bought at 1, sold at 0.5: -0.5 micro-USDC is 0, not -1.
    assert computed([fill(0, 1, 1), fill(1, 2, 1)]) == {(1, 10): [0, SCALE, 0, 1]}


def test_a_conversion_at_a_negative_price_truncates_toward_zero() -> None:
    # 3 questions, NO of the first two held at 0.30 and 0.1500005 (truncated): noPrice = (300000 + 150000) / 2 = 225000,
    # yesPrice = (225000 × 2 − 1000000 × 1) / 1 = −550000; with 4 questions it would be halved.
    events = [
        *prepared(4),
        fill(0, 10, 3, token=11),
        fill(0, 20, 3, token=21),
        conversion(0b0011, 5),
    ]  # yesPrice = (225000·2 − 1000000) / 2 = −275000
    state = computed(events)
    assert state[1, 11] == [5, 300_000, 0, 10]
    assert state[1, 21] == [15, 150_000, 0, 20]
    assert state[1, 30] == state[1, 40] == [5, -275_000, 0, 5]
    # One further share at 1.00: (−275000·5 + 1000000·1) / 6 = −62500; and one at 0.000001 truncates −53571.28… up.
    state = computed([*events, fill(0, 1, 1, token=30), fill(0, 10**6, 1, token=40)])
    assert state[1, 30] == [6, -62_500, 0, 6]
    assert state[1, 40] == [1_000_005, 0, 0, 1_000_005]  # (−1375000 + 1000000) / 1000005 = −0.37… → 0, not −1


def test_a_conversion_of_every_question_buys_nothing() -> None:
    events = [*prepared(2), fill(0, 10, 6, token=11), fill(0, 10, 6, token=21), conversion(0b11, 10)]
    assert computed(events) == {(1, 11): [0, 600_000, 0, 10], (1, 21): [0, 600_000, 0, 10]}


def test_a_conversion_sees_only_questions_prepared_before_it() -> None:
    late = {"event": "question", "neg_risk_market": MARKET, "index": 2, "condition": 3}
    events = [*prepared(2), fill(0, 10, 6, token=11), conversion(0b01, 10), late, conversion(0b01, 10)]
    state = computed(events)
    assert state[1, 20] == [20, (600_000 * 10 + 300_000 * 10) // 20, 0, 20]
    assert state[1, 30] == [10, 300_000, 0, 10]


def test_a_redemption_without_payout_denominator_does_nothing() -> None:
    redemption = {"event": "redemption", "redeemer": 1, "condition": 1, "by_adapter": False, "amounts": None}
    resolution = {"event": "resolution", "condition": 1, "numerators": [1, 3]}
    bought = fill(0, 8 * SCALE, 2 * SCALE)
    assert computed([bought, redemption, resolution]) == {(1, 10): [8 * SCALE, 250_000, 0, 8 * SCALE]}
    assert computed([bought, resolution | {"numerators": [0, 0]}, redemption])[1, 10][0] == 8 * SCALE
    # After it, the whole tracked amount at 1/4 and 3/4, whatever was really redeemed.
    assert computed([bought, fill(0, SCALE, 500_000, token=11), resolution, redemption]) == {
        (1, 10): [0, 250_000, 0, 8 * SCALE],
        (1, 11): [0, 500_000, 250_000, SCALE],
    }


def test_what_happens_inside_other_events_is_left_out() -> None:
    change = {"event": "position_change", "kind": 0, "condition": 1, "amount": 5, "by_adapter": False}
    events = [change | {"stakeholder": key} for key in (ADAPTER_KEY, EXCHANGE_KEY)]
    events.append(change | {"stakeholder": NEG_RISK_EXCHANGE_KEY, "by_adapter": True})
    mapped = operations(tables_of(events), PARTIES)
    assert mapped.operations.num_rows == 0
    assert mapped.skipped == {"split or merge inside another event": 3}


def test_fills_without_shares_and_unknown_conditions_are_counted() -> None:
    events: list[Event] = [
        fill(0, 0, 5),
        {"event": "position_change", "kind": 0, "condition": 99, "amount": 5, "by_adapter": False, "stakeholder": 1},
        conversion(0b100, 5),
    ]
    mapped = operations(tables_of(events), PARTIES)
    assert mapped.skipped == {
        "no shares": 1,
        "split or merge of an untracked condition": 1,
        "conversion of unprepared questions": 1,
    }


def test_sums_beyond_64_bits_are_exact() -> None:
    huge = 2**63 - 1
    events = [fill(0, huge, huge), fill(0, huge, 1), fill(0, 1, huge), fill(1, huge, huge), fill(0, 7, 5, token=20)]
    assert computed(events) == literal(events)
    assert max(map(abs, literal(events)[1, 10])) >= 2**63


def test_no_operations_give_no_positions() -> None:
    assert computed([]) == {}
    assert average_cost(OPERATIONS.empty_table()).num_rows == 0


def test_a_token_cannot_be_given_up_and_received_in_conversions() -> None:
    rows = [(1, 10, int(Kind.SELL_AT_AVERAGE), 5, 0, 1, 0), (1, 10, int(Kind.BUY_CONVERTED), 5, 1, 1, 0)]
    columns = [pa.array(column, kind.type) for column, kind in zip(zip(*rows, strict=True), OPERATIONS, strict=True)]
    with pytest.raises(InvariantError, match="token 10 of account 1"):
        average_cost(pa.Table.from_arrays(columns, schema=OPERATIONS))


def test_a_missing_table_is_refused() -> None:
    tables = tables_of([])
    del tables["resolutions"]
    with pytest.raises(InvariantError, match="resolutions"):
        operations(tables, PARTIES)
