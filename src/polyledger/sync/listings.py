"""What services list whole instead of being asked for single keys.

With the keys of a CLOB account, the trades of that account. Without an archive node, the trades of the wallets that a
scope names, and what else they did: their splits, merges, redemptions and conversions.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from polyledger.config import Settings
from polyledger.ctf.contracts import ContractSet
from polyledger.domain.errors import ConfigurationError, PolyledgerError, UpstreamUnavailableError, WorkspaceError
from polyledger.domain.records import ActivityRecord, Lookup, TradeRecord
from polyledger.domain.scope import Scope, moment_text
from polyledger.identity.links import link_pairs
from polyledger.sources.answers import Evidence, Page
from polyledger.sources.clob_account import AccountKeys, ClobAccount
from polyledger.sources.data_wallets import DataApiWallets
from polyledger.store.database import Database
from polyledger.sync.listed_rows import CONVERSION, ListedRows
from polyledger.sync.scope import contracts_of
from polyledger.sync.stage_records import StageRecord
from polyledger.sync.stages import ACCOUNT_TRADES, WALLET_ACTIVITY, WALLET_TRADES, Only, Stage
from polyledger.sync.upstreams import Upstreams

MOVEMENTS: Final = ("SPLIT", "MERGE", "REDEEM", CONVERSION)
"""The kinds of activity that change holdings; trades are listed by a route of their own."""
_MOST_FAILURES: Final = 3  # lists of a service that cannot be used; the next ones are not asked for
_OUTCOME_SLOTS: Final = 2  # of every market that the Data API describes
Progress = Callable[[dict[str, Any]], None]
ListedPages = AsyncIterator[Page[TradeRecord]] | AsyncIterator[Page[TradeRecord | ActivityRecord]]


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of one wallet or account. `address` is a wallet, or the address that an account's keys belong to."""

    source: str
    action: str
    address: str


@dataclass
class ListingOutcome:
    """What came: lists read to their end, new rows, rows that could not be read, and the errors of services."""

    lists: int = 0
    rows: int = 0
    rejected: int = 0
    late: bool = False  # the deadline came before the last list
    errors: list[PolyledgerError] = field(default_factory=list)


def account_keys(settings: Settings) -> AccountKeys | None:
    """The keys of the CLOB account; None unless all of them are set."""
    clob = settings.clob
    if clob.address is None or clob.api_key is None or clob.secret is None or clob.passphrase is None:
        return None
    secrets = (clob.api_key, clob.secret, clob.passphrase)
    return AccountKeys(clob.address, *(secret.get_secret_value() for secret in secrets))


def listings(database: Database | None, settings: Settings, scope: Scope, only: Only) -> list[Listing]:
    """What is to be listed. A scope of wallets leaves the account out: whose wallet trades for it is not known.

    Wallets that were listed before are brought up to date too: figures that end at different times would mislead.
    """
    found = []
    keys = account_keys(settings)
    if keys is not None and settings.clob.enabled and not scope.wallets:
        found.append(Listing("clob", ACCOUNT_TRADES, keys.address))
    if settings.data_api.enabled and not settings.chain.enabled:
        # Both lists of a wallet before the next one: a wallet without its splits has the wrong profit.
        found += [
            Listing("data_api", action, wallet)
            for wallet in sorted({*scope.wallets, *_listed_before(database)})
            for action in (WALLET_TRADES, WALLET_ACTIVITY)
        ]
    return [one for one in found if only.allows(one.source, one.action)]


def listing_stages(
    database: Database | None, settings: Settings, scope: Scope, only: Only, speed: Callable[[str], float]
) -> Iterator[Stage]:
    """The stages of lists that are due. At least a request each; what they hold nobody knows before.

    Args:
        database: the ledger; None where there is none yet.
        settings, scope, only: of the run.
        speed: requests per second of a source.
    """
    due = _due(database, settings, scope, only, contracts_of(settings))
    for source, action in dict.fromkeys((one.source, one.action) for one in due):
        count = sum((one.source, one.action) == (source, action) for one in due)
        yield _stage(source, action, count, count / speed(source))


