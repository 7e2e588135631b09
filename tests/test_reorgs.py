"""The last blocks of a chain may be replaced: the ledger then is one that only ever saw the blocks that stayed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode
from eth_utils import keccak

from tests.paths import DEVWORLD_LOGS
from tests.worlds import (
    COMPARED,
    FIRST_BLOCK,
    assert_equal_ledgers,
    control,
    document_of,
    exports,
    replica_of,
    stats,
    sync,
    workspace_at,
    world_of,
)

EVERYTHING = (*COMPARED, "wallets")
LAST = FIRST_BLOCK + 527
STRANGER = "0x" + "5a" * 20  # a wallet that only an orphaned block has seen
QUESTION = b"\x77" * 32
ORACLE = "0x" + "0c" * 20
GHOST = "0x" + keccak(bytes.fromhex(ORACLE[2:]) + QUESTION + (2).to_bytes(32, "big")).hex()
PREPARED, RESOLVED, SPLIT = (
    "0x" + keccak(text=text).hex()
    for text in (
        "ConditionPreparation(bytes32,address,bytes32,uint256)",
        "ConditionResolution(bytes32,address,bytes32,uint256,uint256[])",
        "PositionSplit(address,address,bytes32,bytes32,uint256[],uint256)",
    )
)
CONDITIONAL_TOKENS = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
# The books of 200 blocks are not final; nothing is looked at again below that.
FOLLOWED = {"finalized_depth": 200, "max_block_range": 120, "range_refusal": "limited"}

Log = dict[str, Any]


def held(folder: Path) -> dict[str, bytes]:
    return exports(folder, EVERYTHING)


def block_of(log: Log) -> int:
    return int(log["blockNumber"], 16)


def transactions_with(topic: str, after: int) -> list[list[Log]]:
    """All logs of each recorded transaction past a block that has an event with that first topic."""
    logs = document_of(DEVWORLD_LOGS)["logs"]
    wanted = dict.fromkeys(
        log["transactionHash"] for log in logs if log["topics"][0] == topic and block_of(log) > after
    )
    return [[log for log in logs if log["transactionHash"] == one] for one in wanted]


def ghost_preparation() -> list[Log]:
    """The preparation of a condition that the chain which stays does not have."""
    topics = [PREPARED, GHOST, "0x" + ORACLE[2:].rjust(64, "0"), "0x" + QUESTION.hex()]
    (sample, *_), *_ = transactions_with(PREPARED, FIRST_BLOCK)
    data = "0x" + encode(["uint256"], [2]).hex()
    return [
        {**sample, "address": CONDITIONAL_TOKENS, "topics": topics, "data": data, "transactionHash": "0x" + "a1" * 32}
    ]


def stranger_splits() -> list[Log]:
    """A recorded split of dollars into shares, made by a wallet that never was."""
    split = transactions_with(SPLIT, FIRST_BLOCK)[0]
    owner = next(log for log in split if log["topics"][0] == SPLIT)["topics"][1][26:]
    return [
        {
            **log,
            "topics": [topic.replace(owner, STRANGER[2:]) for topic in log["topics"]],
            "data": log["data"].replace(owner, STRANGER[2:]),
            "transactionHash": "0x" + "a2" * 32,
        }
        for log in split
    ]


def orphaned_branch(fork: int, depth: int, salt: str = "") -> dict[str, Any]:
    """A branch whose first block prepares, resolves and names what the chain that stays has later, or never.

    The rest of it are the recorded blocks, with another hash and without every third transaction.
    """
    recorded = [log for log in document_of(DEVWORLD_LOGS)["logs"] if fork < block_of(log) <= fork + depth]
    hashes = list(dict.fromkeys(log["transactionHash"] for log in recorded))
    kept = [log for log in recorded if hashes.index(log["transactionHash"]) % 3 or block_of(log) == fork + 1]
    early = [
        *ghost_preparation(),
        *stranger_splits(),
        *transactions_with(RESOLVED, fork + depth)[0],
        *(log for one in transactions_with(PREPARED, fork + depth)[:1] for log in one),
    ]
    first = [log for log in kept if block_of(log) == fork + 1]
    rest = [log for log in kept if block_of(log) > fork + 1]
    logs = [*first, *({**log, "blockNumber": hex(fork + 1)} for log in early), *rest]
    return {"fork": fork, "depth": depth, "salt": salt, "logs": logs}


def follow(folder: Path, url: str) -> dict[str, Any]:
    report = sync(folder, url, chain={"to_block": "latest"})
    assert report["state"] == "done"
    return report


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with replica_of(world_of(), {"rpc": FOLLOWED}) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The ledger of one that only saw the final chain, to its end."""
    control(url, reorg=None, head=LAST)
    folder = tmp_path_factory.mktemp("undisturbed")
    follow(folder, url)
    return held(folder)


