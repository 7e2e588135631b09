"""Who and what is called how in each copy of a world: everything that derives on chain is derived again.

Copy 0 keeps all names. In copy k wallets, transactions, order hashes and question ids of plain markets are hashes of
the old name and k; a neg-risk market id is the adapter's hash of new metadata, its questions follow from it, every
condition id from oracle and question id, every token id from collateral and condition; a block's hash depends on its
parent's. Contracts, operator, oracle, administrator and fee vault stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from polyledger.ctf.identity import condition_id, neg_risk_market_id, neg_risk_question_id, token_ids
from polyledger.ctf.keccak import keccak256

_MARKET_PREPARED = "0xf059ab16d1ca60e123eab60e3c02b68faf060347c701a5d14885a8e1def7b3a8"
_ORDER_TOPICS = (  # OrderFilled, OrdersMatched (v1, V2), OrderCancelled, FeeRefunded: topic 1 is an order hash
    "0xd0a08e8c493f9c94f29311604c9de1b4e8c8d4c06bd0c789af57f2d65bfec0f6",
    "0xd543adfd945773f1a62f74f0ee55a5e3b9b1a28262980ba90b1a89f2ea84d8ee",
    "0x63bf4d16b7fa898ef4c4b2b6d90fd201e9c56313b65638af6088d149d2ce956c",
    "0x174b3811690657c217184f89418266767c87e4805d09680c39fc9c031c0cab7c",
    "0x5152abf959f6564662358c2e52b702259b78bac5ee7842a0f01937e670efcc7d",
    "0xb608d2bf25d8b4b744ba23ce2ea9802ea955e216c064a62f42152fbf98958d24",
)


@dataclass(frozen=True, slots=True)
class Market:
    """A neg-risk market as it was prepared."""

    identity: bytes
    operator: bytes
    fee_bips: int
    metadata: bytes


@dataclass(frozen=True, slots=True)
class Names:
    """All names of a recorded world that change from copy to copy."""

    wallets: list[bytes]
    hashes: list[bytes]  # transactions and orders
    blocks: list[bytes]  # in chain order
    markets: list[Market]
    conditions: list[dict[str, Any]]  # rows of the truth file

    @classmethod
    def of(cls, world: dict[str, Any], truth: dict[str, Any]) -> Names:
        logs = world["logs"]
        orders = {log["topics"][1] for log in logs if log["topics"][0] in _ORDER_TOPICS}
        transactions = {transaction for block in world["blocks"] for transaction in block["transactions"]}
        return cls(
            wallets=[_bytes(wallet) for wallet in truth["wallets"]],
            hashes=sorted(_bytes(name) for name in orders | transactions | {log["transactionHash"] for log in logs}),
            blocks=[_bytes(block["hash"]) for block in world["blocks"]],
            markets=[_market(log) for log in logs if log["topics"][0] == _MARKET_PREPARED],
            conditions=truth["conditions"],
        )

    def in_copy(self, copy: int, parent: bytes) -> dict[bytes, bytes]:
        """New name by old name in one copy; ``b""`` becomes ``parent``, the hash of the block before the copy."""
        new = {b"": parent}
        if copy == 0:
            return new | {old: old for old in self._all()}
        salt = copy.to_bytes(8)
        new |= {wallet: keccak256(wallet + salt)[12:] for wallet in self.wallets}
        new |= {old: keccak256(old + salt) for old in self.hashes}
        for old in self.blocks:
            parent = new[old] = keccak256(parent + old)
        for number, market in enumerate(self.markets):
            metadata = _metadata(market, copy * len(self.markets) + number)
            new[_word(market.metadata)] = _word(metadata)
            new[market.identity] = neg_risk_market_id(market.operator, market.fee_bips, metadata)
        for row in self.conditions:
            new |= self._condition(row, new, salt)
        return new

    def _condition(self, row: dict[str, Any], new: dict[bytes, bytes], salt: bytes) -> dict[bytes, bytes]:
        old = _bytes(row["question_id"])
        if row["neg_risk"]:
            question = neg_risk_question_id(new[_bytes(row["neg_risk_market_id"])], row["neg_risk_index"])
        else:
            question = keccak256(old + salt)
        slots = row["outcome_slot_count"]
        condition = condition_id(_bytes(row["oracle"]), question, slots)
        tokens = token_ids(condition, slots, _bytes(row["collateral"]))
        old_tokens = [int(token).to_bytes(32) for token in row["token_ids"]]
        renamed = {old: question, _bytes(row["condition_id"]): condition}
        return renamed | {before: token.to_bytes(32) for before, token in zip(old_tokens, tokens, strict=True)}

    def _all(self) -> list[bytes]:
        rows = self.conditions
        return [
            *self.wallets,
            *self.hashes,
            *self.blocks,
            *(market.identity for market in self.markets),
            *(_word(market.metadata) for market in self.markets),
            *(_bytes(row[name]) for row in rows for name in ("question_id", "condition_id")),
            *(int(token).to_bytes(32) for row in rows for token in row["token_ids"]),
        ]


def checksummed(address: bytes) -> str:
    """The mixed-case form of an address (EIP-55), as the truth files have it."""
    plain = address.hex()
    digest = keccak256(plain.encode()).hex()
    return "0x" + "".join(
        letter.upper() if int(nibble, 16) >= 8 else letter for letter, nibble in zip(plain, digest, strict=False)
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _word(metadata: bytes) -> bytes:
    return metadata.ljust(32, b"\0")


def _market(log: dict[str, Any]) -> Market:
    data = _bytes(log["data"])
    length = int.from_bytes(data[64:96])
    operator, fee_bips, metadata = _bytes(log["topics"][2])[12:], int.from_bytes(data[:32]), data[96 : 96 + length]
    identity = _bytes(log["topics"][1])
    assert length <= 32, "the metadata of a recorded market fits in one word"
    assert identity == neg_risk_market_id(operator, fee_bips, metadata), "a recorded market id derives"
    return Market(identity, operator, fee_bips, metadata)


def _metadata(market: Market, number: int) -> bytes:
    """New metadata as long as the old, so that the layout of the log stays."""
    return f"m{number:0{len(market.metadata) - 1}d}".encode()
