"""Figures of wallets that somebody already has, beside the ledger's: what differs, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from polyledger.domain.amounts import amount_text
from polyledger.store.database import Database
from polyledger.store.sql import script
from polyledger.value.against.causes import SENTENCES, Cause, forms, pairs_of, single_causes
from polyledger.value.against.positions import Integers, Positions, Rules, load_positions
from polyledger.value.against.reading import TheirFile
from polyledger.value.against.search import Found, single_conditions, single_fills

_WALLETS_AT_ONCE: Final = 10_000
_COVERAGE_TOLERANCE: Final = 0.005
"""Coverage is usually written in whole per cent."""
_CENT: Final = 10_000
_NUMBER: Final = (
    "TRY_CAST(coalesce(TRY_CAST(t.{0} AS DECIMAL(38, 6)), TRY_CAST(TRY_CAST(t.{0} AS DOUBLE) AS DECIMAL(38, 6)))"
    " * 1000000 AS BIGINT)"
)
FIGURES: Final = ("realized_pnl", "volume", "coverage_conditions")
Row = dict[str, Any]


@dataclass
class Difference:
    """One figure of one row that differs. Amounts in millionths; shares of 1 for coverage."""

    row: int
    wallet: str
    account: int
    category: str | None
    figure: str
    theirs: float
    ours: float
    causes: list[tuple[str, str | None]] = field(default_factory=list)
    also: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As it stands in polyledger.verify-against/1."""
        text = _share if self.figure == "coverage_conditions" else _amount
        return {
            "row": self.row, "wallet": self.wallet, "category": self.category, "figure": self.figure,
            "theirs": text(self.theirs), "ours": text(self.ours), "difference": text(self.theirs - self.ours),
            "cause": " + ".join(dict.fromkeys(name for name, _ in self.causes)) or "unexplained",
            "why": "; ".join(_sentence(*cause) for cause in self.causes) or None,
            "also": self.also,
        }  # fmt: skip


def compare_profit(database: Database, file: TheirFile, tolerance: int) -> dict[str, Any]:
    """The part of polyledger.verify-against/1 that is about figures of wallets.

    Args:
        database: the ledger.
        file: what they have, with a column wallet.
        tolerance: in millionths of a USDC; a difference up to it is agreement.
    """
    rows = _joined(database, file)
    differences = list(_differences(rows, tolerance))
    explain_differences(database, differences, tolerance)
    known = [row for row in rows if row["account"] is not None]
    unreadable = [row["row"] for row in known if _unreadable(row)]
    differing = {difference.row for difference in differences}
    listed = {row["account"] for row in known}
    return {
        "rows": len(rows),
        "agree": len(known) - len(differing | set(unreadable)),
        "differ": len(differing),
        "not_in_ledger": len(rows) - len(known),
        "unreadable": len(unreadable),
        "unreadable_rows": unreadable[:10],
        "repeated": sum(n - 1 for n in Counter((row["account"], row["category"]) for row in known).values()),
        "not_in_file": int(rows[0]["wallets"]) - len(listed),
        "causes": _summary(differences),
        "differences": [difference.document() for difference in differences],
    }


def explain_differences(database: Database, differences: Sequence[Difference], tolerance: int) -> None:
    """Write into each difference the cause that reproduces it; what none does stays unexplained."""
    by_wallet: dict[int, list[Difference]] = defaultdict(list)
    for difference in differences:
        if difference.figure != "coverage_conditions":
            by_wallet[difference.account].append(difference)
    wallets = sorted(by_wallet)
    contracts = {str(account): str(name) for account, name in database.query("SELECT account, name FROM dim.contracts")}
    for start in range(0, len(wallets), _WALLETS_AT_ONCE):
        chunk = wallets[start : start + _WALLETS_AT_ONCE]
        mine = [difference for wallet in chunk for difference in by_wallet[wallet]]
        profit = [difference for difference in mine if difference.figure == "realized_pnl"]
        if profit:
            _explain_profit(database, load_positions(database, chunk), profit, contracts, tolerance)
        volume = [difference for difference in mine if difference.figure == "volume"]
        if volume:
            _explain_volume(database, chunk, volume, contracts, tolerance)


def _explain_profit(
    database: Database,
    positions: Positions,
    differences: Sequence[Difference],
    contracts: dict[str, str],
    tolerance: int,
) -> None:
    causes = single_causes(positions.parts, list(positions.masks), contracts)
    sums = _Sums(positions, differences)
    _name(sums, [([cause], cause.rules) for cause in causes], differences, tolerance)
    _search(database, positions, differences, tolerance)
    left = [difference for difference in differences if not difference.causes]
    if left:
        pairs = [([one, other], rules) for one, other, rules in pairs_of(causes)]
        _name(_Sums(positions, left), pairs, left, tolerance)


