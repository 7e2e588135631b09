"""Rows of a mapping that somebody has → what they say of tokens, markets, events and resolutions, as Arrow tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyledger.domain.amounts import MICRO
from polyledger.domain.errors import MalformedIdError, UnreadableFileError
from polyledger.domain.ids import normal_token
from polyledger.domain.records import MarketState
from polyledger.sources.files import numbers, values
from polyledger.sources.files.columns import holds, recognise, settle_market
from polyledger.sources.files.opening import RowBatch
from polyledger.sources.files.trades import Reject
from polyledger.sources.files.values import MISSING, Coded, Refused

MAPPING_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "token": ("tokenid", "token", "tokeniddec", "assetid", "asset", "clobtokenid", "positionid"),
    "token_ids": ("tokenids", "clobtokenids", "tokens"),
    "condition": ("conditionid", "condition"),
    "outcome_index": ("outcomeindex", "outcomeidx"),
    "outcome": ("outcome", "outcomename", "outcomelabel"),
    "outcomes": ("outcomes", "outcomelabels"),
    "market_id": ("marketid", "gammamarketid", "id"),
    "slug": ("marketslug", "slug"),
    "question": ("marketquestion", "question", "title"),
    "event_id": ("eventid",),
    "event_slug": ("eventslug",),
    "event_title": ("eventtitle",),
    "category": ("category",),
    "tags": ("taglabels", "tagslugs", "tags"),
    "neg_risk": ("negrisk",),
    "closed": ("closed",),
    "resolved_outcome": ("resolvedoutcome", "winningoutcome", "winner"),
    "payouts": ("payouts", "payoutnumerators"),
    "payout_yes": ("payoutyes",),
    "payout_no": ("payoutno",),
    "resolved_at": ("resolvedat", "resolutiontime"),
    "start_time": ("starttime", "startdate"),
    "end_time": ("endtime", "enddate"),
    "closed_time": ("closedtime",),
}
_MARKET_FIELDS: Final = ("market_id", "slug", "question", "event_id", "category", "tags", "token_ids", "outcomes")
_TEXTS: Final = ("slug", "question", "event_id", "event_slug", "event_title", "category", "outcome")
_TIMES: Final = ("start_time", "end_time", "closed_time", "resolved_at")
_RESOLUTION: Final = ("resolved_outcome", "payouts", "payout_yes", "payout_no")
_LIST: Final = pa.list_(pa.string())
_YES_NO: Final = ("yes", "no")
_TRUE, _FALSE = frozenset({"true", "1", "t", "yes"}), frozenset({"false", "0", "f", "no"})


@dataclass(slots=True)
class MappingBatch:
    """What some rows of a mapping say; columns as claims have them, events as (event_id, title, slug, category)."""

    rows: int
    tokens: pa.Table | None = None
    markets: pa.Table | None = None
    resolutions: pa.Table | None = None
    events: pa.Table | None = None
    rejects: list[Reject] = field(default_factory=list)


def mapping_columns(name: str, samples: pa.Table, columns: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Ours → theirs for a file with a mapping.

    Raises:
        UnreadableFileError: nothing names a condition, or nothing says anything of it.
    """
    found = recognise(MAPPING_NAMES, columns, given)
    settle_market(found, samples, columns, given)
    if "event_id" in found and found["event_id"] not in given and not holds(samples, found["event_id"], r"^[0-9]+$"):
        del found["event_id"]  # slugs by the name of ids: kept as ids they would split each event in two
    says = {*_MARKET_FIELDS, *_RESOLUTION, "token"} & found.keys()
    if "condition" not in found or not says:
        lacking = "a condition" if "condition" not in found else "anything about a condition"
        raise UnreadableFileError(
            f"{name} has no column that names {lacking}; it has {', '.join(map(repr, columns))}",
            "Say which is which with --map, for example --map mycolumn=condition",
        )
    return found


