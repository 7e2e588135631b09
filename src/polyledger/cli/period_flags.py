"""The options that say when: as of which moment figures stand, and since when what was settled counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from cyclopts import Group, Parameter

__all__ = ["AsOf", "PeriodFlags", "words_of"]

_PERIOD = Group("Period", sort_key=1)
AsOf = Annotated[
    str | None,
    Parameter(
        name="--as-of", group=_PERIOD,
        help="The ledger as it stood then: a date (in full), a time (UTC) or a block number.",
    ),
]  # fmt: skip


@Parameter(name="*", help="The period that is meant.")
@dataclass(frozen=True)
class PeriodFlags:
    """From when to when; what is not given does not limit it."""

    since: Annotated[
        str | None,
        Parameter(
            name="--since", group=_PERIOD,
            help="Without what was settled before this date or time (UTC); of categories, trades from then on.",
        ),
    ] = None  # fmt: skip
    until: Annotated[
        str | None, Parameter(name="--until", group=_PERIOD, help="The same as --as-of, for the end of a period.")
    ] = None
    as_of: AsOf = None


def words_of(flags: PeriodFlags | None) -> dict[str, str | None]:
    """The options that were given, as the Workspace takes them."""
    return {} if flags is None else asdict(flags)
