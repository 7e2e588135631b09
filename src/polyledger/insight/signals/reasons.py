"""Why a signal fired: what every criterion of its rule asked, and what it found."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from polyledger.domain.amounts import MICRO, amount_text
from polyledger.insight.signals.day_ranks import PROFIT, Ranking
from polyledger.insight.signals.rules import Rule

Document = dict[str, Any]
_MARKET = ("category", "tags", "event", "market")


def reason(rule: Rule, ranking: Ranking, row: Mapping[str, Any]) -> str:
    """The JSON text kept with a signal.

    ``as_of`` is the day of the fill; what is said of the wallet rests on what had settled before that day began.
    ``missing`` names what nobody has said of the market yet.
    """
    market = {
        "condition": row["condition_id"],
        "token": row["token_id"],
        "outcome": row["outcome"],
        "market": row["market_id"],
        "question": row["question"],
        "category": row["category"],
        "tags": row["tags"],
        "event": row["event_id"],
    }
    document = {
        "as_of": _day(row["day"]),
        "wallet": {
            "wallet": row["wallet"],
            "coverage": row["resolved"] / row["traded"] if row["traded"] else None,
            "traded_conditions": row["traded"] or 0,
            "resolved_conditions": row["resolved"] or 0,
            "rank": _rank(ranking, row),
        },
        "market": market,
        "missing": [name for name in _MARKET if market[name] is None],
        "criteria": list(_criteria(rule, row)),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _day(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()


def _rank(ranking: Ranking, row: Mapping[str, Any]) -> Document | None:
    if row["place"] is None:
        return None
    figure = amount_text(round(row["figure"])) if ranking.measure == PROFIT else row["figure"]
    over = "total" if ranking.over == "total" else row["category"]
    return {
        "place": row["place"], "of": row["wallets"], "by": ranking.measure, "over": over, "figure": figure,
    }  # fmt: skip


def _criteria(rule: Rule, row: Mapping[str, Any]) -> Iterator[Document]:
    def said(criterion: str, asked: Any, found: Any) -> Document:
        return {"criterion": criterion, "asked": asked, "found": found}

    if rule.wallets is not None:
        yield said("wallets", f"one of {len(rule.wallets)}", row["wallet"])
    if rule.skill is not None:
        asked = {k: v for k, v in rule.skill.model_dump().items() if v is not None}
        figures = {k: row[k] if _is_number(row[k]) else None for k in ("value", "low", "high", "shrunk", "markets")}
        yield said("skill", asked, figures)
    if rule.min_coverage is not None:
        yield said("min_coverage", rule.min_coverage, row["resolved"] / row["traded"])
    if rule.side is not None:
        yield said("side", rule.side, "SELL" if row["side"] else "BUY")
    for name in ("min_size", "max_size"):
        if getattr(rule, name) is not None:
            yield said(name, amount_text(getattr(rule, name)), amount_text(row["size"]))
    if rule.price is not None:
        yield said("price", [amount_text(bound) for bound in rule.price], price_text(row["collateral"], row["shares"]))
    if rule.categories is not None:
        yield said("categories", list(rule.categories), row["category"])
    for name in ("tags", "exclude_tags"):
        if getattr(rule, name) is not None:
            yield said(name, list(getattr(rule, name)), row["tags"])
    if rule.max_age is not None:
        yield said("max_age", rule.max_age, _time(row["block_time"]))
    if rule.first_entry:
        yield said("first_entry", True, True)


def in_words(line: Mapping[str, Any]) -> str:
    """One criterion, as ``criteria`` has it, as a person would say it."""
    name, asked, found = line["criterion"], line["asked"], line["found"]
    match name:
        case "wallets":
            text = f"the wallet is {asked} in the rule"
        case "skill":
            bound = f"at least {asked['at_least']}" if "at_least" in asked else f"at most {asked['at_most']}"
            figure = found[asked["figure"]]
            measure = asked["measure"].replace("_", " ")
            shown = "unknown" if figure is None else f"{figure:.3f}"
            text = f"{measure} {shown} ({asked['figure']}, {found['markets'] or 0:,} markets), asked {bound}"
        case "min_coverage":
            text = f"coverage {100 * found:.0f} %, asked at least {100 * asked:.0f} %"
        case "side":
            text = str(found)
        case "min_size" | "max_size":
            bound = "at least" if name == "min_size" else "at most"
            text = f"size {_short(found)} USDC, asked {bound} {_short(asked)}"
        case "price":
            text = f"price {_short(found)}, asked {_short(asked[0])} to {_short(asked[1])}"
        case "categories":
            text = f"category {found or 'not known yet'}, asked {' or '.join(asked)}"
        case "tags":
            text = f"one of the tags {', '.join(asked)}"
        case "exclude_tags":
            text = f"none of the tags {', '.join(asked)}"
        case "max_age":
            text = f"not older than {asked:,} s when seen"
        case "first_entry":
            text = "the wallet's first fill in this market"
        case _:
            text = f"{name}: {found}, asked {asked}"
    return text


def _short(text: str) -> str:
    whole, _, part = text.partition(".")
    return f"{whole}.{part.rstrip('0')}" if part.strip("0") else whole


def price_text(collateral: int, shares: int) -> str:
    """USDC for a share, six decimals, rounded down."""
    return amount_text(collateral * MICRO // shares)


def _time(seconds: int) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC).replace(tzinfo=None).isoformat()}Z"


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