def read_mapping(batch: RowBatch, columns: Mapping[str, str]) -> MappingBatch:
    """What one batch of rows says."""
    reader = _Reader(batch.table, columns)
    ids = {
        "condition": reader.id("condition", values.conditions),
        "token": reader.id("token", values.tokens),
        "market_id": reader.id("market_id", values.market_ids),
        **{name: reader.id(name, lambda column, _: values.texts(column)) for name in _TEXTS},
    }
    outcome_index = reader.other("outcome_index", _indexes)
    times = {name: reader.other(name, numbers.times) for name in _TIMES}
    reader.require(ids["condition"])
    keep, rejects = reader.kept(batch)
    if not len(keep):
        return MappingBatch(0, rejects=rejects)
    texts = {name: _taken(coded, keep) for name, coded in ids.items() if coded is not None}
    lists = {name: reader.lists(name, keep) for name in ("token_ids", "outcomes", "tags") if name in columns}
    flags = {name: reader.flags(name, keep) for name in ("closed", "neg_risk") if name in columns}
    whens = {name: found.take(keep).array(pa.int64()) for name, found in times.items() if found is not None}
    found = MappingBatch(len(keep), rejects=rejects)
    if "token" in texts:
        index = None if outcome_index is None else outcome_index.take(keep).array(pa.int32())
        rows = {"token": texts["token"], "condition": texts["condition"]}
        rows |= {} if index is None else {"outcome_index": index}
        rows |= {"outcome": texts["outcome"]} if "outcome" in texts else {}
        table = pa.table(rows)
        found.tokens = table.filter(pc.is_valid(table.column("token")))
    if any(name in columns for name in _MARKET_FIELDS):
        named: dict[str, pa.Array | None] = {n: texts[n] for n in ("condition", *_MARKET_FIELDS) if n in texts}
        spans = {name: when for name, when in whens.items() if name != "resolved_at"}
        found.markets = pa.table(named | {n: pa.array(entry, _LIST) for n, entry in lists.items()} | flags | spans)
    if any(name in columns for name in _RESOLUTION):
        found.resolutions = _resolutions(reader, keep, texts["condition"], lists=lists, flags=flags, whens=whens)
    if "event_id" in texts:
        named = {"event_id": texts["event_id"], "title": texts.get("event_title"), "slug": texts.get("event_slug")}
        table = pa.table({name: column for name, column in named.items() if column is not None})
        found.events = table.filter(pc.is_valid(table.column("event_id"))).group_by(table.column_names).aggregate([])
    return found


def _indexes(column: pa.ChunkedArray, theirs: str) -> tuple[Any, Refused]:
    """Outcome indexes, impossible ones too: the proof judges them, not the reader."""
    return numbers.integers(column, theirs, (1 << 31) - 1, "an outcome index")


def _taken(coded: Coded, keep: NDArray[np.int64]) -> pa.Array:
    codes = coded.codes[keep]
    return coded.values.take(pa.array(codes, mask=codes < 0))


def _resolutions(
    reader: _Reader,
    keep: NDArray[np.int64],
    conditions: pa.Array,
    *,
    lists: Mapping[str, list[list[str] | None]],
    flags: Mapping[str, pa.Array],
    whens: Mapping[str, pa.Array],
) -> pa.Table:
    """States and payouts, once per distinct combination of what says them."""
    count = len(keep)
    labels = lists.get("outcomes", [None] * count)
    winner = reader.plain("resolved_outcome", keep)
    stated = [reader.plain(name, keep) for name in ("payouts", "payout_yes", "payout_no")]
    closed = flags["closed"].to_pylist() if "closed" in flags else [None] * count
    states: list[str | None] = []
    payouts: list[list[int] | None] = []
    for row in range(count):
        vector = _payouts(winner[row], labels[row], *(column[row] for column in stated))
        if vector is not None:
            states.append(str(MarketState.VOID if len(set(vector)) == 1 else MarketState.RESOLVED))
        elif closed[row] is None:
            states.append(None)
        else:
            states.append(str(MarketState.CLOSED_UNRESOLVED if closed[row] else MarketState.OPEN))
        payouts.append(vector)
    columns = {
        "condition": conditions,
        "state": pa.array(states, pa.string()),
        "payouts": pa.array(payouts, pa.list_(pa.int64())),
    }
    when = whens.get("resolved_at", whens.get("closed_time"))
    table = pa.table(columns if when is None else {**columns, "resolved_at": when})
    return table.filter(pc.is_valid(table.column("state")))


def _payouts(
    winner: str | None, labels: list[str] | None, payouts: str | None, yes: str | None, no: str | None
) -> list[int] | None:
    """What a share of each outcome pays, in micro-USDC; None where the row does not say, or not clearly."""
    if payouts is not None:
        found = _split(payouts)
        try:
            weights = [float(entry) for entry in found]
        except ValueError:
            return None
        total = sum(weights)
        return [round(weight * MICRO / total) for weight in weights] if total > 0 else None
    if winner is not None:
        names = [label.strip().lower() for label in labels] if labels else list(_YES_NO)
        place = [index for index, name in enumerate(names) if name == winner.strip().lower()]
        return [MICRO if index == place[0] else 0 for index in range(len(names))] if len(place) == 1 else None
    if yes is None and no is None:
        return None
    try:
        pair = (float(yes) if yes is not None else None, float(no) if no is not None else None)
    except ValueError:
        return None
    first = pair[0] if pair[0] is not None else 1 - (pair[1] or 0.0)
    second = pair[1] if pair[1] is not None else 1 - first
    return [round(first * MICRO), round(second * MICRO)] if abs(first + second - 1) < 1e-9 and first >= 0 else None


