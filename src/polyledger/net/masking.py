"""Keeping secrets out of messages: API keys travel in the paths, queries and user parts of endpoint addresses."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

MASK: Final = "***"
# What may be shown of a path: plain short words, versions and small numbers. Anything else may be a key.
_HARMLESS_SEGMENT: Final = re.compile(r"[a-z]{1,15}(?:[-_][a-z]{1,15})?|v\d{1,2}|\d{1,5}")
_SHORTEST_SECRET: Final = 4


def mask_url(url: str) -> str:
    """`url` fit for messages: user names, passwords, query values and path segments that may be keys become ``***``.

    >>> mask_url("https://polygon-mainnet.g.alchemy.com/v2/aB3dEf6hIj?apikey=xyz")
    'https://polygon-mainnet.g.alchemy.com/v2/***?apikey=***'
    """
    parts = _split(url)
    if parts is None:
        return MASK
    host = parts.netloc.rpartition("@")[2]
    if "@" in parts.netloc:
        host = f"{MASK}@{host}"
    path = "/".join(segment if _is_harmless(segment) else MASK for segment in parts.path.split("/"))
    query = "&".join(_masked_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    return f"{parts.scheme}://{host}{path}" + (f"?{query}" if query else "")


def scrub(text: str, url: str) -> str:
    """`text` with every secret part of `url` replaced: servers and libraries like to quote the address they got."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _is_harmless(segment: str) -> bool:
    return not segment or _HARMLESS_SEGMENT.fullmatch(segment) is not None


def _masked_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals else MASK


def _secrets(url: str) -> set[str]:
    parts = _split(url)
    if parts is None:
        return set()
    found = {segment for segment in parts.path.split("/") if not _is_harmless(segment)}
    for pair in parts.query.split("&"):
        name, equals, value = pair.partition("=")
        found.add(value if equals else name)
    found.update(parts.netloc.rpartition("@")[0].split(":"))
    found |= {unquote(secret) for secret in found}
    # Shorter pieces are no keys, and replacing them would shred the message.
    return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}


def is_loopback(url: str) -> bool:
    """Whether the address lies on this machine: ``localhost``, 127.0.0.0/8 or ::1."""
    parts = _split(url)
    host = (parts.hostname or "") if parts else ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
