"""Which keys go into which request when a list must be asked in two closed states. No I/O.

Keys are asked in the likelier state first; those that are missing then wait until they fill a request of their own in
the other state. So a look-up of many keys takes little more than one request per full batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from polyledger.domain.records import EventRecord, Lookup, MarketRecord
from polyledger.sources.answers import Answer, Evidence
from polyledger.sources.gamma_lists import Listing, record_id

Found = Answer[MarketRecord | EventRecord]
Waiting = tuple[str, tuple[Evidence, ...]]
_LONGEST_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """Keys to ask for in one state."""

    closed: bool
    keys: tuple[str, ...]


class Search:
    """The state of one look-up: what waits to be asked in which state, and what each key rests on so far.

    Args:
        listing: the list that is asked.
        keys: distinct, in normal form.
        closed: what is known of some keys, see `LookupSource.look_up`.
        fits: how many of the given keys fit in one request.
        found: rows found so far by state, kept up by the caller; tells which state is likelier.
    """

    def __init__(
        self,
        listing: Listing,
        keys: Sequence[str],
        closed: Mapping[str, bool],
        fits: Callable[[Listing, Sequence[str]], int],
        found: Mapping[bool, int],
    ) -> None:
        self.listing = listing
        self._fits = fits
        self._found = found
        self._unsure = deque(key for key in keys if key not in closed)
        # Waiting keys, with the evidence of the other state where that was asked already.
        self._waiting: dict[bool, deque[Waiting]] = {True: deque(), False: deque()}
        for key in keys:
            if key in closed:
                self._waiting[closed[key]].append((key, ()))
        self._asked: dict[str, tuple[Evidence, ...]] = {}
        self._owner: dict[str, str] = {}
        self._under_way = 0

    def next_batch(self) -> Batch | None:
        """What to ask next; None when all is asked, or when what is left waits for answers under way."""
        for closed in (True, False):
            if self._is_full(closed):
                return self._take(closed)
        if self._unsure:
            likelier = self._found[True] >= self._found[False]
            while self._unsure and len(self._waiting[likelier]) < _LONGEST_BATCH:
                self._waiting[likelier].append((self._unsure.popleft(), ()))
            return self._take(likelier)
        if self._under_way:
            return None
        fuller = len(self._waiting[True]) >= len(self._waiting[False])
        return self._take(fuller) if self._waiting[fuller] else None

    def finish(
        self, batch: Batch, answers: Sequence[Found], strangers: Sequence[Found], evidence: tuple[Evidence, ...]
    ) -> list[Found]:
        """The answers that are final now. Keys without a row wait for the other state unless that was asked before."""
        self._under_way -= 1
        final = self._once_each(answers)
        answered = {answer.key for answer in answers}
        for key in batch.keys:
            before = self._asked.pop(key)
            if key in answered:
                continue
            if strangers:
                reason = f"the answer held {len(strangers)} rows that nobody asked for: it says nothing about this id"
                final.append(Answer(key, Lookup.REFUSED, evidence, reason=reason))
            elif before:
                reason = "in neither the open nor the closed list"
                final.append(Answer(key, Lookup.NOT_FOUND, before + evidence, reason=reason))
            else:
                self._waiting[not batch.closed].append((key, evidence))
        return final

    def put_back(self, batch: Batch) -> None:
        """Nothing came for this batch: its keys wait again."""
        self._under_way -= 1
        self._waiting[batch.closed].extendleft((key, self._asked.pop(key)) for key in reversed(batch.keys))

    def _is_full(self, closed: bool) -> bool:
        """Whether a further key, as long as the longest of those waiting, would no longer fit."""
        head = self._head(closed)
        return bool(head) and self._fits(self.listing, [*head, max(head, key=len)]) <= len(head)

    def _take(self, closed: bool) -> Batch:
        head = self._head(closed)
        keys = tuple(head[: self._fits(self.listing, head)])
        for _ in keys:
            key, evidence = self._waiting[closed].popleft()
            self._asked[key] = evidence
        self._under_way += 1
        return Batch(closed, keys)

    def _head(self, closed: bool) -> list[str]:
        return [key for key, _ in islice(self._waiting[closed], _LONGEST_BATCH)]

    def _once_each(self, answers: Sequence[Found]) -> list[Found]:
        """Each record once for a key, and, where a row answers one key only, for no second key."""
        final: list[Found] = []
        seen: set[tuple[str, str]] = set()
        for answer in answers:
            number = None if answer.record is None else record_id(answer.record)
            if number is None:
                final.append(answer)
            elif self.listing.one_key and (owner := self._owner.setdefault(number, answer.key)) != answer.key:
                reason = f"{self.listing.rows_field} entry {number} came back for {owner} as well"
                final.append(Answer(answer.key, Lookup.REFUSED, answer.evidence, reason=reason))
            elif (answer.key, number) not in seen:
                seen.add((answer.key, number))
                final.append(answer)
        return final
