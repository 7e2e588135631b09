"""The charts of a report, as SVG that takes its colours from the page.

Altair describes them and vl-convert draws them, both without a network. Every colour is one of `PALETTE`: page.css
gives each of them a value for light, dark and print, so that one drawing serves all three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from xml.etree import ElementTree as ET

import altair as alt
import vl_convert

from polyledger.domain.display import ratio, shorten

Document = Mapping[str, Any]

PALETTE: Final = {
    "ink": "#22303c",
    "muted": "#66727e",
    "grid": "#e2e7ec",
    "now": "#2f6fb0",
    "settled": "#12395f",
    "before": "#f0a830",
    "gain": "#2c8a5b",
    "loss": "#c4483a",
    "range": "#9fb8d3",
}
_STYLE: Final[dict[str, Any]] = {
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": PALETTE["muted"], "titleColor": PALETTE["muted"], "gridColor": PALETTE["grid"],
        "domain": False, "ticks": False, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelPadding": 6, "labelLimit": 200,
    },
    "axisXBand": {"grid": False},
    "axisYBand": {"grid": False},
}  # fmt: skip
_BIN_AXIS: Final = alt.Axis(labelAngle=0, labelOverlap=False, labelFontSize=11)
_KEPT: Final = frozenset({"svg", "g", "path", "line", "rect", "text", "tspan"})
_DROPPED: Final = ("aria-", "role", "class", "pointer-events", "xmlns", "version", "stroke-miterlimit")
_HALF: Final = 500
_WHOLE: Final = 1020
_ROW: Final = 22
_BAND: Final = 110
_MANY: Final = 24
"""From so many months on, bars stand close and read as areas."""
_LABEL: Final = 26


def coverage_by_month(months: Sequence[Document], came: Mapping[str, Document], measure: str) -> str:
    """Per month the share of trades (or volume) with a market now, with a settlement, and as the rows came."""
    rows = []
    for month in months:
        part = month[measure]
        brought = came.get(month["key"], {}).get(measure, {}).get("market")
        rows.append(
            {
                "month": month["key"],
                "now": _share(part["market"], part["total"]),
                "settled": _share(part["resolution"], part["total"]),
                "came": _share(brought or 0, part["total"]),
            }
        )
    scale = alt.Scale(padding=0) if len(rows) > _MANY else alt.Undefined
    x = alt.X(
        "month:O", title=None, scale=scale, axis=alt.Axis(labelAngle=0 if len(rows) < 7 else -60, labelOverlap=True)
    )
    base = alt.Chart(alt.InlineData(values=rows))
    percent = alt.Y("now:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5))
    outer, inner, tick = (1.02, 1.02, 1.02) if len(rows) > _MANY else (0.72, 0.4, 0.9)
    layers = [
        base.mark_bar(color=PALETTE["now"], width=alt.RelativeBandSize(outer)).encode(x=x, y=percent),
        base.mark_bar(color=PALETTE["settled"], width=alt.RelativeBandSize(inner)).encode(x=x, y="settled:Q"),
        base.mark_tick(color=PALETTE["before"], thickness=3, width=alt.RelativeBandSize(tick)).encode(x=x, y="came:Q"),
    ]
    width = min(_HALF - 60, _BAND * len(rows))
    return _drawn(alt.layer(*layers).properties(width=width, height=200))


def coverage_history(entries: Sequence[Document], measure: str) -> str:
    """How the share with a market, and with a settlement, rose from run to run."""
    rows = [
        {"run": place + 1, "share": _share(entry[measure][level], entry[measure]["total"]), "of": level}
        for place, entry in enumerate(entries)
        for level in ("market", "resolution")
    ]
    shown = alt.Scale(domain=["market", "resolution"], range=[PALETTE["now"], PALETTE["settled"]])
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(interpolate="step-after", point=True, strokeWidth=2)
        .encode(
            x=alt.X("run:Q", title="run", axis=alt.Axis(tickMinStep=1, format="d", grid=False)),
            y=alt.Y("share:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5)),
            color=alt.Color("of:N", scale=shown, legend=None),
        )
    )
    return _drawn(chart.properties(width=_WHOLE - 80, height=150))


def profit_by_category(categories: Sequence[Document]) -> str:
    """Gains and losses of wallets to either side of zero, and their sum."""
    rows = [{"category": _label(row["category"]), **{n: float(row[n]) for n in ("gains", "losses", "realized_pnl")}}
            for row in categories]  # fmt: skip
    y = alt.Y("category:N", sort=None, title=None)
    x = alt.X("gains:Q", title="USDC", axis=alt.Axis(format="~s", tickCount=7))
    base = alt.Chart(alt.InlineData(values=rows))
    layers = [
        base.mark_bar(color=PALETTE["gain"], height=alt.RelativeBandSize(0.62)).encode(y=y, x=x),
        base.mark_bar(color=PALETTE["loss"], height=alt.RelativeBandSize(0.62)).encode(y=y, x="losses:Q"),
        base.mark_tick(color=PALETTE["ink"], thickness=2, height=alt.RelativeBandSize(0.9)).encode(
            y=y, x="realized_pnl:Q"
        ),
    ]
    return _drawn(alt.layer(*layers).properties(width=_WHOLE - 180, height=alt.Step(_ROW + 4)))


def coverage_of_wallets(bins: Sequence[Document], nothing: int, of: str) -> str:
    """How many wallets have how much of what they traded settled: eleven bins, the last for all of it."""
    names = [f"{place * 10}–{place * 10 + 10}" for place in range(len(bins) - 1)] + ["all"]
    rows = [{"settled": name, "wallets": entry["wallets"]} for name, entry in zip(names, bins, strict=True)]
    if nothing:
        rows.append({"settled": "none", "wallets": nothing})
    most = max(row["wallets"] for row in rows)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("settled:O", sort=None, title=f"% of {of} settled", axis=_BIN_AXIS),
        y=alt.Y("wallets:Q", title="wallets", axis=alt.Axis(format="~s", tickCount=min(5, most))),
    )
    bars = base.mark_bar(color=PALETTE["now"], width=alt.RelativeBandSize(0.8))
    numbers = base.transform_filter("datum.wallets > 0").mark_text(dy=-7, color=PALETTE["ink"], fontSize=11)
    return _drawn(
        (bars + numbers.encode(text=alt.Text("wallets:Q", format=","))).properties(width=_HALF - 70, height=150)
    )


def bounds_of_wallets(wallets: Sequence[Document]) -> str:
    """Realized P&L of each wallet and the range in which its total must end."""
    rows = [
        {"wallet": shorten(row["wallet"], 13), "realized": float(row["realized_pnl"]), "low": float(row["low"]),
         "high": float(row["high"])}
        for row in wallets
    ]  # fmt: skip
    y = alt.Y("wallet:N", sort=None, title=None, axis=alt.Axis(labelFont="monospace", labelFontSize=11))
    x = alt.X("low:Q", title="USDC", axis=alt.Axis(format="~s", tickCount=5))
    base = alt.Chart(alt.InlineData(values=rows))
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=PALETTE["muted"]).encode(x="zero:Q")
    shown = alt.condition("datum.realized >= 0", alt.value(PALETTE["gain"]), alt.value(PALETTE["loss"]))
    layers = [
        zero,
        base.mark_bar(color=PALETTE["range"], height=7, cornerRadius=3).encode(y=y, x=x, x2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(y=y, x="realized:Q", color=shown),
    ]
    return _drawn(alt.layer(*layers).properties(width=_HALF - 130, height=alt.Step(_ROW)))


def exposure_by_category(rows: Sequence[Document]) -> str:
    """What open outcomes still decide about."""
    values = [{"category": _label(row["category"]), "stake": float(row["at_stake"])} for row in rows]
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(color=PALETTE["now"], height=alt.RelativeBandSize(0.62))
        .encode(
            y=alt.Y("category:N", sort=None, title=None),
            x=alt.X("stake:Q", title="USDC at stake", axis=alt.Axis(format="~s", tickCount=6)),
        )
    )
    return _drawn(chart.properties(width=_WHOLE - 180, height=alt.Step(_ROW + 2)))


def _share(part: str | int, whole: str | int) -> float:
    return float(ratio(part, whole) or Decimal(0))


def _label(text: str) -> str:
    return shorten(text, _LABEL)


def _drawn(chart: alt.TopLevelMixin) -> str:
    """The chart as an SVG element for a page: no name spaces, nothing but shapes and text, scaled by its view box."""
    specification = chart.to_dict() | {"config": _STYLE}
    root = ET.fromstring(vl_convert.vegalite_to_svg(specification))  # noqa: S314 - drawn by ourselves
    _reduce(root)
    root.set("viewBox", f"0 0 {root.get('width')} {root.get('height')}")
    root.set("style", f"max-width:{root.get('width')}px")
    for name in ("width", "height"):
        del root.attrib[name]
    return ET.tostring(root, encoding="unicode")


def _reduce(element: ET.Element) -> None:
    """Keep shapes and texts, and of their attributes what is drawn; whatever else a library may add stays out."""
    element.tag = element.tag.rpartition("}")[2]
    for name in [name for name in element.attrib if "}" in name or name.startswith(_DROPPED)]:
        del element.attrib[name]
    for child in list(element):
        _reduce(child)
        empty = child.tag == "path" and (not child.get("d") or not (child.get("fill") or child.get("stroke")))
        if child.tag not in _KEPT or empty or child.get("display") == "none" or (child.tag == "g" and not len(child)):
            element.remove(child)
