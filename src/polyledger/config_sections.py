"""The sections of polyledger.toml: their keys, defaults and what is valid."""

from __future__ import annotations

import os
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from polyledger.domain.errors import MalformedIdError
from polyledger.domain.ids import normal_address

_MEMORY_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

Positive = Annotated[int, Field(gt=0)]
BlockNumber = Annotated[int, Field(ge=0, lt=2**47)]  # facts are keyed by block << 16 | place, in 63 bits


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)


class ChainSettings(_Section):
    """The JSON-RPC endpoints, the chain and the blocks to scan."""

    enabled: bool = True
    rpc_url: SecretStr = Field(
        default=SecretStr("https://polygon.drpc.org"),
        description="JSON-RPC endpoints, a comma list: the next one takes over",
    )
    chain_id: Positive = Field(default=137, description="the chain that every endpoint must serve")
    from_block: BlockNumber | None = Field(default=None, description="first block; unset: that of the contracts")
    to_block: BlockNumber | Literal["finalized", "latest"] = Field(
        default="finalized", description="last block: finalized, latest or a number"
    )
    contracts: dict[str, str | list[str]] | None = Field(
        default=None, description="role = address table that replaces the mainnet contracts (another deployment)"
    )
    collateral_transfers: Literal["protocol", "all"] = Field(
        default="protocol",
        description="protocol: transfers that touch the contracts; all: every transfer of the collateral",
    )
    requests_per_10s: Positive = Field(
        default=200, description="upper bound; lowered by itself when an endpoint throttles"
    )
    max_workers: Positive = Field(default=4, description="requests under way at the same time")

    @field_validator("rpc_url")
    @classmethod
    def _endpoints(cls, value: SecretStr) -> SecretStr:
        urls = _split(value.get_secret_value())
        if not urls:
            raise ValueError("names no endpoint")
        for url in urls:
            _check_url(url)
        return value

    @model_validator(mode="after")
    def _range(self) -> ChainSettings:
        if self.from_block is not None and isinstance(self.to_block, int) and self.from_block > self.to_block:
            raise ValueError(f"from_block {self.from_block} is past to_block {self.to_block}; swap or change them")
        return self

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """The endpoints in order of preference, in clear: mask before showing."""
        return _split(self.rpc_url.get_secret_value())


class EvidenceSettings(_Section):
    """Which answers are kept in full."""

    keep: Literal["http", "all"] = Field(
        default="http", description="http: answers of HTTP sources; all: raw chain logs too"
    )


class SourceSettings(_Section):
    """One HTTP source beside the chain."""

    enabled: bool = True
    url: str
    requests_per_10s: Positive
    max_workers: Positive = 4

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        _check_url(value)
        return value.rstrip("/")


class GammaSettings(SourceSettings):
    """Markets, events and tags. Documented limit: 300 requests per 10 s on /markets."""

    url: str = "https://gamma-api.polymarket.com"
    requests_per_10s: Positive = 150


class ClobSettings(SourceSettings):
    """The order book's market list. Documented limit: 900 requests per 10 s on its ledger routes."""

    url: str = "https://clob.polymarket.com"
    requests_per_10s: Positive = 450
    address: str | None = Field(default=None, description="the wallet that made the API keys, for its own trades")
    api_key: SecretStr | None = None
    secret: SecretStr | None = None
    passphrase: SecretStr | None = None

    @field_validator("address")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        try:
            return None if value is None else normal_address(value)
        except MalformedIdError as error:
            raise ValueError(error.what) from None


class DataApiSettings(SourceSettings):
    """Trades and token references. Documented limit: 200 requests per 10 s on /trades."""

    url: str = "https://data-api.polymarket.com"
    requests_per_10s: Positive = 100


class SubgraphSettings(SourceSettings):
    """The historical subgraphs, incomplete since 2026-04-28. Documented limit: 50 requests per 10 s."""

    url: str = "https://api.goldsky.com/api/public/project_cl6mb8i9h0003e201j6li0diw/subgraphs"
    requests_per_10s: Positive = 25
    max_workers: Positive = 2


class StorageSettings(_Section):
    """What the database may use."""

    memory_limit: str | None = Field(default=None, description='for example "8GB"; unset: 60 % of the memory')
    threads: Positive | None = Field(default=None, description="unset: all cores")

    @field_validator("memory_limit")
    @classmethod
    def _memory(cls, value: str | None) -> str | None:
        if value is not None:
            _memory_bytes(value)
        return value

    @property
    def memory_limit_bytes(self) -> int:
        """Bytes the database may use: the setting, else 60 % of the machine's memory."""
        if self.memory_limit is not None:
            return _memory_bytes(self.memory_limit)
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 60 // 100

    @property
    def thread_count(self) -> int:
        """Threads the database may use: the setting, else all cores."""
        return self.threads if self.threads is not None else os.cpu_count() or 1


class ClickhouseSettings(_Section):
    """A ClickHouse server to publish to."""

    url: SecretStr | None = None


class WatchlistSettings(_Section):
    """Entries that strategies make of signals (docs/guides/watchlist.md)."""

    enabled: bool = Field(default=False, description="true: strategies.toml is followed at every sync")


class TradingSettings(_Section):
    """Live trading, which is off (docs/guides/paper-trading.md)."""

    autonomous_trading_enabled: bool = Field(default=False, description="true: a live broker may be given orders")
    broker: str | None = Field(default=None, description='your live broker, "package.module:name"')


def _split(urls: str) -> tuple[str, ...]:
    return tuple(url.strip() for url in urls.split(",") if url.strip())


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        # The URL itself is not repeated: it may carry a key.
        raise ValueError("an endpoint must be a URL that starts with http:// or https:// and names a host")


def _memory_bytes(text: str) -> int:
    number = text.strip().rstrip("BKMGTIbkmgti ").strip()
    unit = text.strip()[len(number) :].strip().upper() or "B"
    try:
        return int(float(number) * _MEMORY_UNITS[unit])
    except (KeyError, ValueError):
        raise ValueError('must be a size such as "8GB" or "512MiB"') from None
