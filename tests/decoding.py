"""Made logs and what they decode to."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.decode import Decoded, decode
from polyledger.ctf.events import Event
from polyledger.ctf.logs import columns_from_results
from tests.chain_oracle import to_json
from tests.paths import DEVWORLD_LOGS

MAINNET = ContractSet.mainnet()
POOL = "0x" + "99" * 20
BIG = 1 << 63


def arguments_of(event: Event) -> list[tuple[str, str, bool]]:
    return [(argument.name, argument.type, argument.indexed) for argument in event.arguments]


def decoded(*logs: dict[str, Any], pools: frozenset[bytes] = frozenset([bytes.fromhex(POOL[2:])])) -> Decoded:
    result = decode(columns_from_results([to_json(logs)]), MAINNET, pools)
    assert sum(result.counts.values()) + result.foreign == len(logs)
    return result


@cache
def devworld() -> dict[str, Any]:
    with gzip.open(DEVWORLD_LOGS) as file:
        return json.load(file)  # type: ignore[no-any-return]


@cache
def devworld_decoded() -> Decoded:
    return decode(columns_from_results([to_json(devworld()["logs"])]), MAINNET)
