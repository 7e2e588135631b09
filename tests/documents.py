"""Documents in the shapes of the public contract, as literals, for tests of how they are drawn."""

from __future__ import annotations

from typing import Any


def wallet(number: int, realized: str, low: str, high: str, *, resolved: int = 9, traded: int = 12) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "realized_pnl": realized,
        "cash_flow": "-1523.250000",
        "settled_value": "2000.000000",
        "transferred_value": "0.000000",
        "low": low,
        "high": high,
        "volume": "104890.123456",
        "coverage": {"conditions": resolved / traded if traded else None, "volume": 0.91 if traded else None},
        "traded_conditions": traded,
        "resolved_conditions": resolved,
        "winning_conditions": 5,
        "win_rate": 0.5555 if traded else None,
        "yes_conditions": 7,
        "no_conditions": 5,
        "predominant_side": "MIXED",
    }
    return {
        "wallet": f"0x{number:040x}",
        **figures,
        "categories": [{"category": "Politics", **figures}, {"category": "Uncategorized", **figures, "volume": "1.0"}],
    }


WALLETS: dict[str, Any] = {
    "schema": "polyledger.wallets/1",
    "wallets": [
        wallet(1, "12345.678901", "11000.000000", "15000.500000"),
        wallet(2, "300.000000", "300.000000", "300.000000", resolved=12, traded=12),
        wallet(3, "0.000000", "-40.000000", "60.000000", resolved=0, traded=0),
        wallet(4, "-1999999.999999", "-2500000.000000", "-900000.000000"),
    ],
}

WALLET: dict[str, Any] = {
    "schema": "polyledger.wallet/1",
    **wallet(1, "12345.678901", "11000.000000", "15000.500000"),
    "positions": [
        {
            "condition": "0x" + "13" * 32,
            "market": "500000",
            "question": "Will [the committee] raise rates by more than 25 basis points before the end of the year?",
            "category": "Politics",
            "event": "e1",
            "outcomes": [
                {"token": "12345", "outcome": "Yes", "shares": "1500.000000", "bought": "2000.0", "sold": "500.0"},
                {"token": "12346", "outcome": "No", "shares": "0.000000", "bought": "0.0", "sold": "0.0"},
            ],
            "cash_flow": "-700.000000",
            "settled_value": "1500.000000",
            "realized_pnl": "800.000000",
            "low": "800.000000",
            "high": "800.000000",
            "payout": ["1.000000", "0.000000"],
            "state": "resolved",
            "verdict": "proven",
        },
        {
            "condition": "0x" + "14" * 32,
            "market": None,
            "question": None,
            "category": "Uncategorized",
            "event": None,
            "outcomes": [
                {"token": "12347", "outcome": None, "shares": "10.000000", "bought": "10.0", "sold": "0.0"},
            ],
            "cash_flow": "-5.000000",
            "settled_value": "0.000000",
            "realized_pnl": None,
            "low": "-5.000000",
            "high": "5.000000",
            "payout": None,
            "state": "open",
            "verdict": "claimed",
        },
        {"group": "0x" + "77" * 32, "cash_flow": "125.000000"},
    ],
}


def _shares(total: Any, attributed: Any, resolved: Any, nothing: Any) -> dict[str, Any]:
    return {
        "total": total,
        "condition": total,
        "market": attributed,
        "category": attributed,
        "resolution": resolved,
        "pending": nothing,
        "conflict": nothing,
        "unfillable": nothing,
        "duplicates": nothing,
    }


COVERAGE: dict[str, Any] = {
    "schema": "polyledger.coverage/1",
    "trades": _shares(2000, 1999, 1400, 0),
    "volume": _shares("150000.000000", "149999.000000", "100000.000000", "0.000000"),
    "conditions": {"total": 31, "market": 31, "category": 31, "resolved": 23},
    "positions": {"total": 410, "resolved": 300},
    "links": {"proven": 62, "claimed": 0, "refuted": 0},
    "scope": None,
    "by": [],
}

IMPORTED_COVERAGE: dict[str, Any] = {
    **COVERAGE,
    "trades": {**_shares(160_900_000, 90_000_000, 1, 17), "duplicates": 3_000_000},
    "unconfirmed": {"trades": 1_234_567, "volume": "12.5"},
    "reasons": [
        {"state": "conflict", "reason": f"reason {n} that goes on for longer than fits a line", "trades": 17 + n,
         "volume": "123456789.123456"}
        for n in range(9)
    ],
}  # fmt: skip

