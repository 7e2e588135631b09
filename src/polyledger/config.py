"""Typed settings of a workspace, and where each of them came from.

Precedence, lowest first: defaults, ``polyledger.toml`` of the workspace, the environment (aliases such as
``POLYGON_RPC_URL`` below ``POLYLEDGER_<SECTION>__<KEY>``), flags. A key that is not known is an error wherever it
stands: a misspelt setting that is silently ignored costs more than a refused start. Secrets come from the environment
only and never appear in a message, a ``repr`` or a file.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from polyledger.domain.errors import ConfigurationError, MalformedIdError
from polyledger.domain.ids import normal_address

__all__ = [
    "ALIASES",
    "CONFIG_FILE",
    "ChainSettings",
    "ClickhouseSettings",
    "ClobSettings",
    "EvidenceSettings",
    "Settings",
    "SourceSettings",
    "StorageSettings",
    "TradingSettings",
    "WatchlistSettings",
    "load_settings",
    "sections",
    "setting_keys",
    "workspace_path",
]

CONFIG_FILE = "polyledger.toml"
PREFIX = "POLYLEDGER_"
WORKSPACE_VARIABLE = "POLYLEDGER_WORKSPACE"

# Environment variables people have set already for other tools; of two aliases of one key the first one wins.
ALIASES: dict[str, str] = {
    "POLYGON_RPC_URL": "chain.rpc_url",
    "ALCHEMY_POLYGON_RPC_URL": "chain.rpc_url",
    "CLOB_API_KEY": "clob.api_key",
    "CLOB_API_SECRET": "clob.secret",
    "CLOB_API_PASSPHRASE": "clob.passphrase",
    "POLY_ADDRESS": "clob.address",
    "CLICKHOUSE_URL": "clickhouse.url",
}
SECRETS = frozenset({"clob.api_key", "clob.secret", "clob.passphrase"})
# Shown as stars and left out of messages: an endpoint's URL usually carries its API key.
MASKED = SECRETS | {"chain.rpc_url", "clickhouse.url"}

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


class Settings(BaseSettings):
    """All settings of one workspace. Built by :func:`load_settings`; ``Settings(chain={...})`` in tests and scripts.

    The constructor looks at its arguments only, never at the environment, so that a literal is what it says.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, env_prefix=PREFIX, env_nested_delimiter="__"
    )

    chain: ChainSettings = Field(default_factory=ChainSettings)
    evidence: EvidenceSettings = Field(default_factory=EvidenceSettings)
    gamma: GammaSettings = Field(default_factory=GammaSettings)
    clob: ClobSettings = Field(default_factory=ClobSettings)
    data_api: DataApiSettings = Field(default_factory=DataApiSettings)
    subgraph: SubgraphSettings = Field(default_factory=SubgraphSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    clickhouse: ClickhouseSettings = Field(default_factory=ClickhouseSettings)
    watchlist: WatchlistSettings = Field(default_factory=WatchlistSettings)
    trading: TradingSettings = Field(default_factory=TradingSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  (the signature is pydantic's)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments: :func:`load_settings` reads file and environment, and knows which said what."""
        return (init_settings,)


def workspace_path(flag: str | Path | None = None) -> Path:
    """The workspace folder: the flag, else ``POLYLEDGER_WORKSPACE``, else the current folder."""
    return Path(flag or os.environ.get(WORKSPACE_VARIABLE) or ".")


def setting_keys() -> tuple[str, ...]:
    """All keys as ``section.key``, in the order in which they are documented."""
    return tuple(f"{section}.{key}" for section, model in sections() for key in model.model_fields)


def load_settings(workspace: str | Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Settings for the workspace folder, by precedence: file, environment, ``overrides`` (``{section: {key: value}}``).

    Raises:
        ConfigurationError: an unknown key, a malformed value, contradictory values, or a secret in the file; the
            message names the key, the file or variable it came from, and the nearest valid key.
    """
    file = Path(workspace) / CONFIG_FILE
    merged: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    for key, value, origin in _all_values(file, overrides or {}):
        section, _, name = key.partition(".")
        merged.setdefault(section, {})[name] = value
        origins[key] = origin
    try:
        return Settings(**merged)  # type: ignore[arg-type]  # pydantic turns the tables into sections
    except ValidationError as error:
        raise _configuration_error(error, merged, origins) from None


def _all_values(file: Path, overrides: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any, str]]:
    """(key, value, origin) from the weakest layer to the strongest, every key checked to be a known one."""
    yield from _file_values(file)
    for variable, key in reversed(ALIASES.items()):
        if os.environ.get(variable):
            yield key, os.environ[variable], variable
    yield from _environment_values()
    for section, table in overrides.items():
        for name, value in table.items():
            key = f"{section}.{name}"
            check_known(key, "the command line")
            yield key, value, "the command line"


def _file_values(file: Path) -> Iterator[tuple[str, Any, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise ConfigurationError(f"{file.parent} is a file, so it cannot be a workspace", "Name a folder") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}", "Check the file and its permissions") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}", "Correct that line") from error
    for section, table in document.items():
        if not isinstance(table, dict):
            if section not in Settings.model_fields:
                check_known(section, str(file))
            raise ConfigurationError(f"{file}: {section} must be a table", f"Write it as [{section}] with keys below")
        for name, value in table.items():
            key = f"{section}.{name}"
            check_known(key, str(file))
            if key in SECRETS or (key == "clickhouse.url" and urlsplit(str(value)).password):
                raise ConfigurationError(
                    f"{file} holds the secret {key}, and secrets are read from the environment only",
                    f"Remove the line and set {_variable(key)} instead",
                )
            yield key, value, str(file)


def _environment_values() -> Iterator[tuple[str, Any, str]]:
    ours = [name.upper() for name, _ in sections()]
    for variable in sorted(os.environ):
        upper = variable.upper()
        if not upper.startswith(PREFIX) or upper == WORKSPACE_VARIABLE:
            continue
        section, separator, name = upper.removeprefix(PREFIX).partition("__")
        # One underscore where two belong is the likeliest slip; variables of no section are not ours to judge.
        if separator or any(section.startswith(f"{known}_") or section == known for known in ours):
            check_known(f"{section}.{name}".lower().rstrip("."), f"the environment variable {variable}")
    try:
        document = EnvSettingsSource(Settings)()
    except ValueError as error:  # pydantic's SettingsError: a table that is not JSON
        raise ConfigurationError(f"An environment variable is malformed: {error}", "Write tables as JSON") from error
    for section, table in document.items():
        for name, value in table.items():
            key = f"{section}.{name}"
            yield key, value, _variable(key)


def sections() -> list[tuple[str, type[BaseModel]]]:
    """(name, model) of every section of the file, in the order in which they are documented."""
    return [
        (name, field.annotation)
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    ]


def _variable(key: str) -> str:
    return PREFIX + key.replace(".", "__").upper()


def check_known(key: str, origin: str) -> None:
    """Refuse a key that no section has.

    Raises:
        ConfigurationError: names the key, where it stands and the nearest valid key.
    """
    keys = setting_keys()
    if key in keys:
        return
    section = key.partition(".")[0]
    names = [name for name, _ in sections()]
    # One underscore for two, or a key without its section, should still find its neighbour.
    flat = {known.replace(".", "_"): known for known in keys}
    near = difflib.get_close_matches(key.replace(".", "_"), list(flat), n=1, cutoff=0.7)
    near_section = difflib.get_close_matches(section, names, n=1)
    if near:
        variable = f" ({_variable(flat[near[0]])})" if "variable" in origin else ""
        hint = f"The nearest key is {flat[near[0]]}{variable}"
    elif near_section:
        of_section = ", ".join(k.partition(".")[2] for k in keys if k.startswith(f"{near_section[0]}."))
        hint = f"The nearest section is {near_section[0]}, with the keys {of_section}"
    else:
        hint = f"The sections are {', '.join(names)}"
    raise ConfigurationError(f"Unknown setting {key} in {origin}", hint)


def _configuration_error(
    error: ValidationError, merged: Mapping[str, Mapping[str, Any]], origins: Mapping[str, str]
) -> ConfigurationError:
    keys = [".".join(str(part) for part in detail["loc"][:2]) for detail in error.errors()]
    key = keys[0]
    # A key that takes a number or a word reports one message for each.
    messages = [detail["msg"] for detail, of in zip(error.errors(), keys, strict=True) if of == key]
    message = "; ".join(dict.fromkeys(text.removeprefix("Value error, ") for text in messages))
    section, _, name = key.partition(".")
    shown = f" = {merged.get(section, {}).get(name)!r}" if name and key not in MASKED else ""
    about = {o for k, o in origins.items() if k.startswith(f"{section}.") and k.partition(".")[2] in message}
    origin = origins.get(key) or ", ".join(sorted(about))
    return ConfigurationError(
        f"The setting {key}{shown} (from {origin}) is not valid: {message}",
        f"Correct it there; docs/guides/configuration.md describes {key}",
    )


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
