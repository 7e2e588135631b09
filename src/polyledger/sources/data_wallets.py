"""What a wallet did, from the Data API, complete although its rows have no ids and its offsets have a cap.

The sources give neither log index nor order hash: two equal rows are two trades, and nothing is thrown away as double.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from polyledger.domain.errors import SchemaMismatchError, SourceError
from polyledger.domain.ids import normal_address
from polyledger.domain.records import ActivityRecord, Lookup, TradeRecord
from polyledger.net import HttpClient
from polyledger.sources.answers import Answer, Evidence, Page, PageGuard, fetch, require_success
from polyledger.sources.data_rows import SOURCE, activity_record, read_envelope, wallet_row

WalletRecord = TradeRecord | ActivityRecord
_FEED_PAGE: Final = 1_000
_ACTIVITY_PAGE: Final = 500
_TELLING_ROWS: Final = 5


class DataApiWallets:
    """Trades and activity of single wallets, over HTTP. Holds no state between calls.

    Rows of another wallet than the one asked for come as refused answers with ``asked=False``. Answers are keyed by
    transaction.

    Args:
        client: the door to the network, with the rate limit of this source.
        url: the base address.
    """

    name: Final = SOURCE

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = url.rstrip("/")

    async def trades(
        self, wallet: str, *, start: int | None = None, end: int | None = None, cursor: str | None = None
    ) -> AsyncIterator[Page[WalletRecord]]:
        """All trades of a wallet, as maker and as taker, newest first, from ``/v2/trades``.

        Args:
            wallet: an address.
            start, end: seconds since 1970, both included; None for no bound.
            cursor: goes on where an earlier walk with the same arguments stopped.

        Raises:
            SchemaMismatchError, SourceError, UpstreamUnavailableError: as look-ups do.
        """
        user, url = normal_address(wallet), f"{self._url}/v2/trades"
        # A start that is left out, or 0, means three years back; without an amount, dust is left out.
        fixed = [("user", user), ("taker_only", "false"), ("filter_amount", "0"), ("start", str(max(1, start or 1)))]
        fixed += [] if end is None else [("end", str(end))]
        guard = PageGuard(SOURCE, url, cursor)
        while True:
            asked = [*fixed, ("limit", str(_FEED_PAGE)), *([("cursor", cursor)] if cursor else [])]
            evidence, document = await fetch(SOURCE, self._client, url, asked)
            require_success(evidence, document)
            rows, following = read_envelope(url, document)
            guard.check(msgspec.json.encode(rows) if rows else None, following)
            yield Page(tuple(answer for _, answer in _timed(rows, user, evidence)), cursor, following, evidence)
            if following is None:
                return
            cursor = following

    async def activity(
        self, wallet: str, *, start: int = 0, end: int, kinds: Sequence[str] = (), cursor: str | None = None
    ) -> AsyncIterator[Page[WalletRecord]]:
        """What a wallet did, oldest first, from the older ``/activity`` route, complete to the second.

        The route stops at an offset, or repeats its last page there, so it is asked from second to second instead: a
        page hands out everything before the newest second it has seen, and the next request begins with that second.
        `next_cursor` is that second, so nothing is lost or doubled when a walk goes on from it.

        Args:
            wallet: an address.
            start, end: seconds since 1970, both included. Choose `end` at or before now.
            kinds: the source's words (``TRADE``, ``SPLIT`` …); none for all.
            cursor: goes on where an earlier walk with the same arguments stopped.

        Raises:
            SourceError: one second holds more than the route can list, or the answer is not ordered by time.
        """
        user = normal_address(wallet)
        second, limit = int(cursor) if cursor is not None else start, _ACTIVITY_PAGE
        fixed = [("user", user), ("end", str(end)), ("sortBy", "TIMESTAMP"), ("sortDirection", "ASC")]
        fixed += [("type", ",".join(kinds))] if kinds else []
        while True:
            rows: list[tuple[int, Answer[WalletRecord]]] = []
            seen: set[str] = set()
            done = is_short = False
            while not done and (not rows or is_short or rows[-1][0] == second):
                evidence, page, said = await self._page(fixed, second, limit, len(rows))
                if page and evidence.digest in seen:
                    said = "it repeats a page"
                seen.add(evidence.digest)
                if said and rows and rows[-1][0] > second:
                    break  # the next request begins later, and so at offset 0
                if said:
                    raise SourceError(
                        f"{SOURCE} does not list all of second {second} of {user}: after {len(rows)} rows {said}",
                        "Take this wallet's ledger from the chain",
                    )
                # Shorter than asked for: the end, or a service that gives less at once. The next page tells which.
                done, is_short = not page, len(page) < limit
                limit = len(page) if is_short and page else limit
                rows += _timed(page, user, evidence, second)
            last = rows[-1][0] if rows else second
            final = tuple(answer for stamp, answer in rows if done or stamp < last)
            yield Page(final, str(second), None if done else str(last), evidence)
            if done:
                return
            second = last

    async def _page(
        self, fixed: Sequence[tuple[str, str]], second: int, limit: int, offset: int
    ) -> tuple[Evidence, list[Any], str]:
        """The evidence, the rows, and what the service says when the offset is beyond its cap."""
        params = [*fixed, ("start", str(second)), ("limit", str(limit)), ("offset", str(offset))]
        evidence, document = await fetch(SOURCE, self._client, f"{self._url}/activity", params)
        if evidence.status == 400 and (said := _past_the_cap(document)):
            return evidence, [], said
        require_success(evidence, document)
        if not isinstance(document, list):
            raise SchemaMismatchError(f"{SOURCE} at {evidence.url} sent no list")
        return evidence, document, ""


def _past_the_cap(document: Any) -> str:
    said = str(document.get("error", "")) if isinstance(document, dict) else ""
    return said if "offset" in said and "exceeded" in said else ""


def _timed(
    rows: Sequence[Any], user: str, evidence: Evidence, not_before: int | None = None
) -> list[tuple[int, Answer[WalletRecord]]]:
    """(second, answer) of each row; `not_before` demands that they are ordered by time and do not begin earlier."""
    timed: list[tuple[int, Answer[WalletRecord]]] = []
    errors: list[SchemaMismatchError] = []
    for fields in rows:
        if not isinstance(fields, dict):
            raise SchemaMismatchError(f"{SOURCE} sent a row that is not an object but {type(fields).__name__}")
        row = wallet_row(fields)
        second = row.moment("timestamp")
        if not_before is not None and second < (timed[-1][0] if timed else not_before):
            raise SourceError(f"{SOURCE} at {evidence.url} does not order by time, or ignores 'start'")
        key = str(row.fields.get("transaction_hash") or "")
        try:
            record = activity_record(row)
        except SchemaMismatchError as error:
            errors.append(error)
            timed.append((second, Answer(key, Lookup.SCHEMA_MISMATCH, (evidence,), reason=error.what)))
            continue
        if record.wallet != user:
            reason = f"a row of {record.wallet}, when {user} was asked for"
            timed.append((second, Answer(key, Lookup.REFUSED, (evidence,), reason=reason, asked=False)))
        else:
            timed.append((second, Answer(record.transaction_hash, Lookup.FOUND, (evidence,), record)))
    if len(errors) == len(timed) >= _TELLING_ROWS:
        raise errors[0]
    return timed
