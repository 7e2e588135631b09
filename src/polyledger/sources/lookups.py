"""What the planner and the runner know of a source: which keys it can look up, what that costs, and what it gives.

A source is ``keys → answers with evidence``. It never touches the database, and it hands on each request's answers as
soon as they are there, so that a runner can commit them and stop at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeAlias, TypeVar

from polyledger.domain.errors import MalformedIdError
from polyledger.domain.ids import normal_condition, normal_hash, normal_token
from polyledger.domain.records import (
    EventRecord,
    FillRecord,
    Kind,
    MarketRecord,
    ResolutionRecord,
    TokenRecord,
    TradeRecord,
)
from polyledger.sources.answers import Answer, Page

Record: TypeAlias = MarketRecord | EventRecord | TokenRecord | ResolutionRecord | TradeRecord | FillRecord
Answers: TypeAlias = Sequence[Answer[Record]]
"""The answers that one request, or the last of several requests about the same keys, brought."""

ResultT = TypeVar("ResultT")

CONDITION: Final = "condition"
MARKET: Final = "market"
EVENT: Final = "event"
CATEGORY: Final = "category"
RESOLUTION: Final = "resolution"
FILLS: Final = "fills"
FACTS: Final = frozenset({CONDITION, MARKET, EVENT, CATEGORY, RESOLUTION, FILLS})
"""What an answer may tell; `Capability.gives` and `Walk.gives` are subsets of it."""


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that a source can look up.

    Attributes:
        source: the source's name.
        kind: what its keys are.
        batch: keys per request, at most.
        gives: what an answer may tell, see `FACTS`.
        requests_per_batch: requests that a full batch is expected to take. Gamma asks the likelier closed state first
            and the other one only for keys still missing, and these fill requests of their own.
        two_states: open and closed markets are asked for apart, so that `requests_per_batch` depends on how many of
            the keys are of either kind.
        documented_per_10s: requests in ten seconds that the owner documents; the budget is at most half of it.
        note: what else to know, one clause.
        weight: what one request costs in the source's budget: a batch of JSON-RPC counts as its calls.
    """

    source: str
    kind: Kind
    batch: int
    gives: frozenset[str]
    requests_per_batch: float = 1.0
    documented_per_10s: int | None = None
    note: str = ""
    weight: float = 1.0
    two_states: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """One list that a source can be walked through from end to end, page by page.

    Attributes:
        source: the source's name.
        name: of the list, unique within the source; what a stored cursor belongs to.
        kind: what the keys of its rows are.
        page: rows per page.
        gives: what a row may tell, see `FACTS`.
        documented_per_10s: as in `Capability`. Pages follow one another: one cannot be asked for before the last.
    """

    source: str
    name: str
    kind: Kind
    page: int
    gives: frozenset[str]
    documented_per_10s: int | None = None


class LookupSource(Protocol):
    """A source that answers questions about keys."""

    @property
    def name(self) -> str:
        """The name under which its claims and evidence are kept."""
        ...

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """What it can look up, at most one for each kind."""
        ...

    def look_up(
        self, kind: Kind, keys: Sequence[str], *, concurrency: int = 4, closed: Mapping[str, bool] | None = None
    ) -> AsyncIterator[Answers]:
        """Answers for all keys, in any order: at least one with ``asked=True`` for every distinct key.

        Each sequence is what became final with one finished request; it may be empty. Stop iterating at any time;
        what has not come is not done. Close the iterator (``contextlib.aclosing``) to end requests under way.

        Args:
            kind: one of the kinds in `capabilities`.
            keys: in any accepted form; answers carry the normal form.
            concurrency: how many requests may be under way at the same time.
            closed: what the caller knows of markets: True for those that are over (resolved on chain, say), False for
                those still open, by key in normal form. Keys that are not in it are asked for in the order that has
                proved likelier.

        Raises:
            MalformedIdError: a key is not of this kind; nothing has been asked for then.
            SchemaMismatchError: a needed field is missing in all rows of an answer, or no row can be read.
            SourceError: a refusal that repeating does not change.
            UpstreamUnavailableError: no usable answer after all repeats.
        """
        ...


