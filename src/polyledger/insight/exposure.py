"""What is still open: by category, event and neg-risk group, how concentrated, and the worst that each event can do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from polyledger.domain.amounts import amount_text
from polyledger.domain.ids import address_bytes, normal_address
from polyledger.insight.skill import PACKAGE
from polyledger.store.database import Database
from polyledger.store.sql import script

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OpenUnit:
    """What wallets have open in one plain condition, or in one neg-risk group (bounded together).

    Attributes:
        open: how many wallets.
        event: the event's id, None where no source has named it.
        unit: the condition id or the neg-risk market id.
        least, most: what the open shares can still pay, 1e-6 USDC.
    """

    open: int
    event: str | None
    category: str
    unit: str
    is_group: bool
    least: int
    most: int

    @property
    def at_stake(self) -> int:
        """How much the outcome still decides about: most less least."""
        return self.most - self.least


def open_units(database: Database, wallets: Sequence[str] = ()) -> list[OpenUnit]:
    """What the given wallets (all without any) have open, a unit each.

    Raises:
        MalformedIdError: not an address.
    """
    sums = "count(*) AS open, sum(least) AS least, sum(most) AS most"
    sql = f"SELECT event_id, category, condition, neg_risk_group, {sums} FROM ({script(PACKAGE, 'exposure')}) AS x"
    parameters: list[Any] = []
    if wallets:
        parameters = [address_bytes(normal_address(wallet)) for wallet in wallets]
        known = ", ".join("?" for _ in parameters)
        sql += f" WHERE x.account IN (SELECT account FROM dim.accounts WHERE address IN ({known}))"
    rows = database.arrow(f"{sql} GROUP BY ALL ORDER BY ALL", parameters or None).to_pylist()
    return [
        OpenUnit(
            open=int(row["open"]),
            event=row["event_id"],
            category=row["category"],
            unit=row["condition"] or row["neg_risk_group"],
            is_group=row["condition"] is None,
            least=int(row["least"]),
            most=int(row["most"]),
        )
        for row in rows
    ]


def exposure(database: Database, wallets: Sequence[str] = ()) -> Document:
    """The polyledger.exposure/1 document of some wallets together, or of all.

    ``at_stake`` is how much open outcomes still decide about. Concentration is over events (a condition without a known
    event stands for itself): ``largest_share`` of what is at stake, and the Herfindahl index, 1 for a single event.
    """
    document = summary(open_units(database, wallets), [normal_address(wallet) for wallet in wallets])
    titles = _titles(database, [row["event"] for row in document["by_event"] if row["event"] is not None])
    return {**document, "by_event": [{**row, "title": titles.get(row["event"])} for row in document["by_event"]]}


def _titles(database: Database, events: list[str]) -> dict[str, str]:
    rows = database.query(
        "SELECT event_id, title FROM book.event_names WHERE event_id IN (SELECT unnest($events))", {"events": events}
    )
    return {str(event): str(title) for event, title in rows if title is not None}


def summary(units: Iterable[OpenUnit], wallets: Sequence[str] = ()) -> Document:
    """`exposure` of units that are at hand."""
    by_category: dict[str, list[OpenUnit]] = defaultdict(list)
    by_event: dict[str, list[OpenUnit]] = defaultdict(list)
    by_group: dict[str, list[OpenUnit]] = defaultdict(list)
    for unit in units:
        by_category[unit.category].append(unit)
        by_event[unit.event or unit.unit].append(unit)
        if unit.is_group:
            by_group[unit.unit].append(unit)
    stakes = [sum(unit.at_stake for unit in group) for group in by_event.values()]
    total = sum(stakes)
    return {
        "schema": "polyledger.exposure/1",
        "wallets": list(wallets),
        "at_stake": amount_text(total),
        "least": amount_text(sum(unit.least for group in by_event.values() for unit in group)),
        "most": amount_text(sum(unit.most for group in by_event.values() for unit in group)),
        "events": len(by_event),
        "largest_share": max(stakes) / total if total else None,
        "herfindahl": sum((stake / total) ** 2 for stake in stakes) if total else None,
        "by_category": _rows(by_category, "category", total),
        "by_event": _events(by_event, total),
        "by_group": _rows(by_group, "group", total),
    }


def _rows(groups: dict[str, list[OpenUnit]], name: str, total: int) -> list[Document]:
    rows = [{name: key, **_figures(units, total)} for key, units in groups.items()]
    return sorted(rows, key=lambda row: (-float(row["at_stake"]), str(row[name])))


def _events(groups: dict[str, list[OpenUnit]], total: int) -> list[Document]:
    rows = [
        {"event": units[0].event, "unit": key if units[0].event is None else None, "category": units[0].category,
         **_figures(units, total)}
        for key, units in groups.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-float(row["at_stake"]), str(row["event"] or row["unit"])))


def _figures(units: Sequence[OpenUnit], total: int) -> Document:
    stake = sum(unit.at_stake for unit in units)
    return {
        "at_stake": amount_text(stake),
        "share": stake / total if total else None,
        "least": amount_text(sum(unit.least for unit in units)),  # the worst case: what is sure to come back
        "most": amount_text(sum(unit.most for unit in units)),
        "open": sum(unit.open for unit in units),
    }
