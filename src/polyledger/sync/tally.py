"""How the sources do in a run, each by itself: what progress and exit codes are made of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from polyledger.domain.errors import PolyledgerError
from polyledger.domain.records import Kind, Lookup, MarketRecord, MarketState
from polyledger.sources.answers import Answer, Page


@dataclass
class Tally:
    """How one source did in a run: keys by how their look-up ended, and what ended it early, if anything.

    Attributes:
        open: found, but the market is not resolved yet; part of `found`.
        failed: refused, or an answer of another shape.
        closed: kinds it is not asked for any more in this run; None stands for all.
        missed: keys that it should have told and nobody else did.
    """

    source: str
    done: int = 0
    planned: int = 0
    found: int = 0
    open: int = 0
    not_found: int = 0
    failed: int = 0
    missed: int = 0
    error: PolyledgerError | None = None
    closed: set[Kind | None] = field(default_factory=set)
    reported: float = 0.0

    def count(self, kind: Kind, answer: Answer[Any]) -> None:
        """Take note of an answer to a question that was asked."""
        self.done += 1
        if answer.state is Lookup.FOUND:
            self.found += 1
            if kind is Kind.RESOLUTION and _is_open(answer):
                self.open += 1
        elif answer.state in {Lookup.NOT_FOUND, Lookup.UNSEEN}:
            self.not_found += 1
        else:
            self.failed += 1


def settlement_state(answer: Answer[Any]) -> MarketState | None:
    """How a source says that a market stands; None where it says nothing."""
    settlement = getattr(answer.record, "settlement", None)
    return None if settlement is None else settlement.state


def _is_open(answer: Answer[Any]) -> bool:
    return settlement_state(answer) in {MarketState.OPEN, MarketState.CLOSED_UNRESOLVED}


def leaves_open(kind: Kind, answer: Answer[Any]) -> bool:
    """Whether others may know more: a closed market without a verdict may have one elsewhere, an open one has not."""
    return kind is Kind.RESOLUTION and settlement_state(answer) in {MarketState.CLOSED_UNRESOLVED, None}


def keyed(kind: Kind, page: Page[Any]) -> list[Answer[Any]]:
    """The rows of a page as answers to keys of a kind: a list of markets answers for their tokens too."""
    found = []
    for answer in page.answers:
        record = answer.record
        if kind is Kind.TOKEN and isinstance(record, MarketRecord):
            found += [replace(answer, key=token) for token in record.token_ids or ()]
        else:
            found.append(answer)
    return found
