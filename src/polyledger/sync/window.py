"""Where a scan in a scope begins and ends, and for whom it is."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from polyledger.config import Settings
from polyledger.domain.errors import UsageError
from polyledger.domain.ids import address_bytes
from polyledger.domain.scope import Scope, moment_text
from polyledger.sources.chain import ChainSource
from polyledger.sources.chain_times import first_block_at
from polyledger.store import scopes
from polyledger.store.database import Database
from polyledger.sync.portions import Portion, portions

ToBlock = int | str


def check_scope(settings: Settings, scope: Scope) -> None:
    """Make sure that a scope is one that can be fetched.

    Raises:
        UsageError: no source can be asked for such a part; says what can.
    """
    named = {"--market": scope.markets, "--event": scope.events, "--category": scope.categories}
    flag = next((flag for flag, values in named.items() if values), None)
    if flag is not None:
        raise UsageError(
            f"sync cannot be limited by {flag}: fills do not name their market in a field that a node can look for, so"
            " every log of the exchanges would have to be read",
            "Limit it by --wallet, or by --since and --until to the time the market was open; or take a provider's file"
            f" of logs with 'import --as logs'. 'coverage {flag}' and 'gaps {flag}' show that part of a ledger",
        )
    if scope.wallets and not settings.chain.enabled and not settings.data_api.enabled:
        raise UsageError(
            "Neither the chain nor the Data API is enabled, so there is nobody to ask for the trades of a wallet",
            "Set chain.enabled or data_api.enabled",
        )


def wallets_of(database: Database, scope: Scope) -> tuple[bytes, ...] | None:
    """Whom to scan for, as 20-byte addresses; None for everybody.

    The wallets that the ledger is about already are brought up to date too: figures of two wallets that end at
    different blocks would mislead.
    """
    if not scope.wallets:
        return None
    with database.write_lock:
        known = scopes.wallets_in_scope(database.connection)
    return tuple(sorted({*known, *map(address_bytes, scope.wallets)}))


async def window(
    source: ChainSource, database: Database, scope: Scope, from_block: int, to_block: ToBlock
) -> tuple[int, ToBlock]:
    """The first and the last block of a scan, from the settings and the dates of a scope.

    A late beginning is written down, so that checks which need the whole history say so instead of failing.

    Raises:
        UsageError: nothing of the chain lies between the dates.
        UpstreamUnavailableError: the node does not have the headers to find a date with.
    """
    if scope.since is None and scope.until is None:
        return from_block, to_block
    await source.check()
    head = await source.head()
    newest = head.latest if isinstance(to_block, int) or to_block == "latest" else head.finalized
    if isinstance(to_block, int):
        newest = min(newest, to_block)
    first, last = await blocks_between(source, scope, from_block, newest)
    if first > last:
        raise UsageError(
            f"The chain has no block between {_shown(scope.since)} and {_shown(scope.until)}"
            f" (it was read up to block {newest:,})",
            "Change --since and --until, or wait until the chain is there",
        )
    with database.transaction():
        database.set_setting(scopes.WINDOWS_SETTING, "true")
    if first > from_block:
        _note_late_start(database, first)
    return first, (last if last < newest else to_block)


async def blocks_between(source: ChainSource, scope: Scope, first: int, last: int) -> tuple[int, int]:
    """Those of the blocks `first` … `last` that lie between the dates of a scope."""
    since, until = scope.since, scope.until
    if since is not None:
        first = await first_block_at(source.headers, since, first, last)
    if until is not None:
        last = await first_block_at(source.headers, until + 1, first, last) - 1
    return first, last


def missing_portions(
    connection: duckdb.DuckDBPyConnection, required: tuple[int, int], wallets: Sequence[bytes] | None
) -> list[Portion]:
    """What a scan of the blocks `required` must still ask for, for these wallets or (None) for everything."""
    return portions(
        required,
        for_all=scopes.done_for_all(connection),
        at_all=scopes.done_at_all(connection),
        wallets=wallets,
        by_wallet=None if wallets is None else scopes.done_by_wallet(connection),
    )


def _note_late_start(database: Database, first: int) -> None:
    known = database.setting(scopes.SINCE_SETTING)
    ((earliest,),) = database.query("SELECT min(from_block) FROM meta.intervals")
    if known is None and earliest is not None and earliest < first:
        return  # the ledger begins earlier anyway
    with database.transaction():
        database.set_setting(scopes.SINCE_SETTING, str(first if known is None else min(first, int(known))))


def _shown(seconds: int | None) -> str:
    return "its ends" if seconds is None else moment_text(seconds)