class _Sums:
    """Sums over the rows that belong to each difference: its wallet's, or those of its wallet and category."""

    def __init__(self, positions: Positions, differences: Sequence[Difference]) -> None:
        self._positions = positions
        self._differences = differences
        places: dict[tuple[int, str | None], list[int]] = defaultdict(list)
        for place, difference in enumerate(differences):
            places[difference.account, difference.category].append(place)
        pairs = [
            (row, place)
            for row, (account, category) in enumerate(zip(positions.account.tolist(), positions.category, strict=True))
            for key in ((account, category), (account, None))
            for place in places.get(key, ())
        ]
        self._rows = np.array([row for row, _ in pairs], np.int64)
        self._places = np.array([place for _, place in pairs], np.int64)
        self._offset = np.array([round(d.ours) for d in differences], np.int64) - self._plain(Rules())

    def under(self, rules: Rules) -> Integers:
        """What each difference's figure would be under `rules`."""
        total = self._plain(rules) + self._offset
        if rules.moved:
            total = total + np.array(
                [0 if d.category is not None else self._positions.moved.get(d.account, 0) for d in self._differences],
                np.int64,
            )
        times, by = rules.factor
        return np.asarray(total * times // by if by > 1 else total * times, np.int64)

    def _plain(self, rules: Rules) -> Integers:
        total = np.zeros(len(self._differences), np.int64)
        np.add.at(total, self._places, self._positions.values(rules)[self._rows])
        return total


def _name(
    sums: _Sums, candidates: Sequence[tuple[list[Cause], Rules]], differences: Sequence[Difference], tolerance: int
) -> None:
    """Give each difference the candidate that reproduces it; of several, the one that explains most rows of all."""
    theirs = np.array([round(d.theirs) for d in differences], np.int64)
    fits = np.zeros((len(candidates), len(differences)), np.bool_)
    for number, (_, rules) in enumerate(candidates):
        # A price is a fraction that everybody rounds in a way of their own.
        allowed = max(tolerance, _CENT) if rules.open_at == "last price" else tolerance
        for form in forms(rules):
            fits[number] |= np.abs(sums.under(form) - theirs) <= allowed
    explained = fits.sum(axis=1)
    for place, difference in enumerate(differences):
        fitting = np.flatnonzero(fits[:, place])
        if not len(fitting):
            continue
        best = max(fitting.tolist(), key=lambda index: (explained[index], -index))
        chosen = candidates[best][0]
        difference.causes = [(cause.name, cause.detail) for cause in chosen]
        names = {cause.name for cause in chosen}
        others = (" + ".join(cause.name for cause in candidates[index][0]) for index in fitting.tolist())
        difference.also = sorted(
            {other for other in others if other not in {*names, " + ".join(c.name for c in chosen)}}
        )


def _search(database: Database, positions: Positions, differences: Sequence[Difference], tolerance: int) -> None:
    """Look for a single condition or fill that was left out, mixed up or counted elsewhere."""
    left = [difference for difference in differences if not difference.causes]
    found = dict(_by_row(single_conditions(positions, left, tolerance)))
    rest = [difference for difference in left if difference.row not in found]
    if rest:
        found |= _by_row(single_fills(database, positions, rest, tolerance))
    for difference in left:
        if difference.row in found:
            difference.causes = [(found[difference.row].name, found[difference.row].detail)]
    # What one category has too much of, another one of the same wallet lacks: it stands under another market there.
    elsewhere = {
        (d.account, found[d.row].condition) for d in left if d.row in found and found[d.row].name == "wrong_market"
    }
    accounts = {account for account, _ in elsewhere}
    beside = [difference for difference in differences if difference.account in accounts]
    for difference, event in single_conditions(positions, beside, tolerance):
        if event.name == "missing_fills" and (difference.account, event.condition) in elsewhere:
            difference.causes = [("wrong_market", f"condition {event.condition} is counted in another category")]


def _by_row(found: Iterable[tuple[Difference, Found]]) -> dict[int, Found]:
    return {difference.row: event for difference, event in found}


def _explain_volume(
    database: Database,
    wallets: Sequence[int],
    differences: Sequence[Difference],
    contracts: dict[str, str],
    tolerance: int,
) -> None:
    cursor = database.cursor()
    try:
        cursor.register("batch_wallets", pa.table({"account": pa.array(list(wallets), pa.int32())}))
        rows = cursor.execute(script("polyledger.value", "against_volume")).fetchall()
    finally:
        cursor.close()
    parts: dict[tuple[int, str | None], Counter[str]] = defaultdict(Counter)
    for account, category, part, volume in rows:
        parts[account, category][part] += int(volume)
        parts[account, None][part] += int(volume)
    for difference in differences:
        own = parts[difference.account, difference.category]
        for name, detail, change in _volume_changes(own, round(difference.ours), contracts):
            if change and abs(difference.ours + change - difference.theirs) <= tolerance:
                difference.causes = [(name, detail)]
                break


def _volume_changes(own: Counter[str], ours: int, contracts: dict[str, str]) -> Iterator[tuple[str, str, int]]:
    yield "double_counting", "maker legs count for the taker as well", own["counter"]
    yield "double_counting", "every fill", ours
    yield "volume", "what orders got back unused is counted", own["leftover"]
    yield "double_counting", "maker legs count for the taker as well, and unused USDC", own["counter"] + own["leftover"]
    fills = {part: volume for part, volume in own.items() if part.startswith("fill ")}
    for role, label in (("0", "maker"), ("1", "taker"), ("2", "operator"), ("3", "AMM")):
        yield "missing_fills", f"all {label} legs", -sum(v for p, v in fills.items() if p.startswith(f"fill {role} "))
    for key in sorted({part.rstrip(";").split(" ")[2] for part in fills}):
        name = contracts.get(key, "a contract")
        yield "missing_fills", f"all of {name}", -sum(v for p, v in fills.items() if p.endswith(f" {key};"))
    for times in (128, 1_000_000):
        yield "unit", f"multiplied by {times}", ours * (times - 1)


def _joined(database: Database, file: TheirFile) -> list[Row]:
    has = file.columns
    text = script("polyledger.value", "against_profit").format(
        own_category="category" if "category" in has else "CAST(NULL AS VARCHAR)",
        **{name: f"b.{name}" if name in has else "CAST(NULL AS VARCHAR)"
           for name in ("category", "realized_pnl", "volume", "coverage")},
        pnl_number=_NUMBER.format("pnl_text"),
        volume_number=_NUMBER.format("volume_text"),
    )  # fmt: skip
    cursor = database.cursor()
    try:
        cursor.register("batch_theirs", file.rows)
        return [dict(row) for row in cursor.sql(text).to_arrow_table().to_pylist()]
    finally:
        cursor.close()


def _differences(rows: Sequence[Row], tolerance: int) -> Iterator[Difference]:
    percent = any((row["coverage_theirs"] or 0) > 1 for row in rows)
    for row in rows:
        if row["account"] is None:
            continue
        for figure, name in (("realized_pnl", "pnl"), ("volume", "volume")):
            theirs, ours = row[f"{name}_theirs"], row[f"{name}_ours"] or 0
            if theirs is not None and abs(theirs - ours) > tolerance:
                yield _difference(row, figure, theirs, ours)
        theirs, ours = row["coverage_theirs"], row["coverage_ours"]
        if theirs is not None and ours is not None:
            share = theirs / 100 if percent else theirs
            if abs(share - ours) > _COVERAGE_TOLERANCE:
                yield _difference(row, "coverage_conditions", share, ours)


def _difference(row: Row, figure: str, theirs: float, ours: float) -> Difference:
    return Difference(row["row"], row["wallet"], row["account"], row["category"], figure, theirs, ours)


def _unreadable(row: Row) -> bool:
    return any(
        row[f"{name}_text"] is not None and row[f"{name}_theirs"] is None for name in ("pnl", "volume", "coverage")
    )


def _summary(differences: Sequence[Difference]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Difference]] = defaultdict(list)
    for difference in differences:
        groups[difference.figure, difference.document()["cause"]].append(difference)
    summary = [
        {
            "figure": figure,
            "cause": cause,
            "differences": len(group),
            "amount": None if figure == "coverage_conditions" else _amount(sum(abs(d.theirs - d.ours) for d in group)),
            "means": " and ".join(SENTENCES.get(name, name) for name in cause.split(" + ")),
        }
        for (figure, cause), group in groups.items()
    ]
    return sorted(summary, key=lambda entry: (-entry["differences"], entry["figure"], entry["cause"]))


def _sentence(name: str, detail: str | None) -> str:
    return SENTENCES[name] + (f": {detail}" if detail else "")


def _amount(value: float) -> str:
    return amount_text(round(value))


def _share(value: float) -> str:
    return f"{value:.6f}"
