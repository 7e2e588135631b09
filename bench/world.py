"""Worlds of any size: a recorded world over and over, each copy with names of its own, consistent throughout.

``python -m bench.world OUT_logs.jsonl --logs 2000000`` writes the logs (lines of JSON, as the replica reads them;
``.gz`` to compress) and a truth file beside them. Copies follow one another in blocks and time, so the books of the
whole balance and its truth is the truth of the copies together. Text is written by stamping names into one template, so
a copy costs about as much as writing it.
"""

from __future__ import annotations

import argparse
import gzip
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.data import recorded_world, truth_beside
from bench.names import Names, checksummed

_Table = NDArray[np.uint8]
_BLOCK_DIGITS, _TIME_DIGITS = 7, 8
_LISTS = ("wallets", "conditions", "fills", "matches", "operations", "transfers_usdc")
_BY_WALLET = ("deposits", "withdrawals", "final")


class Template:
    """Text with places of fixed width, each filled from a row of a table."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0
        self._places: dict[str, tuple[list[int], list[int]]] = {}

    def text(self, text: str) -> None:
        self._parts.append(text.encode())
        self._length += len(self._parts[-1])

    def place(self, table: str, row: int, width: int) -> None:
        offsets, rows = self._places.setdefault(table, ([], []))
        offsets.append(self._length)
        rows.append(row)
        self._parts.append(b" " * width)
        self._length += width

    def finish(self) -> Callable[[dict[str, _Table]], bytes]:
        """A function that stamps tables of ASCII rows (n, width) into the text."""
        blank = np.frombuffer(b"".join(self._parts), np.uint8)
        places = {name: (np.array(offsets), np.array(rows)) for name, (offsets, rows) in self._places.items()}

        def stamp(tables: dict[str, _Table]) -> bytes:
            filled = blank.copy()
            for name, (offsets, rows) in places.items():
                table = tables[name]
                windows = np.lib.stride_tricks.sliding_window_view(filled, table.shape[1], writeable=True)
                windows[offsets] = table[rows]
            return filled.tobytes()

        return stamp


class _Layout:
    """The template of a world: which name stands where."""

    def __init__(self, world: dict[str, Any], names: Names) -> None:
        self.names = list(names.in_copy(0, b""))
        self.word = {f"{name.hex():0>64}": row for row, name in enumerate(self.names) if len(name) == 32}
        self.wallet = {name.hex(): row for row, name in enumerate(self.names) if len(name) == 20}
        self.numbers = [int(block["number"], 16) for block in world["blocks"]]
        self.times = [int(block["timestamp"], 16) for block in world["blocks"]]
        self._block_row = {block["hash"]: row for row, block in enumerate(world["blocks"])}
        self.logs, self.blocks, self.transactions = Template(), Template(), Template()
        for log in world["logs"]:
            self._log(log)
        for row, block in enumerate(world["blocks"]):
            self._block(row, block)
        for row, transaction in enumerate(world["transactions"]):
            self._transaction(row, transaction)

    def tables(self, copy: int, new: dict[bytes, bytes], blocks: int, seconds: int) -> dict[str, _Table]:
        values = [new[name] for name in self.names]
        assert all(value >> 4 * _TIME_DIGITS == 0 for value in [self.times[-1] + copy * seconds]), "the clock runs out"
        return {
            "word": _ascii([value.hex().zfill(64) for value in values]),
            "wallet": _ascii([value.hex()[-40:].zfill(40) for value in values]),
            "number": _ascii([f"{number + copy * blocks:0{_BLOCK_DIGITS}x}" for number in self.numbers]),
            "time": _ascii([f"{moment + copy * seconds:0{_TIME_DIGITS}x}" for moment in self.times]),
        }

    def _hash(self, template: Template, value: str) -> None:
        template.text('"0x')
        template.place("word", self.word[value[2:]], 64)
        template.text('"')

    def _words(self, template: Template, digits: str) -> None:
        for start in range(0, len(digits), 64):
            word = digits[start : start + 64]
            if word in self.word:
                template.place("word", self.word[word], 64)
            elif word[24:] in self.wallet and word.startswith("0" * 24):
                template.text("0" * 24)
                template.place("wallet", self.wallet[word[24:]], 40)
            else:
                template.text(word)

    def _where(self, template: Template, block_hash: str, timestamp: str) -> None:
        row = self._block_row[block_hash]
        template.text('"blockNumber":"0x')
        template.place("number", row, _BLOCK_DIGITS)
        template.text('","blockHash":')
        self._hash(template, block_hash)
        if timestamp:
            template.text(f',"{timestamp}":"0x')
            template.place("time", row, _TIME_DIGITS)
            template.text('"')

    def _log(self, log: dict[str, Any]) -> None:
        template = self.logs
        template.text(f'{{"address":"{log["address"]}","topics":[')
        for number, topic in enumerate(log["topics"]):
            template.text('"0x' if number == 0 else '","0x')
            self._words(template, topic[2:])
        template.text('"],"data":"0x')
        self._words(template, log["data"][2:])
        template.text('",')
        self._where(template, log["blockHash"], "blockTimestamp")
        template.text(',"transactionHash":')
        self._hash(template, log["transactionHash"])
        template.text(
            f',"transactionIndex":"{log["transactionIndex"]}","logIndex":"{log["logIndex"]}","removed":false}}\n'
        )

    def _block(self, row: int, block: dict[str, Any]) -> None:
        template = self.blocks
        template.text('{"number":"0x' if row == 0 else ',{"number":"0x')
        template.place("number", row, _BLOCK_DIGITS)
        template.text('","hash":')
        self._hash(template, block["hash"])
        template.text(',"parentHash":"0x')
        before = 0 if row == 0 else self.word[block["parentHash"][2:]]
        template.place("word", before, 64)
        template.text('","timestamp":"0x')
        template.place("time", row, _TIME_DIGITS)
        template.text('","transactions":[')
        for number, transaction in enumerate(block["transactions"]):
            template.text(",") if number else None
            self._hash(template, transaction)
        template.text("]}")

    def _transaction(self, row: int, transaction: dict[str, Any]) -> None:
        template = self.transactions
        template.text('{"hash":' if row == 0 else ',{"hash":')
        self._hash(template, transaction["hash"])
        for side in ("from", "to"):
            address = transaction[side]
            template.text(f',"{side}":')
            if address and address[2:].lower() in self.wallet:
                template.text('"0x')
                template.place("wallet", self.wallet[address[2:].lower()], 40)
                template.text('"')
            else:
                template.text(f'"{address.lower()}"' if address else "null")
        template.text(",")
        self._where(template, transaction["blockHash"], "")
        template.text(f',"transactionIndex":"{transaction["transactionIndex"]}"}}')


def _ascii(rows: list[str]) -> _Table:
    return np.frombuffer("".join(rows).encode(), np.uint8).reshape(len(rows), -1)


def load(logs: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A recorded world and its truth."""
    truth = truth_beside(logs)
    return tuple(msgspec.json.decode(gzip.decompress(path.read_bytes())) for path in (logs, truth))  # type: ignore[return-value]


