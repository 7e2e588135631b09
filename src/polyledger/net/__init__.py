"""How upstreams are reached: HTTP with limits and retries, JSON-RPC, fail-over. Knows no upstream itself."""

from __future__ import annotations

import stamina.instrumentation

from polyledger.net.failover import EndpointPool
from polyledger.net.graphql import GRAPHQL_HEADERS, GraphQlError, data_of, encode_query
from polyledger.net.http import (
    AnswerTooLargeError,
    BrokenAnswerError,
    HttpAnswer,
    HttpClient,
    NoConnectionError,
    RetryPolicy,
)
from polyledger.net.jsonrpc import Call, EndpointRefusedError, JsonRpcClient, MethodUnavailableError, Reply, RpcError
from polyledger.net.limits import AdaptiveLimiter, retry_after_seconds
from polyledger.net.masking import MASK, is_loopback, mask_url, scrub

__all__ = [
    "GRAPHQL_HEADERS",
    "MASK",
    "AdaptiveLimiter",
    "AnswerTooLargeError",
    "BrokenAnswerError",
    "Call",
    "EndpointPool",
    "EndpointRefusedError",
    "GraphQlError",
    "HttpAnswer",
    "HttpClient",
    "JsonRpcClient",
    "MethodUnavailableError",
    "NoConnectionError",
    "Reply",
    "RetryPolicy",
    "RpcError",
    "data_of",
    "encode_query",
    "is_loopback",
    "mask_url",
    "retry_after_seconds",
    "scrub",
]

# stamina reports each retry through structlog, which by default writes to standard output, where only data may go.
# Other hooks, those of a program around us, stay.
stamina.instrumentation.set_on_retry_hooks(
    [hook for hook in stamina.instrumentation.get_on_retry_hooks() if "structlog" not in hook.__module__]
)
