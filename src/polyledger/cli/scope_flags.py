"""The options that limit a command to a part of the ledger; the same for every command that takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from polyledger.domain.errors import UsageError

if TYPE_CHECKING:
    from polyledger.domain.scope import Scope

__all__ = ["ScopeFlags", "scope_of"]

_SCOPE = Group("Scope", sort_key=1)


def _several(name: str, text: str) -> Parameter:
    return Parameter(name=name, negative="", show_default=False, group=_SCOPE, help=f"{text}; may be repeated.")


@Parameter(name="*", help="The part of the ledger that is meant.")
@dataclass(frozen=True)
class ScopeFlags:
    """Which wallets, markets, events, categories and dates; everything that is not given is not limited."""

    wallet: Annotated[tuple[str, ...], _several("--wallet", "Only this wallet")] = ()
    wallets: Annotated[
        Path | None,
        Parameter(name="--wallets", group=_SCOPE, help="Only the wallets in this file, one address a line."),
    ] = None
    market: Annotated[tuple[str, ...], _several("--market", "Only this market, by market or condition id")] = ()
    event: Annotated[tuple[str, ...], _several("--event", "Only this event, by its id")] = ()
    category: Annotated[tuple[str, ...], _several("--category", "Only this category")] = ()
    since: Annotated[
        str | None, Parameter(name="--since", group=_SCOPE, help="Not before this date or time (UTC).")
    ] = None
    until: Annotated[
        str | None,
        Parameter(name="--until", group=_SCOPE, help="Not after this date or time (UTC); a day counts in full."),
    ] = None

    def scope(self) -> Scope | None:
        """What they ask for; None for everything.

        Raises:
            UsageError, MalformedIdError: a file, an address or a date that cannot be read.
        """
        from polyledger.domain.scope import Scope, read_wallets

        listed: list[str] = []
        if self.wallets is not None:
            try:
                listed = read_wallets(self.wallets.read_text(encoding="utf-8-sig"), str(self.wallets))
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{self.wallets} cannot be read ({error})", "Name a text file of addresses") from error
        scope = Scope.of(
            wallets=[*self.wallet, *listed],
            markets=self.market,
            events=self.event,
            categories=self.category,
            since=self.since,
            until=self.until,
        )
        return None if scope.is_everything else scope

    def words(self) -> str:
        """The options as they stand on a command line, with a blank before; nothing when none is given."""
        pairs = [
            *(("--wallet", value) for value in self.wallet),
            ("--wallets", None if self.wallets is None else str(self.wallets)),
            *(("--market", value) for value in self.market),
            *(("--event", value) for value in self.event),
            *(("--category", value) for value in self.category),
            ("--since", self.since),
            ("--until", self.until),
        ]
        return "".join(f" {name} {quote(value)}" for name, value in pairs if value is not None)


def scope_of(flags: ScopeFlags | None) -> Scope | None:
    """The scope of the options that were given, if any were."""
    return None if flags is None else flags.scope()
