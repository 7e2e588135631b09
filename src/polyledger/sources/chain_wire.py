"""What goes to a node and comes back: queries of logs, block headers, the records that a scan yields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import numpy as np

from polyledger.ctf import events
from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.keccak import keccak256
from polyledger.ctf.logs import LogColumns
from polyledger.domain.errors import RateLimitedError, SchemaMismatchError, UpstreamUnavailableError
from polyledger.net import Call, JsonRpcClient, MethodUnavailableError, Reply

BLOCK_NUMBER: Final = Call("eth_blockNumber")
CHAIN_ID: Final = Call("eth_chainId")
TRANSFER_TOPIC: Final = events.ERC20_TRANSFER.topic
AMM_TOPICS: Final = tuple(
    event.topic for event in (events.FPMM_BUY, events.FPMM_SELL, events.FPMM_FUNDING_ADDED, events.FPMM_FUNDING_REMOVED)
)
ACCESS_TOPICS: Final = (events.NEW_OPERATOR.topic, events.NEW_ADMIN.topic)
KNOWN_TOPICS: Final = tuple(
    sorted(
        {value.topic for value in vars(events).values() if isinstance(value, events.Event)}
        | {keccak256(signature.encode()) for signature in events.MINOR_SIGNATURES}
    )
)


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain stands: the newest block, and the newest that cannot change any more.

    `finalized_known` is false when the node does not know the tag and a fixed distance was taken instead.
    """

    latest: int
    finalized: int
    finalized_known: bool


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header as far as it is needed. Hashes are 32 bytes, `logs_bloom` 256; `timestamp` in seconds."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    logs_bloom: bytes | None


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """The body of one answer as it came, with the blocks it is about; `endpoint` is masked."""

    endpoint: str
    from_block: int
    to_block: int
    received_at: float  # seconds since 1970
    body: bytes


@dataclass(frozen=True, slots=True)
class ScannedRange:
    """All logs of the blocks `from_block` … `to_block`, sorted by (block, log index), each once.

    `first` and `last` are the headers of the two border blocks. `logs.timestamp` is complete; `timestamps` holds those
    that were fetched from headers because the logs did not carry them. `bodies` are the answers themselves, where the
    source was told to keep them.
    """

    from_block: int
    to_block: int
    logs: LogColumns
    first: Header
    last: Header
    timestamps: dict[int, int] = field(default_factory=dict)
    requests: int = 0
    bodies: list[RawAnswer] = field(default_factory=list)

    @property
    def blocks(self) -> int:
        """How many blocks it spans."""
        return self.to_block - self.from_block + 1

    @staticmethod
    def united(parts: Sequence[ScannedRange]) -> ScannedRange:
        """Neighbouring ranges, in order, as one."""
        if len(parts) == 1:
            return parts[0]
        return ScannedRange(
            parts[0].from_block,
            parts[-1].to_block,
            LogColumns.concat([part.logs for part in parts]),
            parts[0].first,
            parts[-1].last,
            timestamps={number: stamp for part in parts for number, stamp in part.timestamps.items()},
            requests=sum(part.requests for part in parts),
            bodies=[body for part in parts for body in part.bodies],
        )

    def with_logs(self, logs: LogColumns) -> ScannedRange:
        """The same range with other logs (sorted); timestamps they lack are taken from the logs it had."""
        numbers, places = np.unique(self.logs.block, return_index=True)
        missing = (logs.timestamp < 0) & np.isin(logs.block, numbers)
        stamps = logs.timestamp.copy()
        stamps[missing] = self.logs.timestamp[places[np.searchsorted(numbers, logs.block[missing])]]
        return replace(self, logs=replace(logs, timestamp=stamps))


@dataclass(frozen=True, slots=True)
class Query:
    """A filter of ``eth_getLogs``: addresses (empty: any) and, per topic place, alternatives (None: any)."""

    addresses: tuple[bytes, ...] = ()
    topics: tuple[tuple[bytes, ...] | None, ...] = ()

    def call(self, from_block: int, to_block: int) -> Call:
        """The call that asks for these logs in a range of blocks."""
        criteria: dict[str, Any] = {"fromBlock": hex(from_block), "toBlock": hex(to_block)}
        if self.addresses:
            criteria["address"] = [_hex(address) for address in self.addresses]
        if self.topics:
            criteria["topics"] = [None if place is None else [_hex(topic) for topic in place] for place in self.topics]
        return Call("eth_getLogs", (criteria,))

    def halves(self) -> tuple[Query, Query] | None:
        """Two queries that together ask for the same, by address, then by topic; None when it cannot be divided.

        A query of one address without a topic is divided over the events that are known.
        """
        if len(self.addresses) > 1:
            middle = len(self.addresses) // 2
            return Query(self.addresses[:middle], self.topics), Query(self.addresses[middle:], self.topics)
        topics = self.topics or (KNOWN_TOPICS,)
        for place, choices in enumerate(topics):
            if choices is not None and len(choices) > 1:
                middle = len(choices) // 2
                before, after = topics[:place], topics[place + 1 :]
                return (
                    Query(self.addresses, (*before, choices[:middle], *after)),
                    Query(self.addresses, (*before, choices[middle:], *after)),
                )
        return None


