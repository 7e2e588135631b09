"""How documents are drawn: every figure of the document appears, no line is wider than the terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from polyledger.cli import claim_views, demo, figures, status_view, views, wallet_views
from polyledger.cli.session import Session
from tests import documents

DEMO = {
    "sync": documents.SYNC,
    "coverage": documents.COVERAGE,
    "verify": documents.VERIFY,
    "wallets": [documents.wallet(n, f"{1000 - n * 150}.5", f"{-300 * n}", "1000") for n in range(20)],
}


def _demo(document: Any, width: int) -> Any:
    return demo.result(Session(Path("/tmp/polyledger-demo-x")), document, width)  # noqa: S108  (a name, not a file)


ASIDE = {"quarantines": documents.CONFLICTS["quarantines"]}
VIEWS: list[tuple[Callable[[Any, int], Any], Any]] = [
    (wallet_views.wallets, documents.WALLETS),
    (wallet_views.wallet, documents.WALLET),
    (views.coverage, documents.COVERAGE),
    (views.coverage, documents.EMPTY_COVERAGE),
    (views.coverage, documents.IMPORTED_COVERAGE),
    (views.coverage, {**documents.COVERAGE, "by": [{"key": "[2026-11]", **documents.COVERAGE}]}),
    (views.verify, documents.VERIFY),
    (views.verify, documents.FAILED_VERIFY),
    (views.explain, documents.EXPLAIN),
    (views.explain, {**documents.EXPLAIN, "resolution_claims": documents.EXPLAIN["claims"], **ASIDE}),
    (claim_views.conflicts, documents.CONFLICTS),
    (claim_views.conflicts, {**documents.CONFLICTS, "conflicts": [], "quarantines": []}),
    (views.sync, documents.SYNC),
    (status_view.status, documents.STATUS),
    (status_view.status, documents.BUSY_STATUS),
    (_demo, DEMO),
]


def drawn(view: Callable[[Any, int], Any], document: Any, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    for part in view(document, width):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_no_line_is_wider_than_the_terminal(number: int, width: int) -> None:
    view, document = VIEWS[number]
    lines = drawn(view, document, width).splitlines()
    assert lines
    assert max(len(line) for line in lines) <= width


@pytest.mark.parametrize("width", [80, 160])
def test_a_ranking_shows_whole_addresses_and_whole_figures(width: int) -> None:
    text = drawn(wallet_views.wallets, documents.WALLETS, width)
    for row in documents.WALLETS["wallets"]:
        assert row["wallet"] in text
    assert "+12,345.68" in text
    assert "-2,000,000.00" in text
    assert "…-" in text or "-900k" in text
    assert "-900k" in text


def test_unknown_is_a_dash_and_never_a_zero() -> None:
    line = next(
        line
        for line in drawn(wallet_views.wallets, documents.WALLETS).splitlines()
        if line.startswith("0x" + "0" * 39 + "3")
    )
    assert "–" in line
    assert " 0 %" not in line


def test_markup_in_names_from_outside_is_text() -> None:
    assert "[the" in drawn(wallet_views.wallet, documents.WALLET, 160)
    assert "[it]" in drawn(views.explain, documents.EXPLAIN)
    assert "file:[old]" in drawn(claim_views.conflicts, documents.CONFLICTS)
    assert "[odd] example" in drawn(views.verify, documents.FAILED_VERIFY)


def test_failed_checks_are_named_with_their_examples() -> None:
    text = drawn(views.verify, documents.FAILED_VERIFY)
    assert "✗  taker leg is sum of makers" in text
    assert "the legs of a match differ" in text
    assert "0xabab" in text
    assert "do not balance" in text


def test_checks_have_words_for_people() -> None:
    assert "every transaction sums to zero" in drawn(views.verify, documents.VERIFY)


def test_only_complete_coverage_reads_as_complete() -> None:
    text = drawn(views.coverage, documents.COVERAGE)
    market = next(line for line in text.splitlines() if line.startswith("market"))
    assert "99.9 %" in market
    assert "░" in market
    assert figures.percent(Decimal("0.99999")) == "99.9 %"
    assert figures.bar(Decimal("0.0001"), 4).startswith("▏")
    assert figures.bar(None, 4) == "····"


@pytest.mark.parametrize(
    ("text", "whole", "short"),
    [
        ("1234567.895", "1,234,567.90", "1.2M"),
        ("-0.004", "0.00", "0"),
        ("999950", "999,950.00", "1.0M"),
        ("-999.6", "-999.60", "-1.0k"),
        ("123456", "123,456.00", "123k"),
        ("0.000001", "0.00", "0"),
    ],
)
def test_amounts_are_rounded_for_show(text: str, whole: str, short: str) -> None:
    assert figures.amount(text) == whole
    assert figures.compact(text) == short


@pytest.mark.parametrize(
    ("low", "high", "picture"),
    [
        ("-10", "10", "├────┼────┤"),
        ("0", "10", "     ├────┤"),
        ("10", "10", "     ┊    ●"),
        ("-10", "-2", "├───┤┊     "),
        ("9.9", "10", "     ┊    ┿"),
    ],
)
def test_ranges_share_a_scale_with_zero_marked(low: str, high: str, picture: str) -> None:
    drawn_range = figures.range_bar(low, high, (Decimal(-10), Decimal(10)), 11)
    assert len(drawn_range) == 11
    assert drawn_range == picture


def test_a_query_shows_nulls_and_bytes() -> None:
    table = pa.table({"id": pa.array([b"\x01\xff", None], pa.binary()), "[n]": [1, 2]})
    text = drawn(lambda _, width: wallet_views.arrow_table(table, width), {})
    assert "0x01ff" in text
    assert "–" in text
    assert "[n]" in text


def test_coverage_below_what_was_asked_is_said() -> None:
    assert views.below(documents.COVERAGE, "market", Decimal("0.9")) is None
    assert "99.9 %" in str(views.below(documents.COVERAGE, "market", Decimal(1)))
    # 70 % of the trades but 66.6 % of the volume
    assert "volume" in str(views.below(documents.COVERAGE, "resolution", Decimal("0.68")))
    assert views.below(documents.EMPTY_COVERAGE, "market", Decimal(0)) is not None


def test_nothing_yet_says_what_to_do() -> None:
    assert "sync" in drawn(views.coverage, documents.EMPTY_COVERAGE)
    assert "sync" in drawn(wallet_views.wallets, {"wallets": []})


def test_coverage_says_why_trades_have_no_condition_and_what_stays_out_of_profit() -> None:
    text = drawn(views.coverage, documents.IMPORTED_COVERAGE)
    assert "17 pending, 17 conflict, 17 unfillable" in text
    assert "3 other reasons" in text
    assert "3,000,000 imported rows say again" in text
    assert "1,234,567 imported rows are no fill" in text