EMPTY_COVERAGE: dict[str, Any] = {
    **COVERAGE,
    "trades": _shares(0, 0, 0, 0),
    "volume": _shares("0.000000", "0.000000", "0.000000", "0.000000"),
}


def check(name: str, status: str = "ok", **more: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "reason": None, "checked": 1234, "failed": 0, "examples": [], **more}


VERIFY: dict[str, Any] = {
    "schema": "polyledger.verify/1",
    "ok": True,
    "checks": [
        check("transactions_balance"),
        check("wallet_shares_equal_transfers"),
        check("amm_pools", "not_applicable", reason="no pool in the scanned blocks"),
    ],
}

FAILED_VERIFY: dict[str, Any] = {
    "schema": "polyledger.verify/1",
    "ok": False,
    "checks": [
        check("transactions_balance"),
        check(
            "taker_leg_is_sum_of_makers",
            "failed",
            failed=2,
            reason="the legs of a match differ",
            examples=[{"transaction": "0x" + "ab" * 32, "difference": "0.000001"}, "[odd] example"],
        ),
    ],
}

EXPLAIN: dict[str, Any] = {
    "schema": "polyledger.explain/1",
    "subject": "0x" + "13" * 32,
    "value": {"market": "500000", "question": "Will [it] happen?", "outcomes": ["Yes", "No"], "payout": None},
    "verdict": "precedence",
    "claims": [
        {
            "source": "clob",
            "value": "500000",
            "won": True,
            "refuted": False,
            "evidence": "sha256:ab",
            "observed_at": "2026-11-21T10:00:00Z",
        },
        {"source": "subgraph", "value": "12", "won": False, "refuted": True, "evidence": None, "observed_at": None},
    ],
    "proof": {"collateral": "0x2791bca1f2de4661ed88a30c99a7a9449aa84174", "verdict": "proven"},
}

CONFLICTS: dict[str, Any] = {
    "schema": "polyledger.conflicts/1",
    "conflicts": [
        {
            "kind": "market",
            "subject": {"kind": "condition", "id": "0x" + "13" * 32},
            "field": "market_id",
            "claims": EXPLAIN["claims"],
            "verdict": "precedence",
            "trades": 1234,
            "volume": "98765.432100",
        },
        {
            "kind": "resolution",
            "subject": {"kind": "condition", "id": "0x" + "14" * 32},
            "field": "payout",
            "claims": [
                {**EXPLAIN["claims"][0], "value": {"state": "void", "payout": ["0.500000", "0.500000"]}},
                {**EXPLAIN["claims"][1], "value": {"state": "open", "payout": None}},
            ],
            "verdict": "conflict",
            "trades": 0,
            "volume": "0.000000",
        },
    ],
    "quarantines": [
        {
            "source": "file:[old]",
            "pattern": '15,733 conditions all have market id "12"',
            "keys": 15733,
            "evidence": "0x",
        }
    ],
}

SYNC: dict[str, Any] = {
    "schema": "polyledger.sync/1",
    "run_id": "r1",
    "state": "done",
    "from_block": 52_000_000,
    "to_block": 52_000_527,
    "requests": {"chain": 9, "gamma": 2, "clob": 1, "data_api": 0},
    "rows": {"fills": 2000, "share_transfers": 4321, "collateral_transfers": 5000, "blocks": 480, "roles": 2, "odd": 1},
    "coverage": COVERAGE,
    "seconds": 1.234,
}

STATUS: dict[str, Any] = {
    "schema": "polyledger.status/1",
    "run": {"id": "r1", "state": "running", "pid": 4711, "started": "2026-11-21T10:00:00Z"},
    "sources": [
        {
            "source": "chain",
            "done": 26_000_000,
            "total": 48_000_000,
            "found": 100,
            "open": 22_000_000,
            "not_found": 0,
            "failed": 0,
            "per_second": 1200,
            "eta_seconds": 18_333,
            "limited": None,
        }
    ],
    "coverage": COVERAGE,
    "projected": {},
    "resume": "polyledger -w . sync",
}

BUSY_STATUS: dict[str, Any] = {
    **STATUS,
    "sources": [
        {**STATUS["sources"][0], "source": "clob", "not_found": 1_234_567, "failed": 12, "limited": True},
        {**STATUS["sources"][0], "source": "data_api", "total": 0, "per_second": None, "eta_seconds": None},
    ],
    "projected": COVERAGE,
    "messages": [
        {"at": "2026-11-21T10:00:01.123Z", "source": "gamma", "message": "[502] gamma is down, " + "again " * 40},
        {"at": "2026-11-21T10:00:02.123Z", "source": "chain", "message": "180 logs", "running": True},
    ],
}
