"""Which blocks rules have seen: what is new to a rule is what was scanned since, wherever in the chain it lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa

from polyledger.domain.intervals import Interval, difference, union
from polyledger.insight.signals.stored import ensure_tables
from polyledger.store.database import Database

Blocks = dict[str, list[Interval]]
"""By the scope of a scan: blocks scanned for some wallets only are new when they are scanned for others."""
_MAY_CHANGE: Final = 1000
"""How many of the last blocks a reorg may still replace."""
_LAST_BLOCK: Final = 1 << 46


def begin(database: Database, definitions: Iterable[str]) -> None:
    """Before a run: rules that are new here begin after what is stored now, even if the run is killed."""
    ensure_tables(database)
    known = {str(row[0]) for row in database.query("SELECT definition FROM insight.evaluated_fills")}
    note_seen(database, [definition for definition in definitions if definition not in known])


def unseen(database: Database, definitions: Sequence[str]) -> dict[str, list[Interval]]:
    """Definition of a rule → the scanned blocks it was not evaluated on yet. A rule that is new has none."""
    scanned = _scanned(database)
    seen = _seen(database)
    return {
        definition: union(
            *(difference(blocks, seen[definition].get(scope, [])) for scope, blocks in scanned.items())
        )
        if definition in seen
        else []
        for definition in definitions
    }  # fmt: skip


def note_seen(database: Database, definitions: Sequence[str]) -> None:
    """Remember that rules were evaluated on everything that is scanned now."""
    if not definitions:
        return
    ((upto,),) = database.query("SELECT coalesce(max(tx), -1) // 65536 FROM chain.fills")
    digest = _last_fills(database, int(upto))
    scanned = [(scope, block.first, block.last) for scope, blocks in _scanned(database).items() for block in blocks]
    rows = pa.table(
        {
            "definition": pa.array([d for d in definitions for _ in scanned], pa.string()),
            "scope": pa.array([scope for _ in definitions for scope, _, _ in scanned], pa.string()),
            "from_block": pa.array([first for _ in definitions for _, first, _ in scanned], pa.int64()),
            "to_block": pa.array([last for _ in definitions for _, _, last in scanned], pa.int64()),
        }
    )
    with database.transaction() as connection:
        connection.register("seen_blocks", rows)
        for definition in definitions:
            connection.execute("DELETE FROM insight.evaluated_fills WHERE definition = ?", [definition])
            connection.execute("DELETE FROM insight.evaluated_blocks WHERE definition = ?", [definition])
            connection.execute("INSERT INTO insight.evaluated_fills VALUES (?, ?, ?)", [definition, int(upto), digest])
        connection.execute("INSERT INTO insight.evaluated_blocks SELECT * FROM seen_blocks")
        connection.unregister("seen_blocks")


def _seen(database: Database) -> dict[str, Blocks]:
    """By definition. Where a reorg has put other fills in the place of the last ones, their blocks are new again."""
    seen: dict[str, Blocks] = {}
    changed: dict[str, list[Interval]] = {}
    for definition, upto, digest in database.query("SELECT * FROM insight.evaluated_fills"):
        seen[str(definition)] = {}
        holds = _last_fills(database, int(upto)) == digest
        changed[str(definition)] = [] if holds else [Interval(int(upto) - _MAY_CHANGE, _LAST_BLOCK)]
    for definition, scope, first, last in database.query("SELECT * FROM insight.evaluated_blocks"):
        seen[str(definition)].setdefault(str(scope), []).append(Interval(int(first), int(last)))
    return {
        definition: {scope: difference(parts, changed[definition]) for scope, parts in blocks.items()}
        for definition, blocks in seen.items()
    }


def _scanned(database: Database) -> Blocks:
    scanned: Blocks = {}
    for scope, first, last in database.query("SELECT scope, from_block, to_block FROM meta.intervals"):
        scanned.setdefault(str(scope), []).append(Interval(int(first), int(last)))
    return {scope: union(blocks) for scope, blocks in scanned.items()}


def _last_fills(database: Database, upto: int) -> str:
    """Changes when a fill of the last blocks up to a block does."""
    ((digest,),) = database.query(
        "SELECT count(*) || '-' || coalesce(bit_xor(hash(tx, log_index, wallet, token, side, shares, collateral)), 0) "
        "FROM chain.fills WHERE tx BETWEEN ? AND ?",
        [(upto - _MAY_CHANGE) << 16, ((upto + 1) << 16) - 1],
    )
    return str(digest)
