"""A real chain: anvil with the real ConditionalTokens contract, used, scanned and reorganised.

Not part of the suite, because it needs npm: ``make test-chain``. What the contracts answer is the oracle.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import pytest
from eth_abi import decode, encode
from tests.paths import PROJECT
from tests.worlds import assert_equal_ledgers, exports

import polyledger
from polyledger.config import load_settings
from polyledger.ctf.keccak import keccak256
from polyledger.workspace import Workspace

MODULES = PROJECT / ".chain-tools" / "node_modules"
CHAIN_ID = 31_337
ROOT = bytes(32)  # the collection that is no position: collateral itself
WHOLE = 1_000_000


@dataclass
class Chain:
    """A development chain with one contract each of ConditionalTokens and of an ERC-20 token, and its accounts."""

    url: str
    accounts: list[str]
    tokens: str = ""
    collateral: str = ""

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = httpx2.post(self.url, json=body, timeout=30).json()
        assert "error" not in answer, answer
        return answer["result"]

    def deploy(self, artefact: Path) -> str:
        code = json.loads(artefact.read_text())["bytecode"]
        return str(self.mined({"from": self.accounts[0], "data": code})["contractAddress"])

    def mined(self, transaction: dict[str, Any]) -> dict[str, Any]:
        sent = self.rpc("eth_sendTransaction", {"gas": hex(8_000_000), **transaction})
        receipt: dict[str, Any] = self.rpc("eth_getTransactionReceipt", sent)
        assert receipt["status"] == "0x1", receipt
        return receipt

    def send(self, sender: str, contract: str, signature: str, *values: Any) -> dict[str, Any]:
        return self.mined({"from": sender, "to": contract, "data": calldata(signature, values)})

    def read(self, contract: str, signature: str, *values: Any, kind: str = "uint256") -> Any:
        answer = self.rpc("eth_call", {"to": contract, "data": calldata(signature, values)}, "latest")
        return decode([kind], bytes.fromhex(answer[2:]))[0]

    # What the contract says about ids.

    def condition(self, oracle: str, question: bytes, slots: int) -> bytes:
        found = self.read(
            self.tokens, "getConditionId(address,bytes32,uint256)", oracle, question, slots, kind="bytes32"
        )
        assert isinstance(found, bytes)
        return found

    def position(self, condition: bytes, outcome: int) -> int:
        collection = self.read(
            self.tokens, "getCollectionId(bytes32,bytes32,uint256)", ROOT, condition, 1 << outcome, kind="bytes32"
        )
        return int(self.read(self.tokens, "getPositionId(address,bytes32)", self.collateral, collection))

    # What people do.

    def prepare(self, oracle: str, question: bytes, slots: int) -> bytes:
        self.send(self.accounts[0], self.tokens, "prepareCondition(address,bytes32,uint256)", oracle, question, slots)
        return self.condition(oracle, question, slots)

    def change(self, who: str, kind: str, condition: bytes, slots: int, amount: int) -> None:
        partition = [1 << outcome for outcome in range(slots)]
        signature = f"{kind}(address,bytes32,bytes32,uint256[],uint256)"
        self.send(who, self.tokens, signature, self.collateral, ROOT, condition, partition, amount)

    def give(self, sender: str, recipient: str, token: int, amount: int) -> None:
        signature = "safeTransferFrom(address,address,uint256,uint256,bytes)"
        self.send(sender, self.tokens, signature, sender, recipient, token, amount, b"")

    def resolve(self, oracle: str, question: bytes, payouts: Sequence[int]) -> None:
        self.send(oracle, self.tokens, "reportPayouts(bytes32,uint256[])", question, list(payouts))

    def redeem(self, who: str, condition: bytes, index_sets: Sequence[int]) -> None:
        signature = "redeemPositions(address,bytes32,bytes32,uint256[])"
        self.send(who, self.tokens, signature, self.collateral, ROOT, condition, list(index_sets))


def calldata(signature: str, values: Sequence[Any]) -> str:
    kinds = signature[signature.index("(") + 1 : -1]
    return "0x" + (keccak256(signature.encode())[:4] + encode(kinds.split(",") if kinds else [], values)).hex()


@pytest.fixture
def chain() -> Iterator[Chain]:
    binaries = list(MODULES.glob("@foundry-rs/anvil-*/bin/anvil*"))
    assert binaries, "anvil is not installed: run make test-chain"
    command = [binaries[0], "--port", "0", "--chain-id", str(CHAIN_ID)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as anvil:
        assert anvil.stdout is not None
        listening = next(line for line in anvil.stdout if line.startswith("Listening on"))
        made = Chain(f"http://{listening.split()[-1]}", [])
        made.accounts = made.rpc("eth_accounts")
        built = MODULES / "@gnosis.pm" / "conditional-tokens-contracts" / "build" / "contracts"
        made.tokens = made.deploy(built / "ConditionalTokens.json")
        made.collateral = made.deploy(MODULES / "openzeppelin-solidity" / "build" / "contracts" / "ERC20Mintable.json")
        for account in made.accounts[:4]:
            made.send(made.accounts[0], made.collateral, "mint(address,uint256)", account, 10_000 * WHOLE)
            made.send(account, made.collateral, "approve(address,uint256)", made.tokens, 10**30)
        yield made
        anvil.terminate()


def workspace(chain: Chain, folder: Path) -> Workspace:
    off = {"enabled": False}
    contracts = {"conditional_tokens": chain.tokens, "collateral": chain.collateral}
    scan = {"rpc_url": chain.url, "chain_id": CHAIN_ID, "contracts": contracts, "to_block": "latest"}
    return polyledger.open(folder, settings=load_settings(folder, {"chain": scan, "gamma": off, "clob": off}))


def verified(chain: Chain, folder: Path) -> None:
    """The ledger says of every holder and token what the contract says, its books balance, and so does the cash."""
    with workspace(chain, folder) as ledger:
        document = ledger.verify().document
        assert document["ok"] is True, document
        positions = ledger.sql("SELECT wallet, token_id, shares FROM positions").document["rows"]
        tokens = ledger.sql("SELECT token_id, condition_id, outcome_index, verdict FROM tokens").document["rows"]
        cash = dict(ledger.sql("SELECT wallet, cash_flow FROM wallets").document["rows"])
    held = {(row[0], int(row[1])): row[2] for row in positions}
    for token, condition, outcome, verdict in tokens:
        assert verdict == "proven"
        assert int(token) == chain.position(bytes.fromhex(condition[2:]), outcome)
        for account in chain.accounts[:4]:
            balance = chain.read(chain.tokens, "balanceOf(address,uint256)", account, int(token))
            assert held.get((account.lower(), int(token)), 0) == balance, (account, token)
    for account in chain.accounts[:4]:
        balance = chain.read(chain.collateral, "balanceOf(address)", account)
        assert cash.get(account.lower(), 0) == balance - 10_000 * WHOLE, account


def test_conditions_are_used_scanned_and_verified(chain: Chain, tmp_path: Path) -> None:
    _, oracle, alice, bob = chain.accounts[:4]
    binary, triple = keccak256(b"binary"), keccak256(b"triple")
    first, second = chain.prepare(oracle, binary, 2), chain.prepare(oracle, triple, 3)
    chain.change(alice, "splitPosition", first, 2, 1_000 * WHOLE)
    chain.change(bob, "splitPosition", second, 3, 600 * WHOLE + 1)
    chain.change(alice, "mergePositions", first, 2, 150 * WHOLE)
    chain.give(alice, bob, chain.position(first, 0), 250 * WHOLE)
    batch = "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)"
    both = [chain.position(second, 1), chain.position(second, 2)]
    chain.send(bob, chain.tokens, batch, bob, alice, both, [7, 200 * WHOLE], b"")
    folder = tmp_path / "ledger"
    with workspace(chain, folder) as ledger:
        report = ledger.sync()
    assert (report["state"], report["unbalanced"]) == ("done", 0)
    assert (report["rows"]["preparations"], report["rows"]["position_changes"]) == (2, 3)
    verified(chain, folder)

    chain.resolve(oracle, binary, [1, 0])
    chain.resolve(oracle, triple, [1, 2, 1])
    chain.redeem(bob, first, [1, 2])
    chain.redeem(alice, second, [2, 4])
    chain.redeem(bob, second, [1])
    with workspace(chain, folder) as ledger:
        report = ledger.sync()
        payouts = dict(ledger.sql("SELECT condition_id, payout_numerators FROM conditions").document["rows"])
    assert (report["rows"]["resolutions"], report["rows"]["redemptions"], report["rows"]["unknown_logs"]) == (2, 3, 0)
    assert payouts == {f"0x{first.hex()}": [1, 0], f"0x{second.hex()}": [1, 2, 1]}
    verified(chain, folder)
    with workspace(chain, tmp_path / "at once") as ledger:
        assert ledger.sync()["state"] == "done"
    assert_equal_ledgers(exports(folder), exports(tmp_path / "at once"))


@pytest.mark.parametrize("depth", [1, 3, 9])
def test_a_reorganisation_of_the_real_chain(depth: int, chain: Chain, tmp_path: Path) -> None:
    _, oracle, alice, bob = chain.accounts[:4]
    question, orphaned = keccak256(b"stays"), keccak256(b"is orphaned")
    condition = chain.prepare(oracle, question, 2)
    chain.change(alice, "splitPosition", condition, 2, 500 * WHOLE)
    chain.rpc("anvil_mine", hex(20))
    # The branch that goes: a preparation, a split, a gift to somebody not seen before, a resolution, a redemption.
    lost = chain.prepare(oracle, orphaned, 3)
    chain.change(bob, "splitPosition", lost, 3, 40 * WHOLE)
    chain.give(alice, chain.accounts[0], chain.position(condition, 1), 10 * WHOLE)
    chain.rpc("anvil_mine", hex(3))
    chain.resolve(oracle, question, [0, 1])
    chain.redeem(alice, condition, [1, 2])
    chain.give(bob, alice, chain.position(lost, 2), WHOLE)
    folder = tmp_path / "followed"
    with workspace(chain, folder) as ledger:
        assert ledger.sync()["state"] == "done"
    verified(chain, folder)
    head = int(chain.rpc("eth_blockNumber"), 16)
    before = chain.rpc("eth_getBlockByNumber", hex(head), False)["hash"]
    time.sleep(1)  # the other branch has other times, so other hashes
    other = {"from": bob, "to": chain.tokens, "gas": hex(1_000_000)}
    other["data"] = calldata(
        "splitPosition(address,bytes32,bytes32,uint256[],uint256)",
        [chain.collateral, ROOT, condition, [1, 2], 77 * WHOLE],
    )
    chain.rpc("anvil_reorg", depth, [[other, 0]])
    assert chain.rpc("eth_getBlockByNumber", hex(head), False)["hash"] != before
    chain.rpc("anvil_mine", "0x1")
    with duckdb.connect(str(folder / "ledger.duckdb"), read_only=True) as connection:
        ((common,),) = connection.execute(
            "SELECT max(number) FROM chain.blocks WHERE number <= ?", [head - depth]
        ).fetchall()
    with workspace(chain, folder) as ledger:
        report = ledger.sync()
    # Taken back to the newest block the ledger knows on the common part, and no further.
    assert [one["to_block"] for one in report["rolled_back"]] == [common]
    verified(chain, folder)
    with workspace(chain, tmp_path / "final") as ledger:
        assert ledger.sync()["state"] == "done"
    assert_equal_ledgers(exports(folder), exports(tmp_path / "final"))
