"""The one way claims enter the ledger: what a source said is kept, put to the proof, judged beside its neighbours, and
written down with its verdict, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.records import (
    EventRecord,
    Lookup,
    ResolutionRecord,
)
from polyledger.identity import quarantine
from polyledger.identity.links import intern_tokens
from polyledger.identity.proofs import CLAIMED, PROVEN, QUARANTINED, REFUTED, TokenClaims, prove_markets, prove_tokens
from polyledger.identity.quarantine import Judgement, Mask
from polyledger.identity.reconcile import reconcile
from polyledger.sources.answers import Answer, Evidence, Page
from polyledger.store import claims
from polyledger.store import evidence as evidence_store
from polyledger.store.database import Database
from polyledger.store.keys import binary_array, distinct
from polyledger.sync.claim_batch import Records, says_more, sort_in, text_of

__all__ = ["ClaimCounts", "ClaimWriter"]

_OK: Final = 200


@dataclass
class ClaimCounts:
    """What came of one batch.

    Attributes:
        asked, found, not_found, unseen, refused, schema_mismatch: keys, by how their look-up ended.
        claims: rows written about tokens, markets and resolutions, of which `proven`, `refuted` and `quarantined`;
            the rest is only claimed.
        events, fills: rows written about events, and legs decoded from receipts.
        patterns: why rows were quarantined, one clause for each report written.
    """

    source: str
    kind: str
    asked: int = 0
    found: int = 0
    not_found: int = 0
    unseen: int = 0
    refused: int = 0
    schema_mismatch: int = 0
    claims: int = 0
    proven: int = 0
    refuted: int = 0
    quarantined: int = 0
    events: int = 0
    fills: int = 0
    patterns: list[str] = field(default_factory=list)


class ClaimWriter:
    """Writes what sources say. One writer per run; it belongs to the thread that holds the writing connection.

    Args:
        database: the ledger, open for writing.
        evidence_folder: where bodies are kept.
        run_id: stands in meta.evidence.
        contracts: whose collaterals tokens are derived in.
    """

    def __init__(self, database: Database, evidence_folder: Path, run_id: str, contracts: ContractSet) -> None:
        self._database = database
        self._folder = evidence_folder
        self._run_id = run_id
        self._contracts = contracts
        self._evidence_ids: dict[tuple[str, str, str], int] = {}
        self._events_seen: set[tuple[str, int]] = set()
        self._touched: list[pa.Array] = []

    def commit(self, source: str, kind: str, answers: Sequence[Answer[Any]]) -> ClaimCounts:
        """Store a batch of answers of an HTTP source in a transaction of its own.

        Args:
            source: whose answers they are.
            kind: what was asked about, as it stands in meta.lookups.
            answers: with records of markets, tokens, resolutions or events, or a sequence of them or of fills.

        Raises:
            StorageFullError: the disk is full; nothing of the batch is stored.
        """
        try:
            with self._database.transaction() as connection:
                return self.store(connection, source, kind, answers)
        except BaseException:
            self.forget()
            raise

    def commit_page(
        self, source: str, kind: str, walk: str, answers: Sequence[Answer[Any]], page: Page[Any], *, is_last: bool
    ) -> ClaimCounts:
        """Store what one page of a walk brought together with the cursor to go on with, so that a walk can be resumed.

        Args:
            source, kind: as in `commit`.
            walk: which list of the source it is.
            answers: of the page, as far as they are wanted.
            page: the page.
            is_last: the walk ends here, though the list may go on.
        """
        name = f"walk_cursor:{source}:{walk}"
        rows = f"walk_rows:{source}:{walk}"
        try:
            with self._database.transaction() as connection:
                counts = self.store(connection, source, kind, answers)
                seen = 0 if page.cursor is None else int(self._database.setting(f"{rows}:seen") or 0)
                seen += len(page.answers)
                self._database.set_setting(f"{rows}:seen", str(seen))
                self._database.set_setting(name, "" if is_last else page.next_cursor or "")
                if page.next_cursor is None:
                    self._database.set_setting(rows, str(seen))
                return counts
        except BaseException:
            self.forget()
            raise

    def walk_cursor(self, source: str, walk: str) -> str | None:
        """Where an unfinished walk of a list goes on; None from the beginning."""
        return self._database.setting(f"walk_cursor:{source}:{walk}") or None

    def forget(self) -> None:
        """Call this when a transaction that `store` took part in was rolled back: what it noted is gone with it."""
        self._evidence_ids.clear()
        self._events_seen.clear()
        self._touched.clear()

    def store(
        self, connection: duckdb.DuckDBPyConnection, source: str, kind: str, answers: Sequence[Answer[Any]]
    ) -> ClaimCounts:
        """As `commit`, inside the caller's transaction: for a cursor that must be saved with the rows it brought."""
        counts = ClaimCounts(source, kind)
        batch = Records()
        evidence = [self._keep(connection, answer.evidence) for answer in answers]
        for place, answer in enumerate(answers):
            kept = evidence[place]
            if answer.record is None or kept is None:
                continue
            for record in answer.record if isinstance(answer.record, Sequence) else (answer.record,):
                sort_in(batch, answer, record, kept, place)
        self._store_batch(connection, counts, batch)
        self._note_refusals(connection, counts, answers, evidence)
        self._note_lookups(connection, counts, answers, evidence, batch.foreign)
        self._reconcile(connection)
        return counts

    def store_claims(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: str,
        evidence_id: int,
        *,
        tokens: pa.Table | None = None,
        markets: pa.Table | None = None,
        resolutions: pa.Table | None = None,
    ) -> ClaimCounts:
        """Store what a file or a list says as claims of `source`, inside the caller's transaction. It is judged whole.

        Args:
            connection: the writing connection.
            source: ``file:NAME``, or a service whose list was read.
            evidence_id: of what the claims were read from.
            tokens: columns of store.claims.TOKEN_CLAIMS, evidence_id and any but `token` left out at will.
            markets: columns of MARKET_CLAIMS, any but `condition` left out at will.
            resolutions: columns of RESOLUTION_CLAIMS, any but `condition` and `state` left out at will.
        """
        counts = ClaimCounts(source, "file")
        constants = {"evidence_id": evidence_id, "stated": True, "derived": False}
        if tokens is not None and tokens.num_rows:
            self._tokens(connection, counts, claims.conform(tokens, claims.TOKEN_CLAIMS, **constants))
        if markets is not None and markets.num_rows:
            self._markets(
                connection, counts, claims.conform(markets, claims.MARKET_CLAIMS, **constants), whole="market_id"
            )
        if resolutions is not None and resolutions.num_rows:
            table = claims.conform(resolutions, claims.RESOLUTION_CLAIMS, **constants)
            columns = (table.column(name).combine_chunks() for name in ("condition", "state"))
            judged = [quarantine.judge_states(*columns)]
            self._resolutions(connection, counts, table, [CLAIMED] * table.num_rows, judged)
        self._reconcile(connection)
        return counts

    def _store_batch(self, connection: duckdb.DuckDBPyConnection, counts: ClaimCounts, batch: Records) -> None:
        settled: dict[tuple[ResolutionRecord, int], str] = {}
        for resolution, kept, place in batch.resolutions:
            settled[resolution, kept] = QUARANTINED if place in batch.foreign else CLAIMED
        if batch.tokens:
            tokens = claims.token_batch([(record, kept) for record, kept, _ in batch.tokens])
            verdicts = self._tokens(connection, counts, tokens, batch.foreign_rows(batch.tokens))
            said = verdicts.to_pylist()
            batch.take_settlements(batch.tokens, said, settled)
            self._markets_of_tokens(connection, counts, batch.markets_of_tokens(said))
        if batch.markets:
            markets = claims.market_batch([(record, kept) for record, kept, _ in batch.markets])
            verdicts = self._markets(connection, counts, markets, batch.foreign_rows(batch.markets))
            batch.take_settlements(batch.markets, verdicts.to_pylist(), settled)
        if settled:
            self._resolutions(connection, counts, claims.resolution_batch(list(settled)), list(settled.values()))
        self._store_events(connection, counts, batch)
        if batch.fills:
            words = binary_array([int(fill.token_id).to_bytes(32, "big") for fill, _ in batch.fills], 32)
            keys = intern_tokens(connection, distinct([words], 32)).of(words)
            counts.fills += claims.add_receipt_fills(connection, batch.fills, keys)

    def _reconcile(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Draw up anew what the claims about the conditions of this batch come to."""
        touched, self._touched = self._touched, []
        if touched:
            reconcile(connection, pa.concat_arrays([keys.cast(pa.int32()) for keys in touched]))

    def _store_events(self, connection: duckdb.DuckDBPyConnection, counts: ClaimCounts, batch: Records) -> None:
        said = [*batch.events]
        said += [
            (record.event, kept)
            for record, kept, place in batch.markets
            if record.event is not None and place not in batch.foreign
        ]
        # One page names an event once per market of it: one claim is enough.
        fresh: list[tuple[EventRecord, int]] = []
        for event, kept in said:
            if (event.event_id, kept) not in self._events_seen:
                self._events_seen.add((event.event_id, kept))
                fresh.append((event, kept))
        if fresh:
            claims.add_events(connection, fresh)
            counts.events += len(fresh)

    def _tokens(
        self, connection: duckdb.DuckDBPyConnection, counts: ClaimCounts, table: pa.Table, foreign: Mask | None = None
    ) -> pa.Array:
        tokens, conditions = (table.column(name).combine_chunks() for name in ("token", "condition"))
        outcomes = table.column("outcome_index").combine_chunks()
        slots = pa.nulls(table.num_rows, pa.int32())
        verdicts = prove_tokens(connection, self._contracts, TokenClaims(tokens, conditions, outcomes, slots))
        unproven = pc.not_equal(verdicts, PROVEN).to_numpy(zero_copy_only=False)
        judged = [quarantine.judge_tokens(tokens, conditions, unproven), quarantine.judge_echo(tokens, foreign)]
        verdicts = self._set_aside(connection, counts, "token", judged, verdicts=verdicts, table=table)
        keys = intern_tokens(connection, distinct([tokens], 32)).of(tokens)
        claims.add_tokens(connection, counts.source, table, keys, verdicts)
        return verdicts

    def _markets(
        self,
        connection: duckdb.DuckDBPyConnection,
        counts: ClaimCounts,
        table: pa.Table,
        foreign: Mask | None = None,
        whole: str | None = None,
    ) -> pa.Array:
        conditions = table.column("condition").combine_chunks()
        market_ids = text_of(table, "market_id")
        verdicts = prove_markets(connection, self._contracts, table)
        earlier = claims.earlier_values(connection, counts.source, market_ids)
        judged = [
            quarantine.judge_with_earlier("market id", conditions, market_ids, earlier),
            quarantine.judge_values("slug", conditions, text_of(table, "slug")),
            quarantine.judge_echo(conditions, foreign),
        ]
        if whole is not None and whole in table.column_names and not says_more(table):
            judged.append(quarantine.judge_emptiness(whole, conditions, text_of(table, whole)))
        if earlier.num_rows and judged[0].pattern:
            said = market_ids.filter(pa.array(judged[0].rows))
            self._touched.append(claims.quarantine_earlier(connection, counts.source, said))
        verdicts = self._set_aside(connection, counts, "market", judged, verdicts=verdicts, table=table)
        self._touched.append(claims.add_markets(connection, counts.source, table, verdicts))
        return verdicts

    def _markets_of_tokens(self, connection: duckdb.DuckDBPyConnection, counts: ClaimCounts, rows: pa.Table) -> None:
        """What proven claims about tokens say of the market: slug and event. Its verdict is the token's."""
        if not rows.num_rows:
            return
        table = claims.conform(rows, claims.MARKET_CLAIMS)
        judged = [quarantine.judge_values("slug", table.column("condition").combine_chunks(), text_of(table, "slug"))]
        proven = pa.repeat(PROVEN, table.num_rows)
        verdicts = self._set_aside(connection, counts, "market", judged, verdicts=proven, table=table)
        self._touched.append(claims.add_markets(connection, counts.source, table, verdicts))

    def _resolutions(
        self,
        connection: duckdb.DuckDBPyConnection,
        counts: ClaimCounts,
        table: pa.Table,
        verdicts: Sequence[str],
        judged: Sequence[Judgement] = (),
    ) -> None:
        given = self._set_aside(
            connection, counts, "resolution", judged, verdicts=pa.array(verdicts, pa.string()), table=table
        )
        self._touched.append(claims.add_resolutions(connection, counts.source, table, given))

    @staticmethod
    def _set_aside(
        connection: duckdb.DuckDBPyConnection,
        counts: ClaimCounts,
        kind: str,
        judged: Iterable[Judgement],
        *,
        verdicts: pa.Array,
        table: pa.Table,
    ) -> pa.Array:
        """The verdicts with `quarantined` where a judgement says so, one report written, the rows counted."""
        judgement = quarantine.first_of(judged, len(verdicts))
        if judgement.pattern:
            verdicts = pc.if_else(pa.array(judgement.rows), QUARANTINED, verdicts)
            evidence = table.column("evidence_id").filter(pa.array(judgement.rows))[-1].as_py()
            claims.add_quarantine(
                connection, counts.source, kind, pattern=judgement.pattern, keys=judgement.keys, evidence_id=evidence
            )
            counts.patterns.append(judgement.pattern)
        counts.claims += len(verdicts)
        for name in (PROVEN, REFUTED, QUARANTINED):
            setattr(counts, name, getattr(counts, name) + int(pc.sum(pc.equal(verdicts, name)).as_py() or 0))
        return verdicts

    @staticmethod
    def _note_refusals(
        connection: duckdb.DuckDBPyConnection,
        counts: ClaimCounts,
        answers: Sequence[Answer[Any]],
        evidence: Sequence[int | None],
    ) -> None:
        """One report when most rows of a batch answer keys that nobody asked for: the filter was ignored."""
        refused = [place for place, answer in enumerate(answers) if answer.state is Lookup.REFUSED]
        kept = [evidence[place] for place in refused if evidence[place] is not None]
        if not kept or len(refused) * 2 <= len(answers):
            return
        pattern = f"{len(refused):,} of {len(answers):,} rows answer other keys than those asked for"
        claims.add_quarantine(
            connection, counts.source, counts.kind, pattern=pattern, keys=len(refused), evidence_id=kept[-1] or 0
        )
        counts.patterns.append(pattern)

    @staticmethod
    def _note_lookups(
        connection: duckdb.DuckDBPyConnection,
        counts: ClaimCounts,
        answers: Sequence[Answer[Any]],
        evidence: Sequence[int | None],
        foreign: set[int],
    ) -> None:
        # Several answers to one key, the fills of a transaction say, are one look-up.
        lookups: dict[str, tuple[str, str, int | None]] = {}
        for place, answer in enumerate(answers):
            if not answer.asked or not answer.key:
                continue
            state = Lookup.REFUSED if place in foreign else answer.state
            if answer.key not in lookups or state is Lookup.FOUND:
                lookups[answer.key] = (answer.key, str(state), evidence[place])
        for _, outcome, _ in lookups.values():
            counts.asked += 1
            setattr(counts, outcome, getattr(counts, outcome) + 1)
        if lookups:
            claims.add_lookups(connection, counts.source, counts.kind, list(lookups.values()))

    def _keep(self, connection: duckdb.DuckDBPyConnection, pieces: Sequence[Evidence]) -> int | None:
        """Keep the bodies an answer rests on; the id of the last one, which is the one that decided."""
        newest: int | None = None
        for piece in pieces:
            key = (piece.url, piece.digest, repr(piece.params))
            if key not in self._evidence_ids:
                digest = evidence_store.keep_body(self._folder, piece.body)
                self._evidence_ids[key] = evidence_store.record(
                    connection, source=piece.source, url=piece.url, params=piece.params, status=piece.status,
                    digest=digest, received_at=piece.received_at, run_id=self._run_id,
                )  # fmt: skip
            newest = self._evidence_ids[key]
        return newest
