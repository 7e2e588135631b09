"""From when to when: the moment a ledger is looked at, and since when what was settled counts. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from polyledger.domain.errors import UsageError
from polyledger.domain.scope import moment, moment_text


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time for figures of profit; what is None does not limit it.

    Profit is realized at the block time of the resolution. So the end is a moment: nothing after it has happened, no
    fill and no resolution. And the beginning leaves out what was settled before it; what was still open then belongs to
    the period, with all that was traded in it.

    Attributes:
        since: the first second (Unix time, UTC) whose resolutions count.
        until: the last second of which anything is known.
        block: the last block of which anything is known.
    """

    since: int | None = None
    until: int | None = None
    block: int | None = None

    @staticmethod
    def of(*, since: str | None = None, until: str | None = None, as_of: str | None = None) -> Period:
        """The period that texts ask for; a day as `until` or `as_of` belongs to it in full, digits are a block.

        Raises:
            UsageError: no date, time or block; an end before the beginning; or two ends.
        """
        if until is not None and as_of is not None:
            raise UsageError(
                "--until and --as-of both say where the period ends", "Give one of them: figures stand as of that time"
            )
        first = None if since is None else moment(since)
        if as_of is not None and as_of.isascii() and as_of.isdigit():
            return Period(first, None, int(as_of))
        end = until if as_of is None else as_of
        last = None if end is None else moment(end, last=True)
        if first is not None and last is not None and first > last:
            raise UsageError(f"--since {since} is later than the end of the period, {end}", "Swap or change them")
        return Period(first, last)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Period()

    @property
    def ends(self) -> bool:
        """Whether something may have happened after it."""
        return self.until is not None or self.block is not None

    def plain(self) -> dict[str, int]:
        """The period as JSON can carry it; `from_plain` reads it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @staticmethod
    def from_plain(plain: Mapping[str, int] | None) -> Period:
        """What `plain` gave; everything for None."""
        return Period(**(plain or {}))

    def text(self) -> str:
        """For messages: ``since 2025-11-01T00:00:00Z as of block 61234567``; empty for everything."""
        parts = []
        if self.since is not None:
            parts.append(f"since {moment_text(self.since)}")
        if self.until is not None:
            parts.append(f"as of {moment_text(self.until)}")
        if self.block is not None:
            parts.append(f"as of block {self.block:,}")
        return " ".join(parts)