def transfer_queries(collaterals: Sequence[bytes], accounts: Sequence[bytes] | None) -> list[Query]:
    """Transfers of `collaterals` from and to `accounts`; all transfers when `accounts` is None."""
    if not collaterals:
        return []
    addresses, transfer = tuple(collaterals), (TRANSFER_TOPIC,)
    if accounts is None:
        return [Query(addresses, (transfer,))]
    if not accounts:
        return []
    padded = padded_addresses(accounts)
    return [Query(addresses, (transfer, padded)), Query(addresses, (transfer, None, padded))]


def transfers_between(collaterals: Sequence[bytes], ones: Sequence[bytes], others: Sequence[bytes]) -> list[Query]:
    """Transfers of `collaterals` from one of `ones` to one of `others`, and back."""
    if not (collaterals and ones and others):
        return []
    addresses, transfer = tuple(collaterals), (TRANSFER_TOPIC,)
    left, right = padded_addresses(ones), padded_addresses(others)
    return [Query(addresses, (transfer, left, right)), Query(addresses, (transfer, right, left))]


def queries_of(contracts: ContractSet, accounts: Sequence[bytes] | None) -> list[Query]:
    """Everything that is asked of one range of blocks; `accounts` as in `transfer_queries`."""
    queries = [Query(contracts.log_addresses)] if contracts.log_addresses else []
    queries += transfer_queries(contracts.transfer_collaterals, accounts)
    if contracts.with_role(Role.FPMM_FACTORY):
        queries.append(Query((), (AMM_TOPICS,)))
    return queries


def header_call(block: int | str) -> Call:
    """The call for the header of a block, by number or tag."""
    return Call("eth_getBlockByNumber", (hex(block) if isinstance(block, int) else block, False))


class _WireHeader(msgspec.Struct):
    number: str
    hash: str
    parentHash: str  # noqa: N815 - names on the wire
    timestamp: str
    logsBloom: str | None = None  # noqa: N815


class _WireReceipt(msgspec.Struct):
    transactionHash: str  # noqa: N815
    logs: msgspec.Raw


_HEADER: Final = msgspec.json.Decoder(_WireHeader)
_RECEIPT: Final = msgspec.json.Decoder(_WireReceipt)
_TEXT: Final = msgspec.json.Decoder(str)


def read_header(raw: msgspec.Raw, number: int | None = None) -> Header:
    """The header in a result. Raises SchemaMismatchError when a field is malformed or it is of another block."""
    try:
        wire = _HEADER.decode(raw)
        header = Header(
            number=int(wire.number, 16),
            hash=_word(wire.hash),
            parent_hash=_word(wire.parentHash),
            timestamp=int(wire.timestamp, 16),
            logs_bloom=_bytes(wire.logsBloom) if wire.logsBloom else None,
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise SchemaMismatchError(
            f"A block header does not have the documented shape: {error}", "Try another endpoint in chain.rpc_url"
        ) from error
    if number is not None and header.number != number:
        raise SchemaMismatchError(
            f"A node answered with block {header.number} when it was asked for block {number}",
            "Try another endpoint in chain.rpc_url",
        )
    return header


def read_receipt_logs(raw: msgspec.Raw, transaction_hash: bytes) -> msgspec.Raw:
    """The logs in a receipt, as raw JSON. Raises SchemaMismatchError when it is no receipt of that transaction."""
    try:
        receipt = _RECEIPT.decode(raw)
        is_ours = _word(receipt.transactionHash) == transaction_hash
    except (msgspec.DecodeError, ValueError) as error:
        raise SchemaMismatchError(f"A receipt does not have the documented shape: {error}") from error
    if not is_ours:
        raise SchemaMismatchError(f"A node answered with another receipt than that of {_hex(transaction_hash)}")
    return receipt.logs


def read_quantity(raw: msgspec.Raw, name: str) -> int:
    """A hex number in a result. Raises SchemaMismatchError naming `name`."""
    try:
        return int(_TEXT.decode(raw), 16)
    except (msgspec.DecodeError, ValueError) as error:
        shown = bytes(raw)[:80].decode("utf-8", "replace")
        raise SchemaMismatchError(f"{name} answered with {shown}, which is no hex number") from error


def required(endpoint: JsonRpcClient, call: Call, reply: Reply) -> msgspec.Raw:
    """The result in a reply that must have one.

    Raises:
        RateLimitedError, UpstreamUnavailableError: a fault that may pass, a missing or null result included.
        MethodUnavailableError: the node does not have the method.
    """
    if reply.error is not None:
        error = endpoint.source_error(call.method, reply.error)
        if isinstance(error, RateLimitedError | MethodUnavailableError):
            raise error
        raise UpstreamUnavailableError(error.what)
    if reply.result is None or reply.is_null:
        raise UpstreamUnavailableError(f"{endpoint.name} answered {call.method} with nothing")
    return reply.result


def padded_address(address: bytes) -> bytes:
    """An address as it stands in a topic."""
    return address.rjust(32, b"\0")


def padded_addresses(addresses: Sequence[bytes]) -> tuple[bytes, ...]:
    """Several addresses as they stand in topics."""
    return tuple(padded_address(address) for address in addresses)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError(f"{text[:20]!r} does not begin with 0x")
    return bytes.fromhex(text[2:])


def _word(text: str) -> bytes:
    value = _bytes(text)
    if len(value) != 32:
        raise ValueError(f"{text[:80]!r} is not a 32-byte hash")
    return value
