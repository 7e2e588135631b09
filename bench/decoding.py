"""Decoding: JSON of a node to tables in columns, against eth-abi."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from bench.data import recorded_world
from bench.figures import Figure, isolated, progress, timed
from bench.plain import decode_answer, decode_plainly
from bench.world import load
from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.decode import decode
from polyledger.ctf.logs import columns_from_results

_ROUNDS = 3
_LOGS = 10_000  # to an answer, as a scan gets them


def measure() -> list[Figure]:
    """Logs a second, the best of a few rounds: from the bytes of answers to values, and of the decoding alone."""
    progress("decoding")
    own, plain = isolated(own_rates).value, isolated(plain_rates).value
    return [
        Figure("decoding, from the JSON of answers", own[0], "logs/s", "orjson + eth-abi", plain[0], "", ""),
        Figure("decoding of parsed logs", own[1], "logs/s", "eth-abi", plain[1], "≥ 20", ""),
    ]


def _answers() -> tuple[list[bytes], int]:
    logs = load(recorded_world())[0]["logs"]
    return [msgspec.json.encode(logs[start : start + _LOGS]) for start in range(0, len(logs), _LOGS)], len(logs)


def own_rates() -> tuple[float, float]:
    """Logs a second by polyledger: from JSON, and from columns to tables."""
    answers, count = _answers()
    contracts = ContractSet.mainnet()
    parsed = columns_from_results(answers)

    def from_json() -> None:
        for answer in answers:
            assert decode(columns_from_results([answer]), contracts).tables["unknown_logs"].num_rows == 0

    def from_columns() -> None:
        assert decode(parsed, contracts).tables["unknown_logs"].num_rows == 0

    return _best(from_json, count), _best(from_columns, count)


def plain_rates() -> tuple[float, float]:
    """Logs a second by the baseline: from JSON, and from parsed objects to tuples."""
    answers, count = _answers()
    parsed: list[list[dict[str, Any]]] = [orjson.loads(answer) for answer in answers]

    def from_json() -> None:
        assert sum(map(decode_answer, answers)) == count

    def from_objects() -> None:
        assert sum(len(decode_plainly(logs)) for logs in parsed) == count

    return _best(from_json, count), _best(from_objects, count)


def _best(work: Callable[[], None], count: int) -> float:
    return count / min(timed(work)[1] for _ in range(_ROUNDS))
