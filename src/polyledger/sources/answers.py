"""What every HTTP source hands on: answers with the evidence they rest on, and the reading of one page.

Nothing is believed without its evidence: the request that was made, the bytes that came back, and when.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from polyledger.domain.errors import SchemaMismatchError, SourceError, UpstreamUnavailableError
from polyledger.domain.records import Lookup
from polyledger.net import HttpAnswer, HttpClient, mask_url

RecordT_co = TypeVar("RecordT_co", covariant=True)
ResultT = TypeVar("ResultT")
Params = Sequence[tuple[str, str]]

_LONGEST_QUOTE = 120
_FOREIGN_BODIES = 6


@dataclass(frozen=True, slots=True)
class Evidence:
    """One request and what came back, as the store keeps it.

    Attributes:
        source: which upstream, set by the code that received the bytes.
        url: the address without its query.
        params: the query as pairs, in the order sent.
        received_at: seconds since 1970, UTC.
    """

    source: str
    url: str
    params: tuple[tuple[str, str], ...]
    status: int
    body: bytes = field(repr=False)
    received_at: float

    @property
    def digest(self) -> str:
        """SHA-256 of the body, 64 hex digits: the name under which the body is kept."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer(Generic[RecordT_co]):
    """How the look-up of one key ended.

    Attributes:
        key: the key that was asked for; in a walk, and for rows nobody asked for, the key that the row itself carries
            ("" when it carries none).
        record: the record, only when found.
        reason: why there is no record, one clause; "" when found.
        asked: False for a row that came back although nobody asked for it (its state is then ``refused``).
        evidence: every request this outcome rests on; "not found" rests on all that were made.
    """

    key: str
    state: Lookup
    evidence: tuple[Evidence, ...]
    record: RecordT_co | None = None
    reason: str = ""
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[RecordT_co]):
    """One page of a walk. Store `answers` and `next_cursor` in one transaction, so that an interrupted walk goes on.

    Attributes:
        cursor: what this page was asked with; None for the first.
        next_cursor: what to go on with; None when this is the last page.
    """

    answers: tuple[Answer[RecordT_co], ...]
    cursor: str | None
    next_cursor: str | None
    evidence: Evidence


async def fetch(
    source: str,
    client: HttpClient,
    url: str,
    params: Params,
    *,
    content: bytes | None = None,
    headers: Callable[[], Mapping[str, str]] | None = None,
    secrets: Sequence[str] = (),
    check_document: Callable[[Any], None] | None = None,
) -> tuple[Evidence, Any]:
    """One GET, or POST when there is `content`, and its decoded JSON body; None for an error whose body is not JSON.

    JSON that breaks off is asked for again by the client's policy, a page of something else a few times: services put
    HTML in between under load, a wrong address gives nothing else. Evidence carries the masked address.

    Args:
        params: the query; with `content`, what the evidence says was asked.
        headers: made anew for each attempt, never kept.
        secrets: texts that the service may repeat; they are struck out of the body before anything is made of it.
        check_document: may raise UpstreamUnavailableError to have the document asked for again.

    Raises:
        UpstreamUnavailableError: no usable answer after all repeats.
        SourceError: an answer that is not JSON at all although its status is 200.
    """
    document: Any = None
    foreign = 0

    def check(answer: HttpAnswer) -> None:
        nonlocal document, foreign
        document = None
        try:
            document = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if answer.status != 200:
                return
            if answer.body.strip() and not answer.body.lstrip().startswith((b"{", b"[")):
                foreign += 1
                if foreign >= _FOREIGN_BODIES:
                    raise SourceError(
                        f"{source} at {answer.url} sent {foreign} times something that is not JSON: {answer.excerpt()}",
                        f"Check {source}.url",
                    ) from error
            raise UpstreamUnavailableError(f"{answer.url} sent JSON that breaks off ({error})") from error
        if check_document is not None:
            check_document(document)

    answer = await client.fetch(
        "GET" if content is None else "POST",
        url,
        params=params if content is None else None,
        content=content,
        headers=headers,
        secrets=secrets,
        check=check,
    )
    return Evidence(source, mask_url(url), tuple(params), answer.status, answer.body, time.time()), document


def require_success(evidence: Evidence, document: Any) -> None:
    """Raise SourceError, quoting what the upstream said, unless the status is 200."""
    if evidence.status == 200:
        return
    said = document.get("error") if isinstance(document, dict) else None
    raise SourceError(
        f"{evidence.source} refused {evidence.url} with status {evidence.status}: {said or quote_body(evidence)}",
        f"Check {evidence.source}.url, and whether the API has changed",
    )


def quote_body(evidence: Evidence) -> str:
    """The beginning of a body, printable, for messages."""
    return repr(evidence.body[:_LONGEST_QUOTE].decode("utf-8", "replace"))


class PageGuard:
    """Notices a walk that goes round in circles, as it does when the server ignores the paging parameter."""

    def __init__(self, source: str, url: str, cursor: str | None) -> None:
        self._where = f"{source} at {url}"
        self._cursors = {cursor}
        self._pages: set[object] = set()

    def check(self, page: object, next_cursor: str | None) -> None:
        """Take note of one page.

        Args:
            page: what identifies its content (its first id, or all of them); None for an empty page.
            next_cursor: the cursor it names, None at the end.

        Raises:
            SourceError: the page or the cursor has been seen in this walk before.
        """
        if page is not None and page in self._pages:
            raise SourceError(f"{self._where} sent the same page twice", "Nothing of the repeated page was used")
        if next_cursor is not None and next_cursor in self._cursors:
            raise SourceError(f"{self._where} repeats the cursor {next_cursor!r}", "The walk would never end")
        self._pages.add(page)
        self._cursors.add(next_cursor)


def require_fields(source: str, rows: Sequence[Any], fields: Sequence[str], least_rows: int = 1) -> None:
    """Refuse a page in which a field is absent or null in every row: it was renamed or removed, it is not "empty".

    Args:
        source: for the message.
        rows: the rows of one page.
        fields: names of the fields that may not be missing everywhere.
        least_rows: below this many rows the page says nothing about the field.

    Raises:
        SchemaMismatchError: naming the field, or when a row is not an object.
    """
    for row in rows:
        if not isinstance(row, dict):
            raise SchemaMismatchError(f"{source} sent a row that is not an object but {type(row).__name__}")
    if len(rows) < least_rows:
        return
    for name in fields:
        if rows and all(row.get(name) is None for row in rows):
            raise SchemaMismatchError(
                f"{source} sent {len(rows)} rows, and the field {name!r} is missing or null in every one",
                "The API has probably changed; nothing of this answer was used",
            )
