"""A report as one HTML page that needs nothing else: no script, no file, no network.

Everything that is shown comes from a polyledger.report/1 document; titles and ids in it were written by others, so they
are escaped wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from polyledger.domain.display import NONE, amount, cents, compact, count, percent, ratio, shorten
from polyledger.ledger.check_titles import title
from polyledger.report import charts

Document = Mapping[str, Any]

LEVELS: Final = ("condition", "market", "category", "resolution")
CATEGORIES: Final = 15
_ID: Final = re.compile("0x[0-9a-f]{64}|[0-9]{30,}")
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def page(document: Document) -> str:
    """The page of a polyledger.report/1 document."""
    shown = _printable(document)
    return _environment().get_template("page.html.jinja").render(d=shown, levels=LEVELS, charts=_charts(shown))


def _charts(document: Document) -> dict[str, str]:
    """The drawings, without those that would be empty."""
    came, wallets = document["as_it_came"]["month"], document["wallets"]
    found: dict[str, str] = {}
    if document["by_month"]:
        for measure in ("trades", "volume"):
            found[f"month_{measure}"] = charts.coverage_by_month(document["by_month"], came, measure)
    if len(document["history"]) > 1:
        found["history"] = charts.coverage_history(document["history"], "trades")
    if wallets["categories"]:
        found["categories"] = charts.profit_by_category(wallets["categories"][:CATEGORIES])
    if wallets["total"]:
        spread = wallets["distribution"]
        for measure in ("conditions", "volume"):
            found[f"wallets_{measure}"] = charts.coverage_of_wallets(spread[measure], spread["nothing"], measure)
    for end in ("top", "bottom"):
        if wallets[end]:
            found[end] = charts.bounds_of_wallets(wallets[end])
    if document["exposure"]["by_category"]:
        found["exposure"] = charts.exposure_by_category(document["exposure"]["by_category"][:CATEGORIES])
    return {name: Markup(drawing) for name, drawing in found.items()}  # noqa: S704 - made of shapes and escaped text


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "amount": amount, "compact": compact, "count": count, "percent": percent, "short": shorten,
        "signed": _signed, "words": title, "day": _day, "minute": _minute, "said": _said, "things": _things,
    }  # fmt: skip
    environment.globals |= {"ratio": ratio, "NONE": NONE}
    return environment


def _text(name: str) -> str:
    return resources.files("polyledger.report").joinpath(name).read_text(encoding="utf-8")


def _signed(text: str | None) -> Markup:
    """An amount with its sign, in the colour of gains or losses."""
    if text is None:
        return Markup.escape(NONE)
    value = cents(text)
    colour = "gain" if value > 0 else "loss" if value < 0 else "even"
    return Markup('<span class="{}">{}{:,}</span>').format(colour, "+" if value > 0 else "", value)


def _day(moment: str | None) -> str:
    return NONE if moment is None else moment[:10]


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _said(value: Any) -> str:
    """What a source said, in a line."""
    if value is None:
        return NONE
    if isinstance(value, Mapping):
        return " ".join(_said(part) for part in value.values() if part is not None)
    if isinstance(value, list):
        return "/".join(_said(part) for part in value)
    text = str(value)
    return shorten(text, 14 if _ID.fullmatch(text) else 60)


def _things(number: int, name: str, plural: str | None = None) -> str:
    """``1 wallet``, ``3,240 wallets``."""
    return f"{number:,} {name if number == 1 else plural or name + 's'}"


def _printable(value: Any) -> Any:
    """The same without characters that no page may hold."""
    if isinstance(value, str):
        return _UNPRINTABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_printable(key): _printable(part) for key, part in value.items()}
    return [_printable(part) for part in value] if isinstance(value, list) else value
