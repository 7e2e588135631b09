"""GraphQL over HTTP: how a query is written, and how an answer with status 200 still says that it failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from polyledger.domain.errors import SchemaMismatchError, SourceError, UpstreamUnavailableError

GRAPHQL_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json"}
_PASSING: Final = re.compile(
    r"time(?:d )?.?out|unavailable|overload|try again|too many|rate.?limit|store error|internal", re.IGNORECASE
)


class GraphQlError(SourceError):
    """The service understood the request and refuses it: the query does not fit its schema, or asks for too much."""


def encode_query(query: str, variables: Mapping[str, Any]) -> bytes:
    """The body of a request."""
    return msgspec.json.encode({"query": query, "variables": dict(variables)})


def data_of(where: str, document: Any) -> dict[str, Any]:
    """The data of an answer.

    Args:
        where: the service and its address, for messages.
        document: the decoded body.

    Raises:
        UpstreamUnavailableError: an error that may pass.
        GraphQlError: an error that stays; partial data beside it is not used.
        SchemaMismatchError: neither data nor errors.
    """
    if not isinstance(document, dict):
        raise SchemaMismatchError(f"{where} sent no GraphQL answer but {type(document).__name__}")
    errors = document.get("errors")
    if errors:
        said = "; ".join(str(one.get("message", one) if isinstance(one, dict) else one) for one in errors)
        if _PASSING.search(said):
            raise UpstreamUnavailableError(f"{where} could not answer: {said[:300]}")
        raise GraphQlError(f"{where} refuses the query: {said[:300]}", "Check its address; its schema may have changed")
    data = document.get("data")
    if not isinstance(data, dict):
        raise SchemaMismatchError(f"{where} sent an answer without 'data'")
    return data
