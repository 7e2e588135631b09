"""How upstreams are reached: HTTP with limits and retries, JSON-RPC, fail-over. Knows no upstream itself."""

from __future__ import annotations

from polyledger.net.failover import EndpointPool
from polyledger.net.http import AnswerTooLargeError, HttpAnswer, HttpClient, NoConnectionError, RetryPolicy
from polyledger.net.jsonrpc import Call, EndpointRefusedError, JsonRpcClient, MethodUnavailableError, Reply, RpcError
from polyledger.net.limits import AdaptiveLimiter, retry_after_seconds
from polyledger.net.masking import mask_url, scrub

__all__ = [
    "AdaptiveLimiter",
    "AnswerTooLargeError",
    "Call",
    "EndpointPool",
    "EndpointRefusedError",
    "HttpAnswer",
    "HttpClient",
    "JsonRpcClient",
    "MethodUnavailableError",
    "NoConnectionError",
    "Reply",
    "RetryPolicy",
    "RpcError",
    "mask_url",
    "retry_after_seconds",
    "scrub",
]
