"""Decoding: JSON of a node to tables in columns, against eth-abi."""

from __future__ import annotations

import msgspec

from bench.data import recorded_world
from bench.figures import Figure, isolated, progress, timed
from bench.plain import decode_answer
from bench.world import load
from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.decode import decode
from polyledger.ctf.logs import columns_from_results

_ROUNDS = 3
_LOGS = 10_000  # to an answer, as a scan gets them


def measure() -> list[Figure]:
    """Logs a second, from the bytes of ``eth_getLogs`` answers to decoded values, the best of a few rounds."""
    progress("decoding")
    own, plain = isolated(own_rate).value, isolated(plain_rate).value
    return [Figure("decoding", own, "logs/s", "orjson + eth-abi", plain, "≥ 20")]


def _answers() -> tuple[list[bytes], int]:
    logs = load(recorded_world())[0]["logs"]
    return [msgspec.json.encode(logs[start : start + _LOGS]) for start in range(0, len(logs), _LOGS)], len(logs)


def own_rate() -> float:
    """Logs a second by polyledger."""
    answers, count = _answers()
    contracts = ContractSet.mainnet()

    def run() -> None:
        for answer in answers:
            assert decode(columns_from_results([answer]), contracts).tables["unknown_logs"].num_rows == 0

    return count / min(timed(run)[1] for _ in range(_ROUNDS))


def plain_rate() -> float:
    """Logs a second by the baseline."""
    answers, count = _answers()

    def run() -> None:
        assert sum(map(decode_answer, answers)) == count

    return count / min(timed(run)[1] for _ in range(_ROUNDS))
