"""Asking the sources about single keys: for somebody who waits for the answer, and for the queue of keys that wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio

from polyledger.config import Settings
from polyledger.domain.errors import SourceError, UpstreamUnavailableError
from polyledger.domain.records import Kind, Lookup
from polyledger.net import RetryPolicy
from polyledger.sources.answers import Answer
from polyledger.sources.lookups import capability_of
from polyledger.store.database import Database
from polyledger.store.pending import Key, due_keys, note_tries, take_in
from polyledger.sync.claim_writer import ClaimWriter
from polyledger.sync.resolver import Resolver
from polyledger.sync.scope import contracts_of
from polyledger.sync.stages import WANTED
from polyledger.sync.upstreams import HASTY, PATIENT, Upstreams

__all__ = ["Asked", "ask_sources", "retry_due"]

ASKED_AS: Final[dict[str, Kind]] = {
    "token": Kind.TOKEN,
    "condition": Kind.MARKET,
    "market": Kind.MARKET_ID,
    "slug": Kind.SLUG,
    "transaction": Kind.TRANSACTION,
}
"""Kinds of the resolver → what sources are asked."""
_ORDER: Final = ("chain", "data_api", "gamma", "clob", "subgraph")
_MOST_AT_ONCE: Final = 10_000


class Asked:
    """What came of asking: answers to commit, in the order they came, and how each key's look-ups ended."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, Kind, Sequence[Answer[Any]]]] = []
        self.outcomes: dict[Key, dict[str, str]] = {}

    def commit(self, writer: ClaimWriter) -> None:
        """Store every batch of answers with its evidence; proofs decide what becomes a link."""
        for source, kind, answers in self.answers:
            writer.commit(source, kind.value, answers)


async def ask_sources(settings: Settings, keys: Mapping[str, Sequence[str]], *, policy: RetryPolicy = HASTY) -> Asked:
    """Ask one source after the other about keys (by kind of the resolver) until one has them. Errors are outcomes."""
    asked = Asked()
    async with Upstreams(settings, policy=policy) as upstreams:
        ordered = sorted(upstreams.lookups, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
        for kind, of_kind in keys.items():
            left = list(of_kind)
            for name in ordered:
                source = upstreams.lookups[name]
                if left and any(capability.kind is ASKED_AS[kind] for capability in source.capabilities):
                    found = await _ask(asked, source, kind, left)
                    left = [key for key in left if key not in found]
    return asked


async def _ask(asked: Asked, source: Any, kind: str, keys: Sequence[str]) -> set[str]:
    """The keys that the source has, with what they were asked for."""
    wanted = ASKED_AS[kind]
    enough = WANTED[wanted] <= capability_of(source, wanted).gives
    found: set[str] = set()
    try:
        async with aclosing(source.look_up(wanted, keys)) as lists:
            async for answers in lists:
                asked.answers.append((source.name, wanted, answers))
                for answer in answers:
                    if answer.asked:
                        asked.outcomes.setdefault((kind, answer.key), {})[source.name] = str(answer.state)
                        if answer.state is Lookup.FOUND and enough:
                            found.add(answer.key)
    except (SourceError, UpstreamUnavailableError) as error:
        for key in keys:
            asked.outcomes.setdefault((kind, key), {}).setdefault(source.name, error.what)
    return found


def retry_due(
    database: Database,
    settings: Settings,
    workspace: Path,
    run_id: str,
    *,
    evidence_folder: Path,
    now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(tzinfo=None),
) -> dict[str, int]:
    """Take in the keys that resolvers queued, and try those again that are due. Called by whoever holds the ledger.

    A key that the ledger can explain by now leaves the queue without anybody being asked. After the seventh try in vain
    a key is unfillable, with its history.

    Returns:
        How many keys were tried, solved, and given up.
    """
    with database.transaction() as connection:
        taken = take_in(connection, workspace, now())
    if taken is not None:
        taken.unlink()
    due = {kind: keys[:_MOST_AT_ONCE] for kind, keys in due_keys(database.connection, now()).items()}
    resolver = Resolver(database.arrow, contracts_of(settings), online=None, remember=lambda _: None)
    known = set(_solved(resolver, due))
    tried: dict[Key, Mapping[str, str]] = {key: {} for key in known}
    left = {kind: [key for key in keys if (kind, key) not in known] for kind, keys in due.items()}
    left = {kind: keys for kind, keys in left.items() if keys}
    if left:
        asked = anyio.run(lambda: ask_sources(settings, left, policy=PATIENT))
        asked.commit(ClaimWriter(database, evidence_folder, run_id, contracts_of(settings)))
        tried |= {(kind, key): asked.outcomes.get((kind, key), {}) for kind, keys in left.items() for key in keys}
        known |= set(_solved(resolver, left))
    with database.transaction() as connection:
        note_tries(connection, tried, known, now())
        ended = connection.execute("SELECT kind, lookup_key FROM meta.pending WHERE next_try IS NULL").fetchall()
    given_up = len(tried.keys() & {(str(kind), str(key)) for kind, key in ended})
    return {"tried": len(tried), "solved": len(known), "given_up": given_up}


def _solved(resolver: Resolver, keys: Mapping[str, Sequence[str]]) -> Iterable[Key]:
    for kind, of_kind in keys.items():
        for key, found in resolver.known(kind, of_kind).items():
            # Of a condition the market is what is wanted; everything else is wanted for its condition.
            if (found.market if kind == "condition" else found.condition) is not None:
                yield kind, key
