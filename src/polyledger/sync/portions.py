"""What a scan must ask for next: from which block to which, for whom. Pure functions over intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from polyledger.domain.intervals import Interval, difference, intersection, union


@dataclass(frozen=True, slots=True)
class Portion:
    """A span of blocks to scan: for everything, or (`wallets` not None) for these alone.

    `with_names` is false where an earlier scan has brought the conditions, tokens and resolutions already.
    """

    blocks: Interval
    wallets: tuple[bytes, ...] | None = None
    with_names: bool = True


def portions(
    required: tuple[int, int],
    *,
    for_all: Sequence[Interval],
    at_all: Sequence[Interval],
    wallets: Sequence[bytes] | None = None,
    by_wallet: Mapping[bytes, Sequence[Interval]] | None = None,
) -> list[Portion]:
    """What is missing of the blocks `required`, in order, cut wherever it changes for whom something is missing.

    Args:
        required: first and last block.
        for_all: the intervals scanned for everything.
        at_all: the intervals scanned for anybody.
        wallets: whom to scan for; None for everything.
        by_wallet: the intervals scanned for each wallet by name.
    """
    if required[0] > required[1]:
        return []
    if wallets is None:
        missing = difference([required], for_all)
        return [Portion(part, None, with_names) for part, with_names in _by_names(missing, at_all)]
    groups: dict[tuple[Interval, ...], list[bytes]] = {}
    for wallet in sorted(set(wallets)):
        done = union(for_all, (by_wallet or {}).get(wallet, ()))
        groups.setdefault(tuple(difference([required], done)), []).append(wallet)
    found = []
    for part, with_names in _by_names(_cut(list(groups)), at_all):
        whom = [wallet for missing, members in groups.items() if intersection([part], missing) for wallet in members]
        found.append(Portion(part, tuple(sorted(whom)), with_names))
    return found


def _by_names(missing: Sequence[Interval], at_all: Sequence[Interval]) -> list[tuple[Interval, bool]]:
    """The intervals, each cut into what nobody has scanned yet (true) and what somebody has."""
    parts = [
        *((part, True) for interval in missing for part in difference([interval], at_all)),
        *((part, False) for interval in missing for part in intersection([interval], at_all)),
    ]
    return sorted(parts)


def _cut(lists: Sequence[Sequence[Interval]]) -> list[Interval]:
    """The union of several lists, cut at every border of any of them."""
    borders = sorted({edge for one in lists for first, last in one for edge in (first, last + 1)})
    wanted = union(*lists)
    return [
        Interval(first, following - 1)
        for first, following in pairwise(borders)
        if intersection([(first, following - 1)], wanted)
    ]
