"""Mappings that somebody already has (token → condition and outcome, condition → market), beside the ledger's.

What a token is needs no ledger: it derives from its condition or it does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import position_ids
from polyledger.domain.errors import MalformedIdError
from polyledger.domain.ids import condition_bytes, normal_token, token_bytes
from polyledger.store.database import Database
from polyledger.store.sql import script
from polyledger.value.against.reading import TheirFile

_COLLAPSE: Final = 20
"""As many conditions with one and the same market id are no mapping: a condition has a market of its own."""
MEANS: Final = {
    "wrong_condition": "the token belongs to another condition",
    "refuted": "the token does not derive from this condition",
    "outcome_index": "another outcome of the condition",
    "wrong_market": "the condition belongs to another market",
    "collapsed": "one market id stands for many conditions",
}


@dataclass
class _Link:
    """One row of theirs, in normal form."""

    row: int
    token: str | None
    condition: bytes | None
    market: str | None
    index: int | None
    agreed: int = 0
    wrong: list[dict[str, Any]] = field(default_factory=list)

    def differs(self, fieldname: str, theirs: Any, ours: Any, cause: str) -> None:
        """Note a value that is not ours."""
        self.wrong.append(
            {
                "row": self.row,
                "token": self.token,
                "condition": None if self.condition is None else f"0x{self.condition.hex()}",
                "figure": fieldname,
                "theirs": theirs,
                "ours": ours,
                "cause": cause,
                "why": MEANS[cause],
                "also": [],
            }
        )


def compare_mapping(database: Database, file: TheirFile, contracts: ContractSet) -> dict[str, Any]:
    """The part of polyledger.verify-against/1 that is about a mapping."""
    links, unreadable = _links(file)
    ours = _ours(database, links)
    derived = _derived([link for link in links if not ours[link.row]["linked"]], contracts)
    collapsed = _collapsed(links)
    for link in links:
        _judge_token(link, ours[link.row], derived.get(link.row))
        _judge_market(link, ours[link.row], collapsed)
    wrong = [entry for link in links for entry in link.wrong]
    causes = Counter((entry["figure"], entry["cause"]) for entry in wrong)
    return {
        "rows": len(links) + len(unreadable),
        "agree": sum(not link.wrong and link.agreed > 0 for link in links),
        "differ": sum(bool(link.wrong) for link in links),
        "not_in_ledger": sum(not link.wrong and not link.agreed for link in links),
        "unreadable": len(unreadable),
        "unreadable_rows": unreadable[:10],
        "repeated": len(links) - len({(link.token, link.condition, link.market, link.index) for link in links}),
        "causes": [
            {"figure": figure, "cause": cause, "differences": n, "amount": None, "means": MEANS[cause]}
            for (figure, cause), n in causes.most_common()
        ],
        "differences": wrong,
    }


def _links(file: TheirFile) -> tuple[list[_Link], list[int]]:
    links, unreadable = [], []
    for row in file.rows.to_pylist():
        try:
            links.append(
                _Link(
                    row["row"],
                    normal_token(row["token"]) if row.get("token") else None,
                    condition_bytes(row["condition"]) if row.get("condition") else None,
                    row.get("market"),
                    int(row["outcome_index"]) if row.get("outcome_index") else None,
                )
            )
        except (MalformedIdError, ValueError):
            unreadable.append(row["row"])
    return links, unreadable


def _ours(database: Database, links: Sequence[_Link]) -> dict[int, dict[str, Any]]:
    table = pa.table(
        {
            "row": pa.array([link.row for link in links], pa.int64()),
            "token": pa.array([link.token for link in links], pa.string()),
            "condition": pa.array([link.condition for link in links], pa.binary()),
        }
    )
    cursor = database.cursor()
    try:
        cursor.register("batch_theirs", table)
        rows = cursor.sql(script("polyledger.value", "against_links")).to_arrow_table().to_pylist()
    finally:
        cursor.close()
    return {int(row["row"]): dict(row) for row in rows}


def _derived(links: Sequence[_Link], contracts: ContractSet) -> dict[int, int | None]:
    """For rows with token and condition: which outcome of the condition the token is, None when it is none."""
    both = [link for link in links if link.token is not None and link.condition is not None]
    collaterals = list(contracts.addresses_of([Role.COLLATERAL])) + list(
        contracts.addresses_of([Role.WRAPPED_COLLATERAL])
    )
    if not both or not collaterals:
        return {}
    distinct = sorted({link.condition for link in both if link.condition is not None})
    words = np.frombuffer(b"".join(distinct), np.uint8).reshape(-1, 32)
    ids = position_ids(words, 2, collaterals)
    outcome_of = {
        (condition, ids[place, collateral, outcome].tobytes()): outcome
        for place, condition in enumerate(distinct)
        for collateral in range(len(collaterals))
        for outcome in range(2)
    }
    return {
        link.row: outcome_of.get((link.condition, token_bytes(link.token)))
        for link in both
        if link.token is not None and link.condition is not None
    }


def _judge_token(link: _Link, ours: dict[str, Any], derived: int | None) -> None:
    if link.token is None:
        return
    theirs = None if link.condition is None else f"0x{link.condition.hex()}"
    if ours["linked"]:
        if theirs is not None and theirs != ours["condition_ours"]:
            link.differs("condition", theirs, ours["condition_ours"], "wrong_condition")
            return
        index = int(ours["index_ours"])
    elif theirs is not None and derived is None:
        link.differs("condition", theirs, None, "refuted")
        return
    elif derived is None:
        return
    else:
        index = derived
    link.agreed += 1
    if link.index is not None and link.index != index:
        link.differs("outcome_index", link.index, index, "outcome_index")


def _judge_market(link: _Link, ours: dict[str, Any], collapsed: set[str]) -> None:
    if link.market is None:
        return
    if ours["market_ours"] is None:
        if link.market in collapsed:
            link.differs("market", link.market, None, "collapsed")
        return
    link.agreed += 1
    if link.market != ours["market_ours"]:
        cause = "collapsed" if link.market in collapsed else "wrong_market"
        link.differs("market", link.market, ours["market_ours"], cause)


def _collapsed(links: Sequence[_Link]) -> set[str]:
    pairs = {(link.condition, link.market) for link in links if link.condition is not None and link.market is not None}
    return {market for market, n in Counter(market for _, market in pairs).items() if n >= _COLLAPSE}
