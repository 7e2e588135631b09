"""Leave one log out of a world: the checks must fail, and name the transaction it belongs to."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_abi import decode
from eth_utils import keccak

from polyledger.replica.logs import LogIndex, LogRecord
from tests.paths import DEVWORLD_LOGS, DEVWORLD_TRUTH
from tests.worlds import document_of, replica_of, sync, workspace_at, world_of

Log = dict[str, Any]
ZERO = "0x" + "0" * 40

SIGNATURES = (
    "Transfer(address,address,uint256)",
    "Approval(address,address,uint256)",
    "ApprovalForAll(address,address,bool)",
    "TransferSingle(address,address,address,uint256,uint256)",
    "TransferBatch(address,address,address,uint256[],uint256[])",
    "OrderFilled(bytes32,address,address,uint256,uint256,uint256,uint256,uint256)",
    "OrderFilled(bytes32,address,address,uint8,uint256,uint256,uint256,uint256,bytes32,bytes32)",
    "OrdersMatched(bytes32,address,uint256,uint256,uint256,uint256)",
    "OrdersMatched(bytes32,address,uint8,uint256,uint256,uint256)",
    "FeeCharged(address,uint256,uint256)",
    "FeeCharged(address,uint256)",
    "FeeRefunded(bytes32,address,uint256,uint256,uint256)",
    "OrderCancelled(bytes32)",
    "TokenRegistered(uint256,uint256,bytes32)",
    "NewOperator(address,address)",
    "NewAdmin(address,address)",
    "ConditionPreparation(bytes32,address,bytes32,uint256)",
    "ConditionResolution(bytes32,address,bytes32,uint256,uint256[])",
    "PositionSplit(address,address,bytes32,bytes32,uint256[],uint256)",
    "PositionsMerge(address,address,bytes32,bytes32,uint256[],uint256)",
    "PayoutRedemption(address,address,bytes32,bytes32,uint256[],uint256)",
    "PositionSplit(address,bytes32,uint256)",
    "PositionsMerge(address,bytes32,uint256)",
    "PayoutRedemption(address,bytes32,uint256[],uint256)",
    "PositionsConverted(address,bytes32,uint256,uint256)",
    "MarketPrepared(bytes32,address,uint256,bytes)",
    "QuestionPrepared(bytes32,bytes32,uint256,bytes)",
    "OutcomeReported(bytes32,bytes32,bool)",
)
NAMES = {"0x" + keccak(text=text).hex(): text for text in SIGNATURES}
# They say who may do what, or announce: nothing in the books hangs on them.
EXEMPT = ("Approval", "OrderCancelled", "NewOperator", "NewAdmin", "MarketPrepared")
SHARES = ("TransferSingle", "TransferBatch")
# These may be named by the later transaction that contradicts their absence.
NAMED_LATER = ("ConditionPreparation", "ConditionResolution")


def name_of(log: Log) -> str:
    return NAMES[log["topics"][0]]


def place(log: Log) -> tuple[int, int]:
    return int(log["blockNumber"], 16), int(log["logIndex"], 16)


@cache
def transactions() -> dict[str, list[Log]]:
    """The logs of each transaction, in chain order."""
    found: defaultdict[str, list[Log]] = defaultdict(list)
    for log in sorted(document_of(DEVWORLD_LOGS)["logs"], key=place):
        found[log["transactionHash"]].append(log)
    return dict(found)


@cache
def records() -> list[LogRecord]:
    return msgspec.convert([log for logs in transactions().values() for log in logs], list[LogRecord])


@cache
def contracts() -> frozenset[str]:
    return frozenset(address.lower() for address in document_of(DEVWORLD_TRUTH)["contracts"].values())


def moves(log: Log) -> list[tuple[str, str, int, int]]:
    """Sender, recipient, token and amount of each share transfer in a log."""
    if not name_of(log).startswith(SHARES):
        return []
    sender, recipient = ("0x" + topic[26:] for topic in log["topics"][2:4])
    data = bytes.fromhex(log["data"][2:])
    if name_of(log).startswith("TransferSingle"):
        token, amount = decode(["uint256", "uint256"], data)
        return [(sender, recipient, token, amount)]
    tokens, amounts = decode(["uint256[]", "uint256[]"], data)
    return [(sender, recipient, token, amount) for token, amount in zip(tokens, amounts, strict=True)]


def is_plain(log: Log) -> bool:
    """Whether it only moves something from one person to another, outside any protocol event."""
    plain = ("Transfer(", *SHARES, "Approval")
    if not all(name_of(other).startswith(plain) for other in transactions()[log["transactionHash"]]):
        return False
    return not any({sender, recipient} & (contracts() | {ZERO}) for sender, recipient, _, _ in moves(log))


def is_contradicted(missing: Log) -> bool:
    """Whether a later balance shows that a plain share transfer is missing: somebody gives what he never got, or
    keeps something after a redemption, which takes all."""
    for sender, recipient, token, _ in moves(missing):
        for person in (sender, recipient):
            balance = 0
            for logs in transactions().values():
                redeems = any(
                    name_of(log).startswith("PayoutRedemption(address,address") and log["topics"][1][26:] == person[2:]
                    for log in logs
                )
                burnt = False
                for log in logs:
                    for source, target, moved, amount in moves(log) if log is not missing else []:
                        if moved == token:
                            balance += amount * ((target == person) - (source == person))
                            burnt |= source == person and target == ZERO
                if balance < 0 or (redeems and burnt and balance):
                    return True
    return False


def verdict(missing: Log, folder: Path) -> str | None:
    """What is wrong with how the checks see a world without that log; None when they name it."""
    wanted = [
        record for record in records() if (int(record.block_number, 16), int(record.log_index, 16)) != place(missing)
    ]
    assert len(wanted) == len(records()) - 1
    world = msgspec.structs.replace(world_of(), logs=LogIndex.of(wanted))
    off = {"enabled": False}
    with replica_of(world) as url, workspace_at(folder, url, gamma=off, clob=off) as workspace:
        assert sync(folder, url, gamma=off, clob=off)["state"] == "done"
        document = workspace.verify().document
    where = f"{name_of(missing)} of {missing['address']} in {missing['transactionHash']}"
    failed = [check for check in document["checks"] if check["status"] == "failed"]
    assert document["ok"] is (not failed)
    if not failed:
        return f"not noticed: {where}"
    subjects = {example["subject"] for check in failed for example in check["examples"]}
    accepted = {missing["transactionHash"]}
    if name_of(missing).startswith(NAMED_LATER) or is_plain(missing):
        accepted |= {one for one, logs in transactions().items() if place(logs[0]) > place(missing)}
    return (
        None
        if subjects & accepted
        else f"noticed, not named: {where}: {[(c['name'], c['examples'][:2]) for c in failed]}"
    )


def must_be_noticed(log: Log) -> bool:
    if name_of(log).startswith(EXEMPT):
        return False
    if is_plain(log):
        return bool(moves(log)) and is_contradicted(log)
    return True


@cache
def one_of_each() -> list[Log]:
    """One log of each kind of transaction and each kind of position in it, in chain order.

    Two transactions are of one kind when the same contracts emit the same events; the position counts in short ones.
    """
    found: dict[object, Log] = {}
    for logs in transactions().values():
        shape = [(log["address"], name_of(log)) for log in logs]
        kind = tuple(sorted(set(shape)))
        for position, log in enumerate(logs):
            if must_be_noticed(log):
                found.setdefault((kind, shape[position], position if len(logs) < 12 else None), log)
    return list(found.values())


QUICK = [
    "Transfer(",
    "TransferSingle(",
    "TransferBatch(",
    "OrderFilled(bytes32,address,address,uint256",
    "OrderFilled(bytes32,address,address,uint8",
    "OrdersMatched(bytes32,address,uint256",
    "FeeRefunded(",
    "ConditionPreparation(",
    "ConditionResolution(",
    "PositionSplit(address,address",
    "PayoutRedemption(address,address",
    "PositionsConverted(",
]


def test_nothing_is_missing_from_the_whole_world(tmp_path: Path) -> None:
    assert {name_of(log) for logs in transactions().values() for log in logs} <= set(SIGNATURES)
    off = {"enabled": False}
    with replica_of(world_of()) as url, workspace_at(tmp_path, url, gamma=off, clob=off) as workspace:
        sync(tmp_path, url, gamma=off, clob=off)
        assert workspace.verify().document["ok"] is True


@pytest.mark.parametrize("family", QUICK)
def test_a_missing_log_is_named(family: str, tmp_path: Path) -> None:
    candidates = [log for logs in transactions().values() for log in logs if name_of(log).startswith(family)]
    missing = next(log for log in candidates[len(candidates) // 2 :] if not is_plain(log))
    assert verdict(missing, tmp_path) is None


@pytest.mark.parametrize("kind", SHARES)
def test_a_missing_plain_share_transfer_is_named_when_a_balance_contradicts_it(kind: str, tmp_path: Path) -> None:
    plain = [log for logs in transactions().values() for log in logs if name_of(log).startswith(kind) and is_plain(log)]
    missing = next((log for log in plain if is_contradicted(log)), None)
    if missing is None:
        pytest.skip("nothing in this world contradicts the absence of such a transfer")
    assert verdict(missing, tmp_path) is None


PARTS = 8


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_every_kind_of_log_in_every_kind_of_transaction(part: int, tmp_path: Path) -> None:
    wrong = []
    for number, missing in enumerate(one_of_each()[part::PARTS]):
        found = verdict(missing, tmp_path / str(number))
        if found is not None:
            wrong.append(found)
    assert wrong == []


@pytest.mark.long
def test_there_are_several_hundred_kinds() -> None:
    assert len(one_of_each()) > 250