def assert_the_orphan_is_there(folder: Path, url: str, fork: int) -> None:
    with workspace_at(folder, url) as workspace:
        seen = workspace.sql(f"SELECT prepared_block FROM conditions WHERE condition_id = '{GHOST}'").document["rows"]
        assert seen == [[fork + 1]]
        resolved = workspace.sql(f"SELECT count(*) FROM resolutions WHERE block = {fork + 1}").document["rows"]
        assert resolved == [[1]]
        assert STRANGER in {row["wallet"] for row in workspace.wallets().document["wallets"]}


def assert_the_orphan_is_gone(folder: Path, url: str) -> None:
    with workspace_at(folder, url) as workspace:
        assert STRANGER not in {row["wallet"] for row in workspace.wallets().document["wallets"]}
        for view in ("conditions", "tokens", "markets"):
            rows = workspace.sql(f"SELECT count(*) FROM {view} WHERE condition_id = '{GHOST}'").document["rows"]
            assert rows == [[0]], view
        assert workspace.verify().document["ok"] is True


long = pytest.mark.long


@pytest.mark.parametrize(
    ("fork", "depth"),
    [
        (60, 3),
        pytest.param(60, 1, marks=long),
        pytest.param(60, 157, marks=long),
        pytest.param(300, 1, marks=long),
        pytest.param(300, 3, marks=long),
        pytest.param(300, 157, marks=long),
        pytest.param(0, 100, marks=long),
    ],
)
def test_a_reorg_while_following_the_head(
    fork: int, depth: int, url: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    fork += FIRST_BLOCK
    control(url, reorg=orphaned_branch(fork, depth), head=fork + depth)
    assert follow(tmp_path, url)["to_block"] == fork + depth
    assert_the_orphan_is_there(tmp_path, url, fork)
    # The other branch is one block longer when it wins; then the chain goes on to its end.
    control(url, reorg=None, head=fork + depth + 1)
    stats(url, reset=True)
    report = follow(tmp_path, url)
    assert [entry["to_block"] for entry in report["rolled_back"]] == [fork]
    assert_the_orphan_is_gone(tmp_path, url)
    only = tmp_path / "only"
    follow(only, url)
    assert_equal_ledgers(held(tmp_path), held(only))
    control(url, head=LAST)
    assert follow(tmp_path, url)["rolled_back"] == []
    assert_equal_ledgers(held(tmp_path), undisturbed)


@long
def test_several_reorgs_in_a_row(url: str, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    for step, (fork, depth) in enumerate([(70, 30), (80, 25), (60, 50), (110, 1), (109, 3), (100, 157)]):
        control(url, reorg=orphaned_branch(FIRST_BLOCK + fork, depth, salt=str(step)), head=FIRST_BLOCK + fork + depth)
        report = follow(tmp_path, url)
        assert_the_orphan_is_there(tmp_path, url, FIRST_BLOCK + fork)
        assert len(report["rolled_back"]) == (1 if step else 0)
    control(url, reorg=None, head=LAST)
    assert len(follow(tmp_path, url)["rolled_back"]) == 1
    assert_the_orphan_is_gone(tmp_path, url)
    assert_equal_ledgers(held(tmp_path), undisturbed)


@pytest.mark.parametrize("after", [9, *(pytest.param(n, marks=long) for n in (2, 4, 6, 8, 11, 12, 13, 14, 16, 18, 20))])
def test_a_reorg_in_the_middle_of_a_scan(after: int, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    fork, depth = FIRST_BLOCK + 150, 40
    tip = fork + depth
    script = {
        "rpc": {**FOLLOWED, "max_block_range": 25},
        # Each request brings a block; when `after` of them have come the branch is given up.
        "head": {"start": tip, "per_request": 1},
        "reorg": {**orphaned_branch(fork, depth), "until_head": tip + after},
    }
    with replica_of(world_of(), script) as url:
        follow(tmp_path, url)
        control(url, reorg=None, head=LAST)
        follow(tmp_path, url)
        assert_the_orphan_is_gone(tmp_path, url)
    assert_equal_ledgers(held(tmp_path), undisturbed)


@long
def test_a_run_killed_between_the_roll_back_and_the_new_blocks(
    url: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    fork, depth = FIRST_BLOCK + 60, 157
    control(url, reorg=orphaned_branch(fork, depth), head=fork + depth)
    follow(tmp_path, url)
    control(url, reorg=None, head=LAST)
    with workspace_at(tmp_path, url, chain={"to_block": "latest"}) as workspace:
        assert workspace.sync(budget=0.0)["state"] == "partial"
    follow(tmp_path, url)
    assert_equal_ledgers(held(tmp_path), undisturbed)


@pytest.mark.long
def test_a_chain_that_stayed_is_not_taken_back(url: str, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    for head in (FIRST_BLOCK + 100, FIRST_BLOCK + 101, FIRST_BLOCK + 400, LAST):
        control(url, reorg=None, head=head)
        report = follow(tmp_path, url)
        assert (report["to_block"], report["rolled_back"]) == (head, [])
    assert_equal_ledgers(held(tmp_path), undisturbed)
