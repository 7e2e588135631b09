"""JSON-RPC as a Polygon node speaks it, over the recorded chain."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from polyledger.ctf.keccak import keccak256
from polyledger.replica.chain import Chain
from polyledger.replica.faults import Dice, RpcFaults, range_refusal
from polyledger.replica.logs import LogFilter, LogRecord, parse_filter

Pieces = list[bytes | memoryview]  # of a body, which is never put together: large ones are costly to copy

_EVERYTHING = LogFilter()
_TIMESTAMP = re.compile(rb',"blockTimestamp":"0x[0-9a-f]*"')
_ZERO_WORD = "0x" + "0" * 64
_NO_SENDER = "0x" + "0" * 40
_UNCLES = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"


class RpcError(Exception):
    """An error object of JSON-RPC."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class RpcNode:
    """Answers JSON-RPC request bodies. ``calls`` counts them by method, ``logs`` the logs handed out."""

    def __init__(self, chain: Chain, faults: RpcFaults, dice: Dice) -> None:
        self.chain = chain
        self.faults = faults
        self.dice = dice
        self.calls: Counter[str] = Counter()
        self.logs = 0

    def answer(self, body: bytes) -> Pieces:
        """The response body for one request body, single or batch, in pieces to be sent one after another."""
        try:
            request = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return _failure(None, RpcError(-32700, "parse error"))
        self.chain.count_request()
        head = self.chain.head
        if self.dice.hits(self.faults.lag_rate):
            head -= self.faults.lag_blocks  # one node behind the balancer answers the whole batch
        if not isinstance(request, list):
            return self._one(request, head)
        if not request:
            return _failure(None, RpcError(-32600, "empty batch"))
        if len(request) > self.faults.max_batch:
            return _failure(None, RpcError(-32600, f"batch too large, at most {self.faults.max_batch} calls"))
        answers = [self._one(call, head) for call in request]
        if self.faults.unordered_batches:
            self.dice.shuffle(answers)
        pieces: Pieces = [b"["]
        for answer in answers:
            pieces += answer
            pieces.append(b",")
        pieces[-1] = b"]"
        return pieces

    def _one(self, call: Any, head: int) -> Pieces:
        if not isinstance(call, dict) or not isinstance(call.get("method"), str):
            return _failure(None, RpcError(-32600, "invalid request"))
        identity, method, params = call.get("id"), call["method"], call.get("params", [])
        self.calls[method] += 1
        if self.dice.hits(self.faults.throttled_members):
            text = "Your app has exceeded its compute units per second capacity."
            return _failure(identity, RpcError(429, text))
        if self.dice.hits(self.faults.null_results):
            return _success(identity, [b"null"])
        try:
            return _success(identity, self._result(method, params, head))
        except RpcError as error:
            return _failure(identity, error)

    def _result(self, method: str, params: Any, head: int) -> Pieces:
        if not isinstance(params, list):
            raise RpcError(-32602, "non-array args")
        if method == "eth_getLogs" and method not in self.faults.missing_methods:
            return self._logs(params, head)
        handlers = {
            "eth_chainId": lambda: _quoted(hex(self.chain.world.chain_id)),
            "net_version": lambda: _quoted(str(self.chain.world.chain_id)),
            "web3_clientVersion": lambda: _quoted("polyledger-replica"),
            "eth_blockNumber": lambda: _quoted(hex(head)),
            "eth_getBlockByNumber": lambda: self._block(params, head),
            "eth_getTransactionReceipt": lambda: self._receipt(params, head),
            "eth_getBlockReceipts": lambda: self._block_receipts(params, head),
        }
        if method not in handlers or method in self.faults.missing_methods:
            raise RpcError(-32601, f"the method {method} does not exist/is not available")
        return [handlers[method]()]

    def _number(self, tag: Any, head: int) -> int:
        """Block number of a tag or hex number."""
        if tag in ("latest", "pending", None):
            return head
        if tag == "earliest":
            return 0
        if tag in ("finalized", "safe"):
            if not self.faults.finalized or tag == "safe":
                raise RpcError(-32602, f"invalid argument 0: unknown block tag {tag}")
            return max(0, head - self.faults.finalized_depth)
        try:
            return int(tag, 16)
        except (TypeError, ValueError):
            raise RpcError(-32602, f"invalid argument 0: hex string expected, got {tag!r}") from None

    def _block(self, params: list[Any], head: int) -> bytes:
        if not params:
            raise RpcError(-32602, "missing value for required argument 0")
        number = self._number(params[0], head)
        if number > head:
            return b"null"
        header = self.chain.header(number)
        transactions: list[Any] = self.chain.block_transactions(number)
        if len(params) > 1 and params[1] is True:
            transactions = [self._transaction(one, number, header.hash, at) for at, one in enumerate(transactions)]
        block = {
            "number": hex(number),
            "hash": header.hash,
            "parentHash": header.parent_hash,
            "timestamp": hex(header.timestamp),
            "nonce": "0x0000000000000000",
            "sha3Uncles": _UNCLES,
            "miner": _NO_SENDER,
            "stateRoot": _ZERO_WORD,
            "transactionsRoot": _ZERO_WORD,
            "receiptsRoot": _ZERO_WORD,
            "difficulty": "0x1",
            "extraData": "0x",
            "size": "0x400",
            "gasLimit": "0x1c9c380",
            "gasUsed": "0x0",
            "uncles": [],
            "transactions": transactions,
        }
        if self.faults.logs_bloom:
            block["logsBloom"] = _bloom(self.chain.records(_EVERYTHING, number, number))
        return msgspec.json.encode(block)

    def _transaction(self, transaction_hash: str, number: int, block_hash: str, at: int) -> dict[str, Any]:
        known = self.chain.world.transactions.get(transaction_hash)
        return {
            "hash": transaction_hash,
            "from": _NO_SENDER if known is None else known.sender,
            "to": None if known is None else known.to,
            "blockNumber": hex(number),
            "blockHash": block_hash,
            "transactionIndex": hex(at),
            "input": "0x",
            "value": "0x0",
        }

    def _logs(self, params: list[Any], head: int) -> Pieces:
        if not params or not isinstance(params[0], dict):
            raise RpcError(-32602, "missing value for required argument 0")
        query = params[0]
        if "blockHash" in query:
            raise RpcError(-32602, "this node answers ranges of numbers only")
        first, last = self._number(query.get("fromBlock"), head), self._number(query.get("toBlock"), head)
        if first > last:
            raise RpcError(-32000, "invalid block range params")
        if last > head and self.faults.past_head == "error":
            raise RpcError(-32000, f"block range extends beyond current head block {head}")
        limit = self.faults.max_block_range
        if limit is not None and last - first + 1 > limit:
            raise RpcError(*range_refusal(self.faults.range_refusal, first, last, limit))
        try:
            wanted = parse_filter(query)
            found = self.chain.select(wanted, first, min(last, head))
        except ValueError as error:
            raise RpcError(-32602, str(error)) from error
        count = sum(len(rows) for _, rows in found)
        most = self.faults.max_logs
        if most is not None and count > most:
            if not self.faults.cut_logs:
                raise RpcError(*self._too_many(found, first, last, most))
            found = [(index, rows[:most]) for index, rows in found[:1]]
            count = most
        self.logs += count
        pieces: Pieces = [b"["]
        for position, (index, rows) in enumerate(found):
            pieces += index.pieces(rows) if position == 0 else [b",", *index.pieces(rows)]
        pieces.append(b"]")
        return pieces if self.faults.block_timestamps else [_TIMESTAMP.sub(b"", b"".join(pieces))]

    def _too_many(self, found: list[Any], first: int, last: int, most: int) -> tuple[int, str]:
        """A refusal that suggests the longest range which stays within the cap, at least one block."""
        blocks = np.concatenate([index.blocks_of(rows) for index, rows in found])
        until = max(first, int(blocks[most]) - 1)
        return range_refusal(self.faults.logs_refusal, first, last, until - first + 1)

    def _receipt(self, params: list[Any], head: int) -> bytes:
        if not params or not _is_hash(params[0]):
            raise RpcError(-32602, "invalid argument 0: a transaction hash is 0x and 64 hex digits")
        wanted = params[0].lower()
        records = self.chain.transaction_records(wanted)
        if not records or int(records[0].block_number, 16) > head:
            return b"null"
        number = int(records[0].block_number, 16)
        return msgspec.json.encode(self._made_receipt(wanted, number, int(records[0].transaction_index, 16), records))

    def _block_receipts(self, params: list[Any], head: int) -> bytes:
        number = self._number(params[0] if params else None, head)
        if number > head:
            return b"null"
        records: dict[str, list[LogRecord]] = {}
        for record in self.chain.records(_EVERYTHING, number, number):
            records.setdefault(record.transaction_hash, []).append(record)
        receipts = [
            self._made_receipt(transaction, number, at, records.get(transaction, []))
            for at, transaction in enumerate(self.chain.block_transactions(number))
        ]
        return msgspec.json.encode(receipts)

    def _made_receipt(self, transaction_hash: str, number: int, at: int, logs: list[LogRecord]) -> dict[str, Any]:
        known = self.chain.world.transactions.get(transaction_hash)
        return {
            "transactionHash": transaction_hash,
            "transactionIndex": hex(at),
            "blockHash": self.chain.header(number).hash,
            "blockNumber": hex(number),
            "from": _NO_SENDER if known is None else known.sender,
            "to": None if known is None else known.to,
            "contractAddress": None,
            "cumulativeGasUsed": "0x5208",
            "gasUsed": "0x5208",
            "effectiveGasPrice": "0x0",
            "status": "0x1",
            "type": "0x2",
            "logs": logs if self.faults.block_timestamps else [_without_timestamp(log) for log in logs],
            "logsBloom": _bloom(logs),
        }


def _without_timestamp(log: LogRecord) -> LogRecord:
    return msgspec.structs.replace(log, block_timestamp=None)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("0x[0-9a-fA-F]{64}", value) is not None


def _success(identity: Any, result: Pieces) -> Pieces:
    return [b'{"jsonrpc":"2.0","id":' + msgspec.json.encode(identity) + b',"result":', *result, b"}"]


def _failure(identity: Any, error: RpcError) -> Pieces:
    document = {"jsonrpc": "2.0", "id": identity, "error": {"code": error.code, "message": error.message}}
    return [msgspec.json.encode(document)]


def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)


def _bloom(logs: list[LogRecord]) -> str:
    """The 2048-bit filter of a header: three bits for each address and topic (Yellow Paper, section 4.3.1)."""
    bits = 0
    for log in logs:
        for value in (log.address, *log.topics):
            bits |= _bloom_bits(value)
    return f"0x{bits:0512x}"


@lru_cache(maxsize=100_000)
def _bloom_bits(value: str) -> int:
    digest = keccak256(bytes.fromhex(value[2:]))
    bits = 0
    for at in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2047)
    return bits
