"""Eras without recorded logs, on logs made here: splits, merges and redemptions with pUSD through a collateral adapter,
and trades with an AMM pool. The made transactions follow the published sources; nothing of this ran on the real chain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import polyledger
from polyledger.config import load_settings
from polyledger.ctf.identity import condition_id, token_ids
from polyledger.replica import load_world, serve
from tests.chain_oracle import make_log

ZERO = "0x" + "00" * 20
CTF = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
USDC = "0x2791bca1f2de4661ed88a30c99a7a9449aa84174"
PUSD = "0xc011a7e12a19f7b1f670d46f03b03f3342e82dfb"
ADAPTER = "0xada100db00ca00073811820692005400218fce1f"
FACTORY = "0x8b9805a2f595b6705e74f7310829f2d299d21522"
VAULT, ORACLE, POOL = "0x" + "ee" * 20, "0x" + "0c" * 20, "0x" + "90" * 20
ALICE, BOB = "0x" + "a1" * 20, "0x" + "b2" * 20
FIRST = 52_000_000
QUESTION = bytes(31) + b"\x07"
CONDITION = condition_id(bytes.fromhex(ORACLE[2:]), QUESTION, 2)
YES, NO = token_ids(CONDITION, 2, bytes.fromhex(USDC[2:]))
NO_PARENT = bytes(32)

Step = tuple[str, str, Sequence[tuple[str, str, bool]], dict[str, Any]]


def prepared() -> Step:
    arguments = [("c", "bytes32", True), ("o", "address", True), ("q", "bytes32", True), ("n", "uint256", False)]
    return CTF, "ConditionPreparation", arguments, {"c": CONDITION, "o": ORACLE, "q": QUESTION, "n": 2}


def resolved(numerators: list[int]) -> Step:
    arguments = [
        ("c", "bytes32", True), ("o", "address", True), ("q", "bytes32", True), ("n", "uint256", False),
        ("p", "uint256[]", False),
    ]  # fmt: skip
    values = {"c": CONDITION, "o": ORACLE, "q": QUESTION, "n": 2, "p": numerators}
    return CTF, "ConditionResolution", arguments, values


def paid(token: str, sender: str, recipient: str, amount: int) -> Step:
    arguments = [("s", "address", True), ("r", "address", True), ("a", "uint256", False)]
    return token, "Transfer", arguments, {"s": sender, "r": recipient, "a": amount}


def shares(operator: str, sender: str, recipient: str, amounts: dict[int, int]) -> Step:
    arguments = [
        ("o", "address", True), ("s", "address", True), ("r", "address", True), ("i", "uint256[]", False),
        ("a", "uint256[]", False),
    ]  # fmt: skip
    values = {"o": operator, "s": sender, "r": recipient, "i": list(amounts), "a": list(amounts.values())}
    return CTF, "TransferBatch", arguments, values


def burned(holder: str, token: int, amount: int) -> Step:
    arguments = [
        ("o", "address", True), ("s", "address", True), ("r", "address", True), ("i", "uint256", False),
        ("a", "uint256", False),
    ]  # fmt: skip
    return CTF, "TransferSingle", arguments, {"o": holder, "s": holder, "r": ZERO, "i": token, "a": amount}


def changed(name: str, stakeholder: str, amount: int) -> Step:
    arguments = [
        ("s", "address", True), ("t", "address", False), ("p", "bytes32", True), ("c", "bytes32", True),
        ("x", "uint256[]", False), ("a", "uint256", False),
    ]  # fmt: skip
    values = {"s": stakeholder, "t": USDC, "p": NO_PARENT, "c": CONDITION, "x": [1, 2], "a": amount}
    return CTF, name, arguments, values


def redeemed(redeemer: str, payout: int) -> Step:
    arguments = [
        ("r", "address", True), ("t", "address", True), ("p", "bytes32", True), ("c", "bytes32", False),
        ("x", "uint256[]", False), ("a", "uint256", False),
    ]  # fmt: skip
    values = {"r": redeemer, "t": USDC, "p": NO_PARENT, "c": CONDITION, "x": [1, 2], "a": payout}
    return CTF, "PayoutRedemption", arguments, values


def split_with_pusd(wallet: str, amount: int) -> list[Step]:
    return [
        paid(PUSD, wallet, ADAPTER, amount), paid(PUSD, ADAPTER, ZERO, amount), paid(USDC, VAULT, ADAPTER, amount),
        paid(USDC, ADAPTER, CTF, amount), shares(ADAPTER, ZERO, ADAPTER, {YES: amount, NO: amount}),
        changed("PositionSplit", ADAPTER, amount), shares(ADAPTER, ADAPTER, wallet, {YES: amount, NO: amount}),
    ]  # fmt: skip


def merge_to_pusd(wallet: str, amount: int) -> list[Step]:
    return [
        shares(ADAPTER, wallet, ADAPTER, {YES: amount, NO: amount}),
        shares(ADAPTER, ADAPTER, ZERO, {YES: amount, NO: amount}), paid(USDC, CTF, ADAPTER, amount),
        changed("PositionsMerge", ADAPTER, amount), paid(USDC, ADAPTER, VAULT, amount),
        paid(PUSD, ZERO, wallet, amount),
    ]  # fmt: skip


def redeem_to_pusd(wallet: str, yes: int, no: int) -> list[Step]:
    return [
        shares(ADAPTER, wallet, ADAPTER, {YES: yes, NO: no}), burned(ADAPTER, YES, yes), burned(ADAPTER, NO, no),
        paid(USDC, CTF, ADAPTER, yes), redeemed(ADAPTER, yes), paid(USDC, ADAPTER, VAULT, yes),
        paid(PUSD, ZERO, wallet, yes),
    ]  # fmt: skip


def pool_made() -> Step:
    arguments = [
        ("c", "address", True), ("f", "address", False), ("t", "address", True), ("u", "address", True),
        ("ids", "bytes32[]", False), ("fee", "uint256", False),
    ]  # fmt: skip
    values = {"c": BOB, "f": POOL, "t": CTF, "u": USDC, "ids": [CONDITION], "fee": 2 * 10**16}
    return FACTORY, "FixedProductMarketMakerCreation", arguments, values


def pool_bought(buyer: str, investment: int, fee: int, outcome: int, tokens: int) -> list[Step]:
    arguments = [
        ("b", "address", True), ("i", "uint256", False), ("f", "uint256", False), ("o", "uint256", True),
        ("t", "uint256", False),
    ]  # fmt: skip
    values = {"b": buyer, "i": investment, "f": fee, "o": outcome, "t": tokens}
    minted = investment - fee
    return [
        paid(USDC, buyer, POOL, investment), paid(USDC, POOL, CTF, minted),
        shares(POOL, ZERO, POOL, {YES: minted, NO: minted}), changed("PositionSplit", POOL, minted),
        shares(POOL, POOL, buyer, {(YES, NO)[outcome]: tokens}), (POOL, "FPMMBuy", arguments, values),
    ]  # fmt: skip


def pool_funded(funder: str, amount: int) -> list[Step]:
    arguments = [("f", "address", True), ("a", "uint256[]", False), ("s", "uint256", False)]
    return [
        paid(USDC, funder, POOL, amount), paid(USDC, POOL, CTF, amount),
        shares(POOL, ZERO, POOL, {YES: amount, NO: amount}), changed("PositionSplit", POOL, amount),
        (POOL, "FPMMFundingAdded", arguments, {"f": funder, "a": [amount, amount], "s": amount}),
    ]  # fmt: skip


def world_file(folder: Path, transactions: Sequence[Sequence[Step]]) -> Path:
    """A world with one transaction per block."""
    logs: list[dict[str, Any]] = []
    for number, steps in enumerate(transactions):
        for log_index, (address, name, arguments, values) in enumerate(steps):
            logs.append(make_log(name, arguments, values, address, block=FIRST + number, log_index=log_index))
    blocks = [
        {
            "number": hex(FIRST + number),
            "hash": f"0x{FIRST + number:064x}",
            "parentHash": f"0x{FIRST + number - 1:064x}",
            "timestamp": hex(1_700_000_000 + 2 * number),
            "transactions": [f"0x{(FIRST + number) << 16:064x}"],
        }
        for number in range(len(transactions))
    ]
    document = {
        "chain_id": 137, "from_block": FIRST, "to_block": FIRST + len(transactions) - 1, "logs": logs, "blocks": blocks,
        "transactions": [],
    }  # fmt: skip
    path = folder / "made_logs.json"
    path.write_text(json.dumps(document))
    return path


def ledger_of(folder: Path, transactions: Sequence[Sequence[Step]]) -> polyledger.Workspace:
    with serve(load_world(world_file(folder, transactions))) as url:
        chain = {"rpc_url": f"{url}/rpc", "from_block": FIRST}
        off = {name: {"enabled": False} for name in ("gamma", "clob", "data_api", "subgraph")}
        workspace = polyledger.open(folder / "workspace", settings=load_settings(folder, {"chain": chain, **off}))
        workspace.sync()
    return workspace


def failed(workspace: polyledger.Workspace) -> list[dict[str, Any]]:
    return [check for check in workspace.verify().document["checks"] if check["status"] == "failed"]


def test_pusd_splits_merges_and_redemptions_belong_to_the_wallet(tmp_path: Path) -> None:
    steps = [
        [prepared()],
        split_with_pusd(ALICE, 1_000_000),
        merge_to_pusd(ALICE, 250_000),
        [resolved([1, 0])],
        redeem_to_pusd(ALICE, 750_000, 750_000),
    ]
    with ledger_of(tmp_path, steps) as workspace:
        assert failed(workspace) == []
        wallet = workspace.wallet(ALICE).document
        assert wallet["cash_flow"] == "0.000000"  # 1 paid, 0.25 merged back, 0.75 redeemed
        assert {outcome["shares"] for outcome in wallet["positions"][0]["outcomes"]} == {"0.000000"}
        reasons = workspace.sql(
            f"SELECT reason, sum(amount) FROM journal WHERE account = '{ALICE}' AND asset = 'USDC' "
            "GROUP BY ALL ORDER BY 1"
        ).document["rows"]
        assert [(reason, int(amount)) for reason, amount in reasons] == [
            ("merge", 250_000),
            ("redeem", 750_000),
            ("split", -1_000_000),
        ]


# Place 2, the transfer out of the vault that backs pUSD, cannot be missed: the vault is no contract of the set, and
# pUSD and its backing settle through one clearing account.
@pytest.mark.parametrize("missing", [0, 1, 3, 4, 5, 6])
@pytest.mark.long
def test_a_log_missing_from_a_pusd_split_is_found(tmp_path: Path, missing: int) -> None:
    split = split_with_pusd(ALICE, 1_000_000)
    with ledger_of(
        tmp_path, [[prepared()], [step for place, step in enumerate(split) if place != missing]]
    ) as workspace:
        found = failed(workspace)
        hashes = {example["subject"] for check in found for example in check["examples"]}
        assert f"0x{(FIRST + 1) << 16:064x}" in hashes


def test_amm_trades_are_fills_of_the_trader_and_pools_are_no_wallets(tmp_path: Path) -> None:
    steps = [
        [prepared()],
        [pool_made()],
        pool_funded(BOB, 10_000_000),
        pool_bought(ALICE, 1_000_000, 20_000, 0, 1_800_000),
    ]
    with ledger_of(tmp_path, steps) as workspace:
        assert failed(workspace) == []
        wallets = {entry["wallet"]: entry for entry in workspace.wallets().document["wallets"]}
        assert set(wallets) == {ALICE, BOB}
        assert wallets[ALICE]["volume"] == "1.000000"
        assert wallets[ALICE]["cash_flow"] == "-1.000000"
        assert wallets[ALICE]["high"] == "0.800000"  # 1.8 shares that may pay one dollar each
        assert wallets[BOB]["cash_flow"] == "-10.000000"
        assert wallets[BOB]["traded_conditions"] == 0
        trades = workspace.coverage().document["trades"]
        assert (trades["total"], trades["condition"]) == (1, 1)
