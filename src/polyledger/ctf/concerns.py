"""Whom an event concerns: which indexed topics name a wallet, and which events every ledger needs whoever it is of.

Made from the layouts themselves, so that an event that is added there is found here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from polyledger.ctf.decode import LAYOUTS
from polyledger.ctf.logs import LogColumns

Mask = NDArray[np.bool_]

# Arguments that name whoever gives or receives something. An ERC-1155 `operator`, an oracle or a collateral does not.
_PARTIES: Final = frozenset(
    {"sender", "recipient", "maker", "taker", "stakeholder", "redeemer", "receiver", "trader", "funder", "initiator"}
)
# Who runs the protocol and which pools there are decide how other logs are read, whenever they are read.
STANDING_TABLES: Final = frozenset({"roles", "amm_pools"})
# What conditions, questions and tokens there are, and what they pay.
NAMING_TABLES: Final = frozenset(
    {
        "preparations", "resolutions", "registrations", "neg_risk_markets", "neg_risk_questions", "outcomes_reported",
        "protocol_resolutions",
    }
)  # fmt: skip


def topics_of(tables: frozenset[str]) -> tuple[bytes, ...]:
    """The first topics of the events that fill one of `tables`."""
    return tuple(sorted({layout.event.topic for layout in LAYOUTS if layout.table in tables}))


def _party_topics(*, of_pools: bool) -> dict[int, tuple[bytes, ...]]:
    found: dict[int, set[bytes]] = {}
    for layout in LAYOUTS:
        for argument in layout.event.arguments:
            named = argument.indexed and argument.type == "address" and argument.name in _PARTIES
            # OrdersMatched only repeats what a leg beside it says.
            if named and layout.table != "matches" and (layout.roles is None) == of_pools:
                found.setdefault(argument.slot, set()).add(layout.event.topic)
    return {slot: tuple(sorted(topics)) for slot, topics in sorted(found.items())}


PARTY_TOPICS: Final = _party_topics(of_pools=False)
"""Per place of a topic (1 to 3), the events of our contracts that name a party there."""
POOL_TOPICS: Final = _party_topics(of_pools=True)
"""The same for events of AMM pools, whose addresses nobody knows beforehand."""


def transactions_of(logs: LogColumns, wallets: Sequence[bytes]) -> NDArray[np.int64]:
    """Keys (block << 16 | index), sorted, of the transactions with a log that names one of `wallets` in a topic."""
    if not len(logs) or not wallets:
        return np.zeros(0, np.int64)
    return np.unique(logs.transaction[names_any(logs, wallets)])


def names_any(logs: LogColumns, accounts: Sequence[bytes]) -> Mask:
    """Which logs name one of `accounts` (20 bytes each) in an indexed argument."""
    words = np.sort(_words(np.frombuffer(b"".join(accounts), np.uint8).reshape(-1, 20)))
    named = np.zeros(len(logs), np.bool_)
    for place in (1, 2, 3):
        topics = logs.topics[:, place]
        padded = ~topics[:, :12].any(axis=1) & (logs.topic_count > place)
        rows = np.flatnonzero(padded)
        values = _words(np.ascontiguousarray(topics[rows, 12:]))
        at = np.minimum(np.searchsorted(words, values), len(words) - 1)
        named[rows[words[at] == values]] = True
    return named


def _words(addresses: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    # Fixed-width byte strings compare as wholes; one more byte keeps trailing zeros from being cut off.
    wide = np.full((len(addresses), 21), 1, np.uint8)
    wide[:, :20] = addresses
    return wide.view("S21")[:, 0]