def span(logs: Path) -> tuple[int, int]:
    """First and last block of a world, recorded or generated."""
    if logs.suffix == ".jsonl":
        with logs.open("rb") as file:
            header = msgspec.json.decode(file.readline())
    else:
        header = load(logs)[0]
    return header["from_block"], header["to_block"]


def generate(out: Path, logs: int, source: Path | None = None) -> int:
    """Writes a world of at least ``logs`` logs to ``out`` and its truth beside it; returns how many logs it has."""
    source = source or recorded_world()
    world, truth = load(source)
    names = Names.of(world, truth)
    layout = _Layout(world, names)
    copies = math.ceil(logs / len(world["logs"]))
    blocks, seconds = len(world["blocks"]), layout.times[-1] - layout.times[0] + 2
    renamed, parent = [], bytes(32)
    for copy in range(copies):
        renamed.append(names.in_copy(copy, parent))
        parent = renamed[-1][names.blocks[-1]]
    tables = [layout.tables(copy, new, blocks, seconds) for copy, new in enumerate(renamed)]
    last = world["from_block"] + copies * blocks - 1
    with _created(out) as file:
        file.write(
            f'{{"chain_id":{world["chain_id"]},"from_block":{world["from_block"]},"to_block":{last},"blocks":['.encode()
        )
        _write_joined(file, map(layout.blocks.finish(), tables))
        file.write(b'],"transactions":[')
        _write_joined(file, map(layout.transactions.finish(), tables))
        file.write(b"]}\n")
        stamp = layout.logs.finish()
        for table in tables:
            file.write(stamp(table))
    with _created(truth_beside(out)) as file:
        _write_truth(file, truth, renamed)
    return copies * len(world["logs"])


