"""What part of the whole somebody wants: some wallets, markets, events or categories, a span of time. Plain values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from polyledger.domain.errors import PolyledgerError, UsageError
from polyledger.domain.ids import normal_address

_NAMED: Final = 20  # wallets that a document lists; of more it gives the number
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the ledger; what is empty or None does not limit it.

    Attributes:
        wallets: addresses in normal form, sorted.
        markets: market ids or condition ids (0x + 64 hex digits), as given.
        events: event ids.
        categories: category names.
        since, until: the first and the last second (Unix time, UTC) that belong to it.
    """

    wallets: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    @staticmethod
    def of(
        *,
        wallets: Iterable[str] = (),
        markets: Iterable[str] = (),
        events: Iterable[str] = (),
        categories: Iterable[str] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> Scope:
        """The scope that texts ask for; a day as `until` belongs to it in full.

        Raises:
            MalformedIdError, UsageError: an address, a date or an order of dates that makes no sense.
        """
        first = None if since is None else moment(since)
        last = None if until is None else moment(until, last=True)
        if first is not None and last is not None and first > last:
            raise UsageError(f"--since {since} is later than --until {until}", "Swap or change them")
        return Scope(
            wallets=tuple(sorted({normal_address(wallet) for wallet in wallets})),
            markets=_distinct(markets),
            events=_distinct(events),
            categories=_distinct(categories),
            since=first,
            until=last,
        )

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Scope()

    def plain(self) -> dict[str, Any]:
        """The scope as JSON can carry it; `from_plain` reads it."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name in ("wallets", "markets", "events", "categories", "since", "until")
            if (value := getattr(self, name))
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any] | None) -> Scope | None:
        """What `plain` gave; None for None."""
        if plain is None:
            return None
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
        }
        return Scope(**given)

    def document(self) -> dict[str, Any]:
        """The limits that are set, in the shape of ``coverage.scope``."""
        wallets: list[str] | int | None = list(self.wallets) if len(self.wallets) <= _NAMED else len(self.wallets)
        return {
            "wallets": wallets or None,
            "markets": list(self.markets) or None,
            "events": list(self.events) or None,
            "categories": list(self.categories) or None,
            "since": None if self.since is None else moment_text(self.since),
            "until": None if self.until is None else moment_text(self.until),
        }


def read_wallets(text: str, name: str) -> list[str]:
    """The addresses in a text, one a line; blank lines and what follows a # are left out, and of a table with commas
    the first column counts.

    Raises:
        UsageError: a line that is no address, with its number; or no address at all.
    """
    found: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.partition("#")[0].partition(",")[0].strip().strip('"')
        if not word or (not found and word.lower() in {"wallet", "address", "proxywallet"}):
            continue
        try:
            found.append(normal_address(word))
        except PolyledgerError as error:
            raise UsageError(
                f"Line {number} of {name} is no address: {word[:80]!r}",
                "Write one address a line: 0x and 40 hex digits",
            ) from error
    if not found:
        raise UsageError(f"{name} names no wallet", "Write one address a line: 0x and 40 hex digits")
    return found


def moment(text: str, *, last: bool = False) -> int:
    """A date, or a time in ISO 8601, in seconds since 1970; UTC where it says nothing else.

    Args:
        text: such as ``2025-11-01`` or ``2025-11-01T12:00``.
        last: of a date without a time, the last second instead of the first.

    Raises:
        UsageError: neither a date nor a time.
    """
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=last)
            return int(datetime.combine(day, time(), UTC).timestamp()) - last
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is neither a date nor a time", "Write 2025-11-01 or 2025-11-01T12:00, in UTC"
        ) from None
    return int((when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp())


def moment_text(seconds: int) -> str:
    """A time as documents show it: ``2025-11-01T00:00:00Z``."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}Z"


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    cleaned: Sequence[str] = [value.strip() for value in values]
    if not all(cleaned):
        raise UsageError("An empty text is no market, event or category", "Leave it out or name one")
    return tuple(dict.fromkeys(cleaned))
