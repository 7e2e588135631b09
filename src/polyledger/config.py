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
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from polyledger.config_sections import (
    ChainSettings,
    ClickhouseSettings,
    ClobSettings,
    DataApiSettings,
    EvidenceSettings,
    GammaSettings,
    SourceSettings,
    StorageSettings,
    SubgraphSettings,
    TradingSettings,
    WatchlistSettings,
)
from polyledger.domain.errors import ConfigurationError

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
