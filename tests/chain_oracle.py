"""An independent reading of logs, the oracle for the vectorised decoder: eth-abi and plain Python, log by log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi import decode as abi_decode
from eth_abi import encode as abi_encode
from eth_utils import keccak

Arguments = Sequence[tuple[str, str, bool]]
"""Name, ABI type and whether indexed, in the order of the declaration."""

TX_SHIFT = 16
ZERO_ADDRESS = bytes(20)


def signature(name: str, arguments: Arguments) -> str:
    return f"{name}({','.join(kind for _, kind, _ in arguments)})"


def topic_of(text: str) -> str:
    return "0x" + keccak(text=text).hex()


def make_log(
    name: str,
    arguments: Arguments,
    values: Mapping[str, Any],
    address: str,
    *,
    block: int = 100,
    transaction_index: int = 0,
    log_index: int = 0,
) -> dict[str, Any]:
    """An eth_getLogs record of the event, its data encoded by eth-abi."""
    topics = [topic_of(signature(name, arguments))]
    topics += ["0x" + abi_encode([kind], [values[key]]).hex() for key, kind, indexed in arguments if indexed]
    plain = [(kind, values[key]) for key, kind, indexed in arguments if not indexed]
    data = abi_encode([kind for kind, _ in plain], [value for _, value in plain])
    return {
        "address": address,
        "topics": topics,
        "data": "0x" + data.hex(),
        "blockNumber": hex(block),
        "blockHash": "0x" + f"{block:064x}",
        "transactionHash": "0x" + f"{block << TX_SHIFT | transaction_index:064x}",
        "transactionIndex": hex(transaction_index),
        "logIndex": hex(log_index),
        "removed": False,
    }


def read_log(arguments: Arguments, log: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a record, read by eth-abi."""
    plain = [kind for _, kind, indexed in arguments if not indexed]
    data = iter(abi_decode(plain, bytes.fromhex(log["data"][2:])))
    topics = iter(log["topics"][1:])
    return {
        name: abi_decode([kind], bytes.fromhex(next(topics)[2:]))[0] if indexed else next(data)
        for name, kind, indexed in arguments
    }


def to_json(logs: Sequence[Mapping[str, Any]]) -> bytes:
    return json.dumps(list(logs), separators=(",", ":")).encode()


def _order(values: Mapping[str, Any], *, v2: bool) -> dict[str, Any]:
    if v2:
        side, token = values["side"], values["token"]
    else:
        side = 0 if values["maker_asset"] == 0 else 1
        token = values["taker_asset"] if side == 0 else values["maker_asset"]
    gives, gets = values["maker_amount"], values["taker_amount"]
    return {
        "wallet": values["maker"],
        "side": side,
        "token": token,
        "collateral": gives if side == 0 else gets,
        "shares": gets if side == 0 else gives,
        "layout": 2 if v2 else 1,
    }


def expected_rows(name: str, table: str, address: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:  # noqa: PLR0911
    """What the tables should say, as plain values: addresses as text, 256-bit numbers as int, amounts as int."""
    row: dict[str, Any] = {"contract": address, **values}
    if table in {"fills", "matches"}:
        row.update(_order(values, v2="side" in values))
        if table == "fills":
            row["counterparty"] = values["taker"]
            row["builder"] = values.get("builder") or None
            if row["builder"] == bytes(32):
                row["builder"] = None
        return [row]
    if table == "fees_charged":
        return [{"token": 0, **row}]
    if table == "share_transfers" and "tokens" in values:
        pairs = zip(values["tokens"], values["amounts"], strict=True)
        return [{**row, "item": item, "token": t, "amount": a} for item, (t, a) in enumerate(pairs)]
    if table == "share_transfers":
        return [{**row, "item": 0}]
    if table == "position_changes":
        size = len(values["partition"]) if "partition" in values else 2
        return [{"collateral": ZERO_ADDRESS, **row, "kind": int("Merge" in name), "partition_size": size}]
    if table == "redemptions":
        return [{"collateral": ZERO_ADDRESS, "index_sets": None, "amounts": None, **row}]
    if table == "amm_trades":
        return [{**row, "side": int(name == "FPMMSell")}]
    if table == "amm_funding":
        return [{"collateral_from_fees": 0, **row, "kind": int("Removed" in name)}]
    return [row]


def comparable(row: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """An expected row in the types of a decoded one."""
    return {key: _as_type(row[key], value) for key, value in like.items() if key not in {"tx", "log_index"}}


def _as_type(value: Any, like: Any) -> Any:
    if value is None:
        return None
    if isinstance(like, bytes):
        if isinstance(value, str):
            return bytes.fromhex(value[2:])
        return value.ljust(len(like), b"\0") if isinstance(value, bytes) else value.to_bytes(len(like), "big")
    if isinstance(value, (tuple, list)):
        return [_as_type(one, sample) for one, sample in zip(value, like, strict=True)]
    return value
