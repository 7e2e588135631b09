"""What paper trading has earned: its fills put into a ledger of their own, and that ledger's ordinary figures."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from polyledger.domain.amounts import amount_text
from polyledger.domain.scope import moment_text
from polyledger.insight.trading.brokers import is_stopped
from polyledger.insight.trading.orders import committed
from polyledger.insight.watchlist.entries import Entry
from polyledger.insight.watchlist.journal import State, read
from polyledger.insight.watchlist.strategies import Strategies
from polyledger.store.database import Database
from polyledger.store.keys import append
from polyledger.store.sql import script
from polyledger.value.wallets import wallets

PACKAGE: Final = "polyledger.insight.trading"
Document = dict[str, Any]
# What the paper ledger takes over from the real one, as far as it is about the markets traded.
_TAKEN_OVER: Final = (
    "dim.accounts", "dim.contracts", "dim.conditions", "dim.tokens", "dim.neg_risk_markets", "chain.preparations",
    "chain.neg_risk_questions", "chain.neg_risk_markets", "chain.resolutions", "chain.blocks", "book.market_names",
    "book.categories", "book.claimed_resolutions", "claim.events",
)  # fmt: skip


def paper_profit(database: Database, state: State, strategies: Sequence[str]) -> list[Document]:
    """For each strategy that was filled, the W object of the contract with ``strategy`` in place of ``wallet``.

    Its figures come from the same views and rules as those of any wallet: realized with the settlement of a market,
    payout floored per token, bounds and coverage beside it. ``fees`` are part of its cash flow and
    given once more alone.
    """
    fills = [fill for fill in state.fills if fill["strategy"] in strategies]
    if not fills:
        return []
    names = {_address(name): name for name in strategies}
    with tempfile.TemporaryDirectory(prefix="polyledger-paper-") as folder:
        books = Database(Path(folder) / "ledger.duckdb", read_only=False, memory_limit="512MB", threads=1)
        try:
            _fill(books, database, fills)
            documents = wallets(books)["wallets"]
        finally:
            books.close()
    fees = {name: sum(fill["fee"] for fill in fills if fill["strategy"] == name) for name in strategies}
    return [_of_strategy(document, names, fees) for document in documents]


def _of_strategy(document: Document, names: Mapping[str, str], fees: Mapping[str, int]) -> Document:
    name = names[document["wallet"]]
    figures = {key: value for key, value in document.items() if key != "wallet"}
    return {"strategy": name, "fees": amount_text(fees[name]), **figures}


def _address(strategy: str) -> str:
    """The account of a strategy in the paper ledger."""
    return f"0x{hashlib.sha256(f'paper:{strategy}'.encode()).hexdigest()[-40:]}"


def _fill(books: Database, database: Database, fills: Sequence[Document]) -> None:
    traded = pa.table(
        {"id": pa.array([bytes.fromhex(c[2:]) for c in sorted({f["condition"] for f in fills})], pa.binary())}
    )
    with database.reading() as source, books.transaction() as target:
        source.register("traded_ids", traded)
        source.execute(script(PACKAGE, "paper_conditions")).fetchall()
        for table in _TAKEN_OVER:
            rows = source.sql(script(PACKAGE, "taken_over").split(f"-- {table}\n")[1].split("-- ")[0]).to_arrow_table()
            append(target, table, rows)
        source.unregister("traded_ids")
        ((first,),) = target.execute("SELECT coalesce(max(account), 0) + 1 FROM dim.accounts").fetchall()
        accounts = {name: first + n for n, name in enumerate(sorted({fill["strategy"] for fill in fills}))}
        for name, account in accounts.items():
            target.execute("INSERT INTO dim.accounts VALUES (?, ?)", [account, bytes.fromhex(_address(name)[2:])])
        tokens = dict(target.execute("SELECT token_id, token FROM dim.tokens").fetchall())
        ((exchange,),) = target.execute("SELECT min(account) FROM dim.contracts").fetchall()
        rows = [
            {
                "tx": fill["tx"], "log_index": number, "contract": exchange, "order_hash": None,
                "wallet": accounts[fill["strategy"]], "counterparty": exchange, "role": 1,
                "side": int(fill["side"] == "SELL"), "layout": 2, "token": tokens[fill["token"]],
                "shares": fill["shares"], "collateral": fill["collateral"], "fee": fill["fee"], "fee_refund": 0,
                "leftover": 0, "match_log_index": -1, "builder": None,
            }
            for number, fill in enumerate(fills)
        ]  # fmt: skip
        ours = pa.Table.from_pylist(rows)
        target.register("paper_fills", ours)
        target.execute("INSERT INTO chain.fills BY NAME SELECT * FROM paper_fills")
        target.unregister("paper_fills")


def paper_document(database: Database, workspace: Path, strategies: Strategies) -> Document:
    """The polyledger.paper/1 document: every order with what came of it, and the profit of each strategy."""
    state = read(workspace)
    names = [strategy.name for strategy in strategies.strategies if strategy.trade == "paper"]
    entries = [entry for entry in state.entries.values() if entry.strategy in names]
    orders = [(entry, order) for entry in entries for order in state.orders.get(entry.id, {}).values()]
    orders.sort(key=lambda pair: (pair[1]["time"], pair[1]["id"]))
    return {
        "schema": "polyledger.paper/1",
        "stopped": is_stopped(workspace),
        "strategies": paper_profit(database, state, names),
        "at_stake": amount_text(sum(map(committed, entries))),
        "orders": [
            _order(entry, order, [fill for fill in state.fills if fill["order"] == order["id"]])
            for entry, order in orders
        ],
    }


def _order(entry: Entry, order: Document, fills: Sequence[Document]) -> Document:
    about = ("id", "strategy", "condition", "token", "outcome", "category", "tags", "event")
    return {
        **{name: order[name] for name in about},
        "market": entry.market,
        "question": entry.question,
        "time": moment_text(order["time"]),
        "side": order["side"],
        "amount": amount_text(order["amount"]),
        "limit": amount_text(order["limit"]),
        "state": order["state"],
        "reason": order["reason"],
        "cut_by": order["cut_by"],
        **{name: amount_text(sum(fill[name] for fill in fills)) for name in ("shares", "collateral", "fee")},
    }