class WalkSource(Protocol):
    """A source that can be walked through."""

    @property
    def name(self) -> str:
        """The name under which its claims and evidence are kept."""
        ...

    @property
    def walks(self) -> tuple[Walk, ...]:
        """The lists there are."""
        ...

    def walk(self, name: str, *, cursor: str | None = None) -> AsyncIterator[Page[Record]]:
        """All pages of the list `name`, from the beginning or from a page's `next_cursor`.

        Store a page's answers and its `next_cursor` in one transaction. Raises as `LookupSource.look_up` does, and
        SourceError when a page or a cursor repeats.
        """
        ...


def normal_keys(kind: Kind, keys: Iterable[str]) -> list[str]:
    """The distinct keys in their normal form, in the order given.

    Raises:
        MalformedIdError: one is not a key of this kind.
    """
    return list(dict.fromkeys(_NORMAL[kind](key) for key in keys))


def capability_of(source: LookupSource, kind: Kind) -> Capability:
    """What a source can do for keys of a kind; ValueError when it has no such look-up (a mistake of the caller)."""
    for capability in source.capabilities:
        if capability.kind is kind:
            return capability
    raise ValueError(f"{source.name} cannot look up {kind}")


async def one_by_one(lists: AsyncIterator[Answers]) -> AsyncIterator[Answer[Record]]:
    """The answers of a look-up singly, for callers that do not commit request by request."""
    async for answers in lists:
        for answer in answers:
            yield answer


async def as_finished(
    next_job: Callable[[], Callable[[], Awaitable[ResultT]] | None], concurrency: int
) -> AsyncIterator[ResultT]:
    """Results of jobs in the order in which they finish, at most `concurrency` of them under way.

    Args:
        next_job: gives the next job, or None when there is none at present. It is asked again after each result, until
            nothing is under way and it still gives none.
        concurrency: at least 1.

    The first error ends the jobs under way and is raised after the results that are already there.
    """
    running: set[asyncio.Future[ResultT]] = set()
    try:
        while True:
            while len(running) < concurrency and (job := next_job()) is not None:
                running.add(asyncio.ensure_future(job()))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            errors = [error for task in done if (error := task.exception()) is not None]
            for task in done:
                if task.exception() is None:
                    yield task.result()
            if errors:
                raise errors[0]
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def jobs_of(
    work: Callable[[list[str]], Awaitable[ResultT]], keys: Sequence[str], batch: int
) -> Callable[[], Callable[[], Awaitable[ResultT]] | None]:
    """For `as_finished`: `work` on the keys, `batch` at a time."""
    batches: Iterator[list[str]] = (list(keys[start : start + batch]) for start in range(0, len(keys), batch))

    def next_job() -> Callable[[], Awaitable[ResultT]] | None:
        part = next(batches, None)
        return None if part is None else partial(work, part)

    return next_job


def _number(value: str) -> str:
    if not (value.isascii() and value.isdigit()):
        raise MalformedIdError(f"{value!r} is not an event or market id", "Such an id is a decimal number")
    return str(int(value))


def _slug(value: str) -> str:
    text = value.strip()
    if not text or any(character.isspace() or character == "/" for character in text):
        raise MalformedIdError(f"{value!r} is not a slug", "A slug is the last part of a market's address")
    return text


_NORMAL: Final[Mapping[Kind, Callable[[str], str]]] = {
    Kind.TOKEN: normal_token,
    Kind.MARKET: normal_condition,
    Kind.EVENT: _number,
    Kind.RESOLUTION: normal_condition,
    Kind.TRANSACTION: normal_hash,
    Kind.MARKET_ID: _number,
    Kind.SLUG: _slug,
}