class Listings:
    """Reads the lists of a run, one after the other, and stores what is new, one transaction a list.

    Args:
        database: the ledger.
        settings: of the workspace.
        evidence_folder: where bodies are kept.
        run_id: of the run.
        progress: is told of every list.
        scope: of the run.
        only: sources and actions to keep to.
        deadline: on the monotonic clock; None: no limit.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        evidence_folder: Path,
        run_id: str,
        *,
        progress: Progress,
        scope: Scope,
        only: Only,
        deadline: float | None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._evidence_folder = evidence_folder
        self._run_id = run_id
        self._progress = progress
        self._scope = scope
        self._deadline = deadline
        self._keys = account_keys(settings)
        self._contracts = contracts_of(settings)
        self.due = _due(database, settings, scope, only, self._contracts)
        self.outcome = ListingOutcome()
        self.records: dict[tuple[str, str], StageRecord] = {}

    async def run(self, upstreams: Upstreams) -> None:
        """Every list in turn; a service that is down, or gives nothing usable, is left alone, with its errors kept.

        Raises:
            ConfigurationError: the secret of the account is none.
            WorkspaceError: the ledger's trouble, a full disk say, not a service's.
        """
        failures: Counter[str] = Counter()
        absent = missing_settings(self._settings)
        if absent:
            self._progress({"stage": "clob", "message": f"the account's trades need {', '.join(absent)} as well"})
        for number, listing in enumerate(self.due):
            if failures[listing.source] >= _MOST_FAILURES:
                continue
            if self._deadline is not None and time.monotonic() > self._deadline:
                self.outcome.late = True
                return
            self._report(listing, number)
            try:
                await self._list(listing, upstreams)
            except (ConfigurationError, WorkspaceError):
                raise
            except PolyledgerError as error:
                failures[listing.source] += _MOST_FAILURES if isinstance(error, UpstreamUnavailableError) else 1
                self.outcome.errors.append(error)
            else:
                self.outcome.lists += 1
        if self.due and not failures:
            self._report(self.due[-1], len(self.due))

    async def _list(self, listing: Listing, upstreams: Upstreams) -> None:
        rows = _rows_of(self._database, listing, self._contracts, self._evidence_folder, self._run_id)
        since, now = self._scope.since, int(time.time())
        start, end = rows.start(since), now if self._scope.until is None else min(self._scope.until, now)
        records: list[TradeRecord | ActivityRecord] = []
        pages: list[Evidence] = []
        rejected, began = 0, time.monotonic()
        record = self._record(listing)
        try:
            async for page in self._pages(listing, upstreams, start, end):
                pages.append(page.evidence)
                for answer in page.answers:
                    if answer.record is not None:
                        records.append(answer.record)
                    else:
                        rejected += answer.state is not Lookup.NOT_FOUND
            fresh = rows.keep(records, pages, asked=(since, start, end))
        finally:
            record.spent(max(1, len(pages)), time.monotonic() - began)
        if listing.action == WALLET_ACTIVITY:
            self._link_conditions()
        record.keys += 1
        record.found += fresh
        self.outcome.rows += fresh
        self.outcome.rejected += rejected

    def _pages(self, listing: Listing, upstreams: Upstreams, start: int | None, end: int) -> ListedPages:
        client = upstreams.clients[listing.source]
        if listing.action == ACCOUNT_TRADES and self._keys is not None:
            return ClobAccount(client, self._settings.clob.url, self._keys).trades(after=start, before=end)
        source = DataApiWallets(client, self._settings.data_api.url)
        if listing.action == WALLET_TRADES:
            return source.trades(listing.address, start=start, end=end)
        return source.activity(listing.address, start=start or 0, end=end, kinds=MOVEMENTS)

    def _link_conditions(self) -> None:
        """Derive the tokens of conditions that were split or merged without any of their tokens being traded."""
        with self._database.transaction() as connection:
            pairs = connection.execute(
                "SELECT m.condition, unnest([p.collateral, p.wrapped_collateral]) AS collateral "
                "FROM (SELECT DISTINCT condition FROM imported.movements WHERE condition IS NOT NULL AND condition "
                "NOT IN (SELECT condition FROM dim.tokens WHERE condition IS NOT NULL)) AS m CROSS JOIN book.protocol p"
            ).fetchall()
            columns = {name: pa.array([row[at] for row in pairs], pa.int32()) for at, name in enumerate(_PAIR)}
            link_pairs(connection, pa.table({**columns, "slots": pa.array([_OUTCOME_SLOTS] * len(pairs), pa.int32())}))

    def _record(self, listing: Listing) -> StageRecord:
        place = (listing.source, listing.action)
        if place not in self.records:
            count = sum((one.source, one.action) == place for one in self.due)
            self.records[place] = StageRecord(_stage(*place, count, 0.0))
        return self.records[place]

    def _report(self, listing: Listing, done: int) -> None:
        span = "" if self._scope.since is None else f" since {moment_text(self._scope.since)}"
        said = f"{listing.action.replace('-', ' ')} of {listing.address}{span}"
        if done == len(self.due):
            refused = self.outcome.rejected
            said = f"{self.outcome.rows:,} new rows" + (f", {refused:,} that cannot be used" if refused else "")
        self._progress(
            {
                "stage": listing.source,
                "done": done,
                "total": len(self.due),
                "unit": "lists",
                "message": said,
            }
        )


_PAIR: Final = ("condition", "collateral")


def _listed_before(database: Database | None) -> list[str]:
    if database is None:
        return []
    rows = database.query("SELECT name FROM meta.settings WHERE name LIKE 'data_api:0x%:' || ?", [WALLET_TRADES])
    return [str(name).split(":")[1] for (name,) in rows]


def _due(
    database: Database | None, settings: Settings, scope: Scope, only: Only, contracts: ContractSet
) -> list[Listing]:
    found = listings(database, settings, scope, only)
    if database is None:
        return found
    return [one for one in found if _rows_of(database, one, contracts).is_due(scope)]


def _stage(source: str, action: str, count: int, seconds: float) -> Stage:
    return Stage(source, action, None, count, count, seconds, found=None, trades=None, volume=None)


def _rows_of(
    database: Database, listing: Listing, contracts: ContractSet, folder: Path = Path(), run_id: str = ""
) -> ListedRows:
    return ListedRows(database, folder, run_id, f"{listing.source}:{listing.address}", listing.action, contracts)


def missing_settings(settings: Settings) -> Sequence[str]:
    """The settings that an account's trades cannot be listed without, when others of them are set."""
    clob = settings.clob
    given = {
        "clob.address": clob.address, "clob.api_key": clob.api_key, "clob.secret": clob.secret,
        "clob.passphrase": clob.passphrase,
    }  # fmt: skip
    absent = [name for name, value in given.items() if value is None]
    return absent if len(absent) < len(given) else ()
