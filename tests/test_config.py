"""Settings: where they come from, which wins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyledger.config import ALIASES, Settings, load_settings, setting_keys, workspace_path
from polyledger.config_file import toml_template
from polyledger.domain.errors import ConfigurationError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith("POLYLEDGER_") or name in ALIASES:
            monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    (folder / "polyledger.toml").write_text(text, encoding="utf-8")
    return folder


def test_defaults_without_a_file(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert settings.chain.chain_id == 137
    assert settings.chain.from_block is None
    assert settings.chain.to_block == "finalized"
    assert settings.evidence.keep == "http"
    assert settings.gamma.url == "https://gamma-api.polymarket.com"
    assert settings.storage.memory_limit_bytes > 0
    assert settings.storage.thread_count >= 1


@pytest.mark.parametrize(("source", "documented"), [("gamma", 300), ("clob", 900), ("data_api", 200), ("subgraph", 50)])
def test_default_rates_are_at_most_half_the_documented_limit(tmp_path: Path, source: str, documented: int) -> None:
    assert getattr(load_settings(tmp_path), source).requests_per_10s * 2 <= documented


def test_each_layer_outranks_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[chain]\nrpc_url = "http://file"\nfrom_block = 1\n')
    assert load_settings(tmp_path).chain.rpc_urls == ("http://file",)
    monkeypatch.setenv("ALCHEMY_POLYGON_RPC_URL", "http://second-alias")
    assert load_settings(tmp_path).chain.rpc_urls == ("http://second-alias",)
    monkeypatch.setenv("POLYGON_RPC_URL", "http://alias")
    assert load_settings(tmp_path).chain.rpc_urls == ("http://alias",)
    monkeypatch.setenv("POLYLEDGER_CHAIN__RPC_URL", "http://variable, http://second")
    assert load_settings(tmp_path).chain.rpc_urls == ("http://variable", "http://second")
    settings = load_settings(tmp_path, {"chain": {"rpc_url": "http://flag"}})
    assert settings.chain.rpc_urls == ("http://flag",)
    assert settings.chain.from_block == 1  # a layer replaces keys, not whole sections


def test_an_empty_alias_counts_as_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[chain]\nrpc_url = "http://file"\n')
    monkeypatch.setenv("POLYGON_RPC_URL", "")
    assert load_settings(tmp_path).chain.rpc_urls == ("http://file",)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[chain]\nrcp_url = 'x'", ["chain.rcp_url", "polyledger.toml", "chain.rpc_url"]),
        ("[chian]\nfrom_block = 1", ["chian.from_block", "chain.from_block"]),
        ("[nothing]\nx = 1", ["nothing.x", "data_api"]),
        ("from_block = 1", ["from_block", "polyledger.toml"]),
        ("chain = 1", ["chain", "table"]),
        ("[chain\n", ["polyledger.toml", "TOML"]),
        ("[chain]\nchain_id = 'one'", ["chain.chain_id", "'one'", "polyledger.toml"]),
        ("[chain]\nto_block = 'safe'", ["chain.to_block", "'safe'", "finalized"]),
        ("[chain]\nfrom_block = 10\nto_block = 9", ["from_block 10", "to_block 9"]),
        ("[chain]\nfrom_block = -1", ["chain.from_block", "-1"]),
        ("[gamma]\nurl = 'gamma'", ["gamma.url", "http://"]),
        ("[storage]\nmemory_limit = 'much'", ["storage.memory_limit", "8GB"]),
        ("[gamma]\nrequests_per_10s = 0", ["gamma.requests_per_10s"]),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(write(tmp_path, text))
    for part in parts:
        assert part in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("POLYLEDGER_CHAIN__RPCURL", "x", ["POLYLEDGER_CHAIN__RPCURL", "POLYLEDGER_CHAIN__RPC_URL"]),
        ("POLYLEDGER_CHAIN_RPC_URL", "x", ["POLYLEDGER_CHAIN_RPC_URL", "POLYLEDGER_CHAIN__RPC_URL"]),
        ("POLYLEDGER_NOTHING__KEY", "x", ["POLYLEDGER_NOTHING__KEY", "sections"]),
        ("POLYLEDGER_CHAIN__TO_BLOCK", "never", ["POLYLEDGER_CHAIN__TO_BLOCK", "'never'"]),
        ("POLYLEDGER_CHAIN__CONTRACTS", "{", ["chain.contracts"]),
    ],
)
def test_a_bad_variable_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, parts: list[str]
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path)
    for part in parts:
        assert part in str(caught.value)


def test_an_unknown_flag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="command line"):
        load_settings(tmp_path, {"chain": {"rpc": "x"}})


@pytest.mark.parametrize("key", ["api_key", "secret", "passphrase"])
def test_secrets_in_the_file_are_refused_without_being_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(write(tmp_path, f"[clob]\n{key} = 'hunter2'"))
    assert f"POLYLEDGER_CLOB__{key.upper()}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOB_API_KEY", "hunter2")
    monkeypatch.setenv("CLOB_API_SECRET", "hunter3")
    monkeypatch.setenv("CLICKHOUSE_URL", "https://user:hunter4@host")
    monkeypatch.setenv("POLYGON_RPC_URL", "https://host/v2/hunter5")
    settings = load_settings(tmp_path)
    assert settings.clob.api_key is not None
    assert settings.clob.api_key.get_secret_value() == "hunter2"
    assert "hunter" not in repr(settings) + str(settings) + str(settings.model_dump())
    monkeypatch.setenv("POLYGON_RPC_URL", "https//host/v2/hunter5")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path)
    assert "hunter" not in str(caught.value)


def test_a_literal_is_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYLEDGER_CHAIN__CHAIN_ID", "1")
    assert Settings().chain.chain_id == 137


def test_contracts_from_the_environment_are_a_json_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYLEDGER_CHAIN__CONTRACTS", '{"conditional_tokens": "0x1", "exchange_v1": ["0x2", "0x3"]}')
    assert load_settings(tmp_path).chain.contracts == {"conditional_tokens": "0x1", "exchange_v1": ["0x2", "0x3"]}


def test_a_new_file_documents_every_key_and_reads_back(tmp_path: Path) -> None:
    chosen = {"chain": {"rpc_url": 'http://h/a"b', "from_block": 5, "contracts": {"exchange_v1": ["0x1"]}}}
    text = toml_template(chosen)
    settings = load_settings(write(tmp_path, text))
    assert settings.chain.from_block == 5
    assert settings.chain.rpc_urls == ('http://h/a"b',)
    assert settings.chain.contracts == {"exchange_v1": ["0x1"]}
    secrets = {"clob.api_key", "clob.secret", "clob.passphrase", "clickhouse.url"}
    for key in set(setting_keys()) - secrets:
        section, _, name = key.partition(".")
        assert f"{name} =" in text.split(f"[{section}]")[1].split("\n[")[0], key


def test_the_template_refuses_unknown_keys() -> None:
    with pytest.raises(ConfigurationError):
        toml_template({"chain": {"rpc": "x"}})


def test_the_workspace_comes_from_flag_then_variable_then_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workspace_path() == Path()
    monkeypatch.setenv("POLYLEDGER_WORKSPACE", "/from/variable")
    assert workspace_path() == Path("/from/variable")
    assert workspace_path("/from/flag") == Path("/from/flag")