@contextmanager
def _created(path: Path) -> Iterator[IO[bytes]]:
    with gzip.open(path, "wb", compresslevel=1) if path.suffix == ".gz" else path.open("wb") as file:
        yield file  # type: ignore[misc]


def _write_joined(file: IO[bytes], parts: Iterable[bytes]) -> None:
    for number, part in enumerate(parts):
        file.write(b"," if number else b"")
        file.write(part)


def _write_truth(file: IO[bytes], truth: dict[str, Any], renamed: list[dict[bytes, bytes]]) -> None:
    """The truth of all copies in the form of the recorded one; what is summed by wallet is summed over copies."""
    texts = [_texts(new) for new in renamed]
    rest = {name: value for name, value in truth.items() if name not in {*_LISTS, *_BY_WALLET}}
    rest["log_count"] = truth["log_count"] * len(renamed)
    for name in _BY_WALLET:
        rest[name] = {}
        for text in texts:
            rest[name] = _sum(rest[name], _rename(truth[name], text))
    file.write(msgspec.json.encode(rest)[:-1])
    for name in _LISTS:
        file.write(f',"{name}":['.encode())
        _write_joined(
            file,
            (
                msgspec.json.encode([_retitle(_rename(row, text), copy) for row in truth[name]])[1:-1]
                for copy, text in enumerate(texts)
                if truth[name]
            ),
        )
        file.write(b"]")
    file.write(b"}")


def _texts(new: dict[bytes, bytes]) -> dict[str, str]:
    """New text by old text, in every form that a truth file writes names in."""
    texts: dict[str, str] = {}
    for old, name in new.items():
        if len(old) == 20:
            texts[checksummed(old)] = checksummed(name)
        elif len(old) == 32:
            texts["0x" + old.hex()] = "0x" + name.hex()
            texts["convert:0x" + old.hex()] = "convert:0x" + name.hex()
            texts[str(int.from_bytes(old))] = str(int.from_bytes(name))
    return texts


def _rename(value: Any, texts: dict[str, str]) -> Any:
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, dict):
        return {texts.get(key, key): _rename(inner, texts) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rename(inner, texts) for inner in value]
    return value


def _retitle(row: Any, copy: int) -> Any:
    """Markets of a copy have ids and titles of their own."""
    if copy and isinstance(row, dict) and "market_id" in row:
        row["market_id"] = str(int(row["market_id"]) + 1000 * copy)
        row["event_id"] = str(int(row["event_id"]) + 1000 * copy)
        row["slug"] = f"{row['slug']}-{copy}"
        row["question"] = f"{row['question']} ({copy})"
    return row


def _sum(left: Any, right: Any) -> Any:
    if isinstance(left, dict):
        both = {key: _sum(left[key], right[key]) for key in left.keys() & right.keys()}
        return left | right | both
    return left + right


def main() -> None:
    """The command line of the generator."""
    parser = argparse.ArgumentParser(prog="python -m bench.world", description="Write a consistent world of any size.")
    parser.add_argument(
        "out", type=Path, help="NAME_logs.jsonl or NAME_logs.jsonl.gz; NAME_truth.json.gz is put beside it"
    )
    parser.add_argument("--logs", type=int, default=2_000_000, help="at least so many logs")
    parser.add_argument(
        "--source", type=Path, help="a recorded world (NAME_logs.json.gz); default: the largest at hand"
    )
    arguments = parser.parse_args()
    started = time.perf_counter()
    count = generate(arguments.out, arguments.logs, arguments.source)
    print(f"{count:,} logs in {arguments.out} after {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
