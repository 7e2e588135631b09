"""Folding finalized events into the sums of book.*_base: a wallet is a look-up, live profit costs what is new."""

from __future__ import annotations

from typing import Final

from polyledger.store.database import Database
from polyledger.store.holdings import NOTHING, set_holdings_upto
from polyledger.store.sql import script

# Below this many fills in the tail a fold costs more than it saves.
_WORTH_FOLDING: Final = 200_000


def fold_holdings(database: Database, finalized_block: int, *, worth: int = _WORTH_FOLDING) -> int:
    """Fold everything up to `finalized_block` into the base when enough has gathered; returns the rows of the base.

    The base and the mark up to which it counts are swapped in one transaction: a crash leaves the old pair.
    """
    upto = int(database.setting("holdings_upto") or NOTHING)
    last = ((finalized_block + 1) << 16) - 1
    ((waiting,),) = database.query("SELECT count(*) FROM chain.fills WHERE tx > ? AND tx <= ?", [upto, last])
    if waiting < worth:
        return 0
    with database.transaction() as connection:
        for name in ("fold_holdings", "fold_group_cash"):
            connection.execute(script("polyledger.sync", name), {"upto": upto, "last": last})
        connection.execute("DELETE FROM book.holdings_base")
        connection.execute("INSERT INTO book.holdings_base SELECT * FROM folded_holdings")
        connection.execute("DELETE FROM book.group_cash_base")
        connection.execute("INSERT INTO book.group_cash_base SELECT * FROM folded_group_cash")
        connection.execute("DROP TABLE folded_holdings")
        connection.execute("DROP TABLE folded_group_cash")
        set_holdings_upto(connection, last)
        ((rows,),) = connection.execute("SELECT count(*) FROM book.holdings_base").fetchall()
    return int(rows)
