"""Which column of a file is what: by the names that such files use, or as the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from polyledger.domain.errors import UnreadableFileError, UsageError

# Ours → the names that files use for it, best first, without case, blanks, dots, dashes and underscores.
TRADE_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "token": ("tokenid", "token", "assetid", "asset", "clobtokenid", "positionid", "outcometokenid"),
    "condition": ("conditionid", "condition", "marketconditionid"),
    "market_id": ("marketid", "gammamarketid"),
    "slug": ("marketslug", "slug"),
    "outcome": ("outcome", "outcomename", "outcomelabel"),
    "outcome_index": ("outcomeindex", "outcomeidx", "outcomeslot"),
    "transaction": ("transactionhash", "txhash", "evttxhash", "transaction", "txid", "tx"),
    "log_index": ("logindex", "evtindex"),
    "wallet": (
        "proxywallet", "maker", "makeraddress", "wallet", "walletaddress", "user", "useraddress", "trader",
        "traderaddress", "account", "address", "owner",
    ),
    "counterparty": ("taker", "takeraddress", "counterparty"),
    "role": ("role", "traderside", "makertaker"),
    "side": ("side", "tradeside", "direction", "action"),
    "shares": ("size", "shares", "amount", "quantity", "qty", "tokenamount", "shareamount"),
    "price": ("price", "tradeprice", "avgprice", "executionprice"),
    "collateral": (
        "usdcsize", "usdc", "usdcamount", "usdcvalue", "collateral", "collateralamount", "value", "usdvalue",
        "valueusd", "amountusd", "usdamount", "usd", "notional", "volumeusd", "tradevalue",
    ),
    "fee": ("fee", "fees", "feeamount", "feeusdc", "feepaid"),
    "timestamp": (
        "blocktimestamp", "timestamp", "blocktime", "evtblocktime", "time", "datetime", "tradetime", "matchtime",
        "executedat", "createdat", "ts", "date",
    ),
}  # fmt: skip
# Never guessed, because such columns come in several units: whole numbers of 1e-6 units, only when mapped.
RAW_AMOUNTS: Final = {"shares_raw": "shares", "collateral_raw": "collateral", "fee_raw": "fee"}
_IDENTITY: Final = ("token", "condition", "market_id", "slug", "transaction")
_AMOUNTS: Final = ("shares", "collateral")
# Names that stand for a condition id in some files and for something else in others: what they hold decides.
_MARKET: Final = frozenset({"market", "marketid"})
_CONDITION: Final = r"^0[xX][0-9a-fA-F]{62,64}$"
_DIGITS: Final = r"^[0-9]{1,18}$"
LEFT_OUT: Final = "-"


def plain(name: str) -> str:
    """A column name without case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def recognise(
    names: Mapping[str, Sequence[str]], columns: Sequence[str], given: Mapping[str, str], extra: Sequence[str] = ()
) -> dict[str, str]:
    """Ours → theirs, by usual names and by what is given.

    Args:
        names: ours → usual names, best first.
        columns: the columns of the file.
        given: theirs → ours, as the user mapped them; ``-`` leaves a column out.
        extra: more of ours that only `given` may name.

    Raises:
        UsageError: a mapping to something that does not exist, or two to the same.
    """
    check_mapping(names, given, extra)
    found: dict[str, str] = {}
    for theirs, ours in given.items():
        if theirs not in columns:
            continue  # one call may import files of several shapes
        if ours in found:
            raise UsageError(f"--map gives both {found[ours]!r} and {theirs!r} as {ours}", "Choose one of them")
        if ours != LEFT_OUT:
            found[ours] = theirs
    replaced = {RAW_AMOUNTS[ours] for ours in found if ours in RAW_AMOUNTS}
    for ours, usual in names.items():
        if ours in found or ours in replaced:
            continue
        free = {plain(column): column for column in reversed(columns) if column not in given}
        chosen = next((free[name] for name in usual if name in free), None)
        if chosen is not None:
            found[ours] = chosen
    return found


def check_mapping(names: Mapping[str, Sequence[str]], given: Mapping[str, str], extra: Sequence[str] = ()) -> None:
    """UsageError when a mapping leads to something that does not exist."""
    for theirs, ours in given.items():
        if ours != LEFT_OUT and ours not in names and ours not in extra:
            known = ", ".join([*names, *extra])
            raise UsageError(f"--map {theirs}={ours}: there is no {ours!r}", f"Map to one of {known}, or to - for none")


def trade_columns(name: str, samples: pa.Table, columns: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Ours → theirs for a file of trades.

    Raises:
        UnreadableFileError: nothing says which market a row is of, or how much was traded.
        UsageError: see `recognise`.
    """
    found = recognise(TRADE_NAMES, columns, given, tuple(RAW_AMOUNTS))
    settle_market(found, samples, columns, given)
    if "outcome" in found and "outcome_index" not in found and _is_integer(samples, found["outcome"]):
        found["outcome_index"] = found.pop("outcome")
    if not any(ours in found for ours in _IDENTITY):
        raise UnreadableFileError(
            f"{name} has no column that says which market a trade is of; it has {', '.join(map(repr, columns))}",
            "Say which is which with --map, for example --map mycolumn=token "
            f"(one of {', '.join(_IDENTITY)} is needed)",
        )
    if not any(ours in found or f"{ours}_raw" in found for ours in _AMOUNTS):
        raise UnreadableFileError(
            f"{name} has no column that says how much was traded; it has {', '.join(map(repr, columns))}",
            "Say which is which with --map, for example --map mycolumn=shares",
        )
    return found


def settle_market(found: dict[str, str], samples: pa.Table, columns: Sequence[str], given: Mapping[str, str]) -> None:
    """Decide, by what they hold, whether `market` and `market_id` are condition ids, as they are in some files."""
    chosen = set(found.values())
    for column in columns:
        if plain(column) not in _MARKET or column in given:
            continue
        if holds(samples, column, _CONDITION):
            if found.get("market_id") == column:
                del found["market_id"]
            found.setdefault("condition", column)
        elif column not in chosen and holds(samples, column, _DIGITS):
            found.setdefault("market_id", column)


def holds(samples: pa.Table, column: str, pattern: str) -> bool:
    """Whether a column of text or whole numbers has values that look so."""
    values = samples.column(column)
    if not pa.types.is_integer(values.type) and not pa.types.is_string(values.type):
        return False
    texts = pc.drop_null(values.cast(pa.string()))
    return len(texts) > 0 and bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())


def _is_integer(samples: pa.Table, column: str) -> bool:
    values = samples.column(column)
    return bool(pa.types.is_integer(values.type)) or holds(samples, column, r"^[0-9]{1,3}$")
