"""A recorded world: the logs, blocks and transactions of a chain, and what its markets are called.

A world is a file ``NAME_logs.json.gz`` (also ``.json``, ``.jsonl`` and ``.jsonl.gz``) with a ``NAME_truth.json.gz`` (or
``.json``) beside it that names the markets. Market objects that the CLOB itself once answered may stand beside it too,
one a line in ``NAME_clob.jsonl.gz`` (or ``.jsonl``): they are served as they were recorded. In the JSONL form of the
logs the first line is the object without its ``logs`` and each further line is one log; it is read in pieces, so a
large world needs only the memory it will be served from.
"""

from __future__ import annotations

import gc
import gzip
from collections.abc import Iterator
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from polyledger.domain.errors import ConfigurationError
from polyledger.replica.logs import LogIndex, LogIndexBuilder, LogRecord

_CHUNK = 50_000  # logs decoded at a time; bounds the memory that loading needs on top of the world itself
_NO_HASH = "0x" + "0" * 64


class BlockRecord(msgspec.Struct, rename="camel", gc=False):
    """One recorded block header with the hashes of its transactions."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    transactions: list[str] = []


class TransactionRecord(msgspec.Struct, gc=False):
    """One recorded transaction: who sent it where."""

    hash: str
    sender: str = msgspec.field(name="from")
    to: str | None = None


class MarketRecord(msgspec.Struct, gc=False):
    """What a market is called, and the ids by which the services know it; token ids in order of the outcomes."""

    market_id: str
    condition_id: str
    question_id: str
    oracle: str
    token_ids: list[str]
    outcomes: list[str]
    question: str
    slug: str
    event_id: str
    category: str | None = None
    neg_risk: bool = False
    neg_risk_market_id: str | None = None
    neg_risk_index: int | None = None
    fee_rate_bps: int = 0
    parent_event_id: str | None = None


class _Header(msgspec.Struct):
    chain_id: int
    from_block: int
    to_block: int
    blocks: list[BlockRecord]
    transactions: list[TransactionRecord] = []


class _WorldFile(_Header, kw_only=True):
    logs: list[msgspec.Raw]


class _TruthFile(msgspec.Struct):
    conditions: list[MarketRecord]


class World(msgspec.Struct):
    """Everything the replica serves from.

    Attributes:
        name: the file name without its ending.
        blocks: recorded headers by number; a number without one gets a made-up, consistent header when served.
        transactions: by hash; may lack transactions that the recording did not list.
        markets: None when no truth file stands beside the logs.
        clob_rows: recorded market objects of the CLOB by condition id; others are made from `markets`.
    """

    name: str
    chain_id: int
    from_block: int
    to_block: int
    logs: LogIndex
    blocks: dict[int, BlockRecord]
    transactions: dict[str, TransactionRecord]
    markets: list[MarketRecord] | None
    clob_rows: dict[str, dict[str, Any]] = {}


def load_world(path: Path | str | None = None) -> World:
    """Read a world; without a path the one that ships with the package.

    Raises:
        ConfigurationError: there is no such file, or it does not have the shape of a world.
    """
    if path is None:
        shipped = resources.files("polyledger.replica").joinpath("worlds", "devworld_logs.json.gz")
        with resources.as_file(shipped) as file:
            return _load(file)
    return _load(Path(path))


def _load(path: Path) -> World:
    if not path.is_file():
        raise ConfigurationError(f"There is no world at {path}", "Name a file such as devworld_logs.json.gz")
    # Millions of short-lived strings and lists, none of them in cycles: the collector would only look at them again
    # and again, for a third of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with _opened(path) as file:
            header, index = _read_lines(file) if ".jsonl" in path.name else _read_document(file)
        truth = _beside(path, "_truth.json.gz", "_truth.json")
        markets = None if truth is None else _read_truth(truth)
        clob = _beside(path, "_clob.jsonl.gz", "_clob.jsonl")
        clob_rows = {} if clob is None else _read_clob_rows(clob)
    except (msgspec.MsgspecError, ValueError, KeyError, OSError, EOFError) as error:
        raise ConfigurationError(f"{path} is not a recorded world: {error}", "Record it again") from error
    finally:
        if collecting:
            gc.enable()
    blocks = {int(block.number, 16): block for block in header.blocks}
    first = blocks.get(header.from_block)
    if first is not None and first.parent_hash == _NO_HASH:
        first.parent_hash = ""  # the recording node started here; the block before gets a made-up header
    return World(
        name=path.name.split("_logs")[0].split(".")[0],
        chain_id=header.chain_id,
        from_block=header.from_block,
        to_block=header.to_block,
        logs=index,
        blocks=blocks,
        transactions={transaction.hash: transaction for transaction in header.transactions},
        markets=markets,
        clob_rows=clob_rows,
    )


def _opened(path: Path) -> BinaryIO:
    if path.name.endswith(".gz"):
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def _read_document(file: BinaryIO) -> tuple[_Header, LogIndex]:
    document = msgspec.json.decode(file.read(), type=_WorldFile)
    builder = LogIndexBuilder()
    decoder = msgspec.json.Decoder(list[LogRecord])
    for start in range(0, len(document.logs), _CHUNK):
        builder.add(decoder.decode(b"[" + b",".join(document.logs[start : start + _CHUNK]) + b"]"))
    return document, builder.build()


def _read_lines(file: BinaryIO) -> tuple[_Header, LogIndex]:
    header = msgspec.json.decode(file.readline(), type=_Header)
    builder = LogIndexBuilder()
    decoder = msgspec.json.Decoder(LogRecord)
    for lines in _chunks(file):
        builder.add(decoder.decode_lines(b"".join(lines)))
    return header, builder.build()


def _chunks(file: BinaryIO) -> Iterator[list[bytes]]:
    while lines := list(islice(file, _CHUNK)):
        yield lines


def _beside(path: Path, *endings: str) -> Path | None:
    """The file of the same world with the first of these endings that there is."""
    stem = path.name.split("_logs")[0]
    for ending in endings:
        candidate = path.with_name(stem + ending)
        if candidate.is_file():
            return candidate
    return None


def _read_truth(path: Path) -> list[MarketRecord]:
    with _opened(path) as file:
        markets = msgspec.json.decode(file.read(), type=_TruthFile).conditions
    for market in markets:
        market.oracle = market.oracle.lower()
        market.condition_id = market.condition_id.lower()
    return sorted(markets, key=lambda market: int(market.market_id))


def _read_clob_rows(path: Path) -> dict[str, dict[str, Any]]:
    with _opened(path) as file:
        rows = msgspec.json.Decoder(dict[str, Any]).decode_lines(file.read())
    return {str(row["condition_id"]).lower(): row for row in rows}
