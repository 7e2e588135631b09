"""Ids, amounts and the contract set: one normal form, and refusals that quote the value."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyledger.ctf.contracts import AUXILIARY_ROLES, LOGGED_ROLES, ContractSet, Role
from polyledger.domain import ids
from polyledger.domain.amounts import amount_text, parse_amount, settled_value
from polyledger.domain.errors import ConfigurationError, MalformedIdError, UsageError

ADDRESS = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
WORD = "0x" + "Ab" * 32


def test_normal_forms() -> None:
    assert ids.normal_address(ADDRESS) == ADDRESS.lower()
    assert ids.normal_hash(WORD) == WORD.lower()
    assert ids.normal_condition(WORD) == WORD.lower()
    assert ids.normal_condition("0x01" + "cD" * 30) == "0x01" + "cd" * 30 + "00"
    assert ids.normal_token("0") == "0"
    assert ids.normal_token((1 << 256) - 1) == str((1 << 256) - 1)


@pytest.mark.parametrize(
    "text", ["", "0x", "0X" + "ab" * 20, "ab" * 20, "0x" + "ab" * 19, "0x" + "zz" * 20, ADDRESS + "\n"]
)
def test_what_is_no_address_is_refused_with_the_value(text: str) -> None:
    with pytest.raises(MalformedIdError) as caught:
        ids.normal_address(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["", "0x", "ab" * 32, "0x" + "ab" * 33, " 0x" + "ab" * 32, "0x" + "ab" * 20])
def test_what_is_no_hash_is_refused(text: str) -> None:
    for check in (ids.normal_hash, ids.normal_condition, ids.hash_bytes, ids.condition_bytes):
        with pytest.raises(MalformedIdError):
            check(text)


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "01", "1.0", "0x10", " 1", "١", "1_0", str(1 << 256), "9" * 200, -1, 1 << 256, True]
)
def test_what_is_no_token_is_refused(text: str | int) -> None:
    with pytest.raises(MalformedIdError) as caught:
        ids.normal_token(text)
    assert len(str(caught.value)) < 300


@given(st.integers(0, (1 << 256) - 1))
def test_tokens_survive_the_round_trip(number: int) -> None:
    assert ids.token_text(ids.token_bytes(str(number))) == str(number)


@given(st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32))
def test_bytes_survive_the_round_trip(address: bytes, word: bytes) -> None:
    assert ids.address_bytes(ids.address_text(address)) == address
    assert ids.hash_bytes(ids.hash_text(word)) == word
    assert ids.condition_bytes(ids.hash_text(word)) == word


def test_bytes_of_a_wrong_width_are_refused() -> None:
    for call in (ids.address_text, ids.hash_text, ids.token_text):
        with pytest.raises(MalformedIdError):
            call(bytes(31))


@given(st.integers(-(1 << 70), 1 << 70))
def test_amounts_are_exact_decimals(micro: int) -> None:
    text = amount_text(micro)
    assert len(text.split(".")[1]) == 6
    assert Decimal(text) * 1_000_000 == micro
    assert parse_amount(text) == micro


@pytest.mark.parametrize(
    ("text", "micro"), [("1", 1_000_000), ("-0.5", -500_000), ("0.000001", 1), ("12.34", 12_340_000)]
)
def test_amounts_are_parsed(text: str, micro: int) -> None:
    assert parse_amount(text) == micro


@pytest.mark.parametrize("text", ["", ".5", "1.", "1e6", "0.0000001", "1,000", "NaN", "٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_amount(text)


def test_payouts_are_floored() -> None:
    assert settled_value(3, [1, 1], 0) == 1
    assert settled_value(7, [1, 1, 2], 2) == 3
    assert settled_value(10, [0, 1], 0) == 0
    for bad in ((-1, [1, 0], 0), (1, [1, 0], 2), (1, [0, 0], 0), (1, [1, 0], -1)):
        with pytest.raises(UsageError):
            settled_value(*bad)


def test_mainnet_set() -> None:
    mainnet = ContractSet.mainnet()
    assert mainnet.first_block == 4_023_686
    assert len({contract.address for contract in mainnet.all}) == len(mainnet.all)
    assert len(mainnet.exchanges) == 6
    assert mainnet.role_of(bytes.fromhex("e2222d002000ba0053cef3375333610f64600036")) is Role.NEG_RISK_EXCHANGE_V2
    assert mainnet.role_of(bytes(20)) is None
    assert not set(mainnet.transfer_collaterals) & set(mainnet.log_addresses)
    assert set(mainnet.exchanges) <= set(mainnet.log_addresses) & set(mainnet.collateral_holders)
    assert not LOGGED_ROLES & AUXILIARY_ROLES


def test_a_replacement_set_has_only_what_it_names() -> None:
    own = ContractSet.from_mapping({"conditional_tokens": ADDRESS, "fee_module": ["0x" + "01" * 20, "0x" + "02" * 20]})
    assert own.address_bytes(Role.CONDITIONAL_TOKENS) == ids.address_bytes(ADDRESS)
    assert len(own.with_role(Role.FEE_MODULE)) == 2
    assert own.exchanges == ()
    assert own.first_block == 0
    assert own.digest() != ContractSet.mainnet().digest()
    assert (
        own.digest()
        == ContractSet.from_mapping(
            {"fee_module": ["0x" + "02" * 20, "0x" + "01" * 20], "conditional_tokens": ADDRESS.lower()}
        ).digest()
    )
    with pytest.raises(ConfigurationError, match="2 contracts"):
        own.address_bytes(Role.FEE_MODULE)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"exchange": ADDRESS}, "unknown role 'exchange'"),
        ({"exchange_v1": "0x12"}, "'0x12'"),
        ({"exchange_v1": [12]}, "12"),
        ({"exchange_v1": ADDRESS, "exchange_v2": ADDRESS.lower()}, "twice"),
        ({}, "no contract"),
        ({"exchange_v1": []}, "no contract"),
    ],
)
def test_a_wrong_replacement_is_refused(mapping: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ContractSet.from_mapping(mapping)