def _split(text: str) -> list[str]:
    """A list written as JSON, or with bars, semicolons or commas."""
    stripped = text.strip()
    if stripped.startswith("["):
        try:
            found = json.loads(stripped, parse_float=str, parse_int=str)
        except ValueError:
            found = stripped.strip("[]").replace("'", "").split(",")
        return [_entry(entry) for entry in found if entry is not None]
    separator = next((sign for sign in "|;," if sign in stripped), "|")
    return [entry.strip() for entry in stripped.split(separator) if entry.strip()]


def _entry(entry: Any) -> str:
    """An entry of a list; of an object (a tag, a token) what names it."""
    if isinstance(entry, dict):
        return str(next((entry[key] for key in ("slug", "token_id", "label", "id") if entry.get(key)), ""))
    return str(entry).strip()


class _Reader:
    def __init__(self, table: pa.Table, columns: Mapping[str, str]) -> None:
        self._table = table
        self._columns = columns
        self._refused: list[Refused] = []
        self._lists: dict[str, list[list[str] | None]] = {}
        if "token_ids" in columns:
            self._lists["token_ids"] = self._token_lists()

    def id(self, ours: str, read: Callable[..., tuple[Coded, Refused]]) -> Coded | None:
        found: Coded | None = self.other(ours, read)
        return found

    def other(self, ours: str, read: Callable[..., tuple[Any, Refused]]) -> Any:
        if ours not in self._columns:
            return None
        theirs = self._columns[ours]
        found, refused = read(self._table.column(theirs), theirs)
        self._refused.append(refused)
        return found

    def require(self, condition: Coded | None) -> None:
        theirs = self._columns["condition"]
        missing = np.ones(0, np.bool_) if condition is None else condition.codes < 0
        self._refused.append(Refused(missing, lambda _: f"{theirs}: the row names no condition"))

    def kept(self, batch: RowBatch) -> tuple[NDArray[np.int64], list[Reject]]:
        """The rows that can be read, and the others with their reasons."""
        wrong = np.logical_or.reduce([refused.rows for refused in self._refused])
        rows = np.flatnonzero(wrong).tolist()
        rejects = [Reject(row.number, row.reason, {"line": row.text}) for row in batch.bad]
        for row, held in zip(rows, values.shown_values(self._table, rows), strict=True):
            reason = next(refused.reason(row) for refused in self._refused if refused.rows[row])
            rejects.append(Reject(int(batch.row_number[row]), reason, held))
        return np.flatnonzero(~wrong), sorted(rejects, key=lambda reject: reject.row_number)

    def plain(self, ours: str, keep: NDArray[np.int64]) -> list[str | None]:
        """A column as text, null where there is nothing."""
        if ours not in self._columns:
            return [None] * len(keep)
        found = self._table.column(self._columns[ours]).take(pa.array(keep)).to_pylist()
        texts = [json.dumps(value) if isinstance(value, list) else value for value in found]
        return [None if text is None or str(text).strip().lower() in MISSING else str(text) for text in texts]

    def lists(self, ours: str, keep: NDArray[np.int64]) -> list[list[str] | None]:
        """A column of lists."""
        if ours in self._lists:
            return [self._lists[ours][row] for row in keep.tolist()]
        return [None if text is None else _split(text) for text in self.plain(ours, keep)]

    def flags(self, ours: str, keep: NDArray[np.int64]) -> pa.Array:
        """A column of yes and no; null for anything else."""
        known = [None if text is None else text.strip().lower() for text in self.plain(ours, keep)]
        return pa.array([True if text in _TRUE else False if text in _FALSE else None for text in known], pa.bool_())

    def _token_lists(self) -> list[list[str] | None]:
        theirs = self._columns["token_ids"]
        every = np.arange(self._table.num_rows)
        found: list[list[str] | None] = []
        reasons: dict[int, str] = {}
        for row, text in enumerate(self.plain("token_ids", every)):
            try:
                found.append(None if text is None else [normal_token(entry) for entry in _split(text)])
            except MalformedIdError as error:
                found.append(None)
                reasons[row] = f"{theirs}: {error.what}"
        wrong = np.zeros(len(found), np.bool_)
        wrong[list(reasons)] = True
        self._refused.append(Refused(wrong, lambda row: reasons[row]))
        return found
