"""Identity: published vectors, real pairs, and the curve against py-ecc."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc.bn128 import FQ, add, b, field_modulus, is_on_curve
from py_ecc.bn128 import bn128_curve as curve_of_py_ecc

from polyledger.ctf import curve
from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import (
    ProtocolPosition,
    collection_id,
    condition_id,
    neg_risk_market_id,
    neg_risk_market_of,
    neg_risk_question_id,
    position_id,
    position_ids,
    protocol_token,
    prove,
    token_ids,
)
from polyledger.domain.errors import MalformedIdError
from tests.paths import real_file

MAINNET = ContractSet.mainnet()
USDCE = MAINNET.address_bytes(Role.COLLATERAL)
WCOL = MAINNET.address_bytes(Role.WRAPPED_COLLATERAL)
ADAPTER = MAINNET.address_bytes(Role.NEG_RISK_ADAPTER)

# condition, collateral, token 0, token 1: published by the subgraph's tests, public API samples and third-party docs
VECTORS = [
    (
        "fc690d5069b296bb9278af0cba42c02666e0999e4a4009ed97ea4a885f045457",
        USDCE,
        73716170047628147940237270507900673332129573201293655532643868111690843426372,
        2890213445014127424511466931609154310536269586265875141655148162320150952197,
    ),
    (
        "bf5ba08b3a0c4dd741f00759282e38e9bfa9ad59aa623ed13d26a8786c1e5afc",
        WCOL,
        84121562275746951169805992721206824933074826856805500029198362509460400440947,
        6492254133524731704185750998715576231739345323060925006131340263114065023619,
    ),
    (
        "c288913391d7d3b484d9e63f60996671a1888207e0d9917691c5257cbab09309",
        USDCE,
        58779171378753040273547833889411100281640930430837040192014777442237090167078,
        44910406836464179003614524044201701268382942629198430107881894265432491492514,
    ),
    (
        "4295664a21b3c402905e20e7f7fe7b32f33ea65ee534044df4b02c78251aabaf",
        USDCE,
        88079040319084259792317169986778269594929895453001532385270733798362038010575,
        16443073444374918605680266403165867352955585678993470305905845673667591889522,
    ),
    (
        "d9b06e2fd9ddb7ab61c9e3d5d8e074c555802478bbf75145804ff709a4246f79",
        WCOL,
        31974447302330162086995746309500877260929998201718217388109724292047967921664,
        79061435361937976168195151655728639424228382464861988304978058976632471827130,
    ),
    (
        "dd22472e552920b8438158ea7238bfadfa4f736aa4cee91a6b86c39ead110917",
        WCOL,
        21742633143463906290569050155826241533067272736897614950488156847949938836455,
        48331043336612883890938759509493159234755048973500640148014422747788308965732,
    ),
]
# neg-risk market, index, condition, token 0, token 1
NEG_RISK_VECTORS = [
    (
        "cc4727a6394620b9c8ae82db3db50a34d5ca9828675547bcc4cddf5e86b63000",
        7,
        "332a94e571f787be90c3db5bd66e00c471a556371786b4622912c90edb46c044",
        96833685517457790753237027711749956491556223430098771101130535462280443103710,
        112683192116716745370273337699109698649408967993699289993927321945615517688893,
    ),
    (
        "904aa321a48f737e2223e7b3007bf51d68b6a0d66bdda0c1e4bc581f55d62800",
        4,
        "13decdc825910e52d8d73e800d15cc03e68bb940b426bc241d9d987d1cd960d2",
        11031149734538275426690039809123992018327740438980973428241361937177748285493,
        92849115097658926029726616555072992123532598747617388960074918380114146610948,
    ),
    (
        "5e596465dca57c10c8b175f901974e2de2877498410b0210d0a21b57e14da000",
        4,
        "2cf06bc2611641b8d3bd72a00c368e243b0495f144035a3db03b888dda89f74f",
        30637845681714148498359907433169105263223689440526909041094893305583115580796,
        111796127100720291855951404495290728144208289103084969375425640210971192620108,
    ),
]
COLLECTIONS = [
    (
        "fc690d5069b296bb9278af0cba42c02666e0999e4a4009ed97ea4a885f045457",
        "6e569c22116a7d4e3eb10459813daae894f1c237fad652ae3e04da2783725d89",
        "496db15545cda8ca9c5100a768a53ffdc6acbd7a39b0570be8cbc9f45240387b",
    ),
    (
        "db4ab1dbbedd6aeec17aa6e3f66262cff0e3b04742dd3acdf99652575e5422f8",
        "12adf3dfeaddeef8f31fa86654bf367c5c7b1e854dff407d7c87ff76af4ad16d",
        "2f5ebcc5972889a57d587b7088d543bbf464fbdd2b2c4cb7c276ca3d4d70415b",
    ),
    (
        "da558eddf6eb57760bd5371fb313167f871d823a16e9d66fccb292baf2a117c0",
        "45ca66c3edbdbf0fbd03366cf395d3663ee3b34c4db07964bb60e3c7ca7e20e2",
        "416929e8901456139abeec231eba635f911a240961f78919665280c69288ee0d",
    ),
]


@pytest.mark.parametrize(("condition", "collateral", "first", "second"), VECTORS)
def test_published_tokens(condition: str, collateral: bytes, first: int, second: int) -> None:
    condition_bytes = bytes.fromhex(condition)
    assert token_ids(condition_bytes, 2, collateral) == [first, second]
    kind = "binary" if collateral == USDCE else "neg_risk"
    for outcome, token in enumerate((first, second)):
        proof = prove(token, condition_bytes, outcome, MAINNET)
        assert (proof.verdict, proof.collateral, proof.kind) == ("proven", "0x" + collateral.hex(), kind)
        wrong = prove(token, condition_bytes, 1 - outcome, MAINNET)
        assert (wrong.verdict, wrong.outcome_index) == ("refuted", outcome)


@pytest.mark.parametrize(("market", "index", "condition", "first", "second"), NEG_RISK_VECTORS)
def test_published_neg_risk_chains(market: str, index: int, condition: str, first: int, second: int) -> None:
    question = neg_risk_question_id(bytes.fromhex(market), index)
    assert neg_risk_market_of(question) == (bytes.fromhex(market), index)
    derived = condition_id(ADAPTER, question, 2)
    assert derived.hex() == condition
    assert token_ids(derived, 2, WCOL) == [first, second]


@pytest.mark.parametrize(("condition", "first", "second"), COLLECTIONS)
def test_published_collections(condition: str, first: str, second: str) -> None:
    assert [collection_id(bytes.fromhex(condition), index_set).hex() for index_set in (1, 2)] == [first, second]


def real_pairs() -> list[dict[str, Any]]:
    with gzip.open(real_file("pairs.jsonl.gz")) as file:
        return [json.loads(line) for line in file]


def test_all_real_pairs_are_proven() -> None:
    pairs = real_pairs()
    kinds = {"USDC.e": "binary", "WCOL": "neg_risk"}
    assert len(pairs) == 854
    for pair in pairs:
        condition, slots = bytes.fromhex(pair["condition_id"][2:]), len(pair["token_ids"])
        for outcome, token in enumerate(pair["token_ids"][:2]):
            proof = prove(int(token), condition, outcome, MAINNET, slots)
            assert (proof.verdict, proof.kind) == ("proven", kinds[pair["collateral"]]), pair


def test_index_sets_counted_up_by_one_are_refuted() -> None:
    """Two real rows with more than two outcomes list the tokens of index sets 1, 2, 3, 4, … instead of 1, 2, 4, 8."""
    wide = [pair for pair in real_pairs() if len(pair["token_ids"]) > 2]
    assert sorted(len(pair["token_ids"]) for pair in wide) == [5, 6]
    for pair in wide:
        condition, tokens = bytes.fromhex(pair["condition_id"][2:]), [int(token) for token in pair["token_ids"]]
        assert tokens == [position_id(USDCE, collection_id(condition, 1 + i)) for i in range(len(tokens))]
        proofs = [prove(token, condition, i, MAINNET, len(tokens)) for i, token in enumerate(tokens)]
        assert [proof.verdict for proof in proofs[:4]] == ["proven", "proven", "refuted", "refuted"]
        assert [proof.outcome_index for proof in proofs[:5]] == [0, 1, None, 2, None]


def test_real_pairs_in_bulk_and_crossed() -> None:
    pairs = [pair for pair in real_pairs() if len(pair["token_ids"]) == 2]
    conditions = np.array([list(bytes.fromhex(pair["condition_id"][2:])) for pair in pairs], dtype=np.uint8)
    tokens = position_ids(conditions, 2, [USDCE, WCOL])
    assert tokens.shape == (len(pairs), 2, 2, 32)
    for pair, found in zip(pairs, tokens, strict=True):
        own = found[0 if pair["collateral"] == "USDC.e" else 1]
        assert [str(int.from_bytes(one.tobytes(), "big")) for one in own] == pair["token_ids"]
    for pair, other in pairwise(pairs[:51]):
        assert (
            prove(int(pair["token_ids"][0]), bytes.fromhex(other["condition_id"][2:]), 0, MAINNET).verdict == "refuted"
        )


# --- an independent oracle: the contract's algorithm step by step, on py-ecc's curve


def oracle_y(x: int) -> int | None:
    square = (x * x * x + int(b)) % field_modulus
    y = pow(square, (field_modulus + 1) // 4, field_modulus)
    return y if y * y % field_modulus == square else None


def oracle_collection(condition: bytes, index_set: int, parent: bytes) -> bytes:
    digest = int.from_bytes(keccak(condition + index_set.to_bytes(32, "big")), "big")
    odd, x = digest >> 255, digest
    while True:
        x = (x + 1) % field_modulus
        y = oracle_y(x)
        if y is not None:
            break
    if y % 2 != odd:
        y = field_modulus - y
    if any(parent):
        number = int.from_bytes(parent, "big")
        x2 = number & ((1 << 254) - 1)
        y2 = oracle_y(x2)
        assert y2 is not None
        if y2 % 2 != (number >> 254 != 0):
            y2 = field_modulus - y2
        total = add((FQ(x), FQ(y)), (FQ(x2), FQ(y2)))
        assert is_on_curve(total, curve_of_py_ecc.b)
        x, y = (0, 0) if total is None else (int(total[0]), int(total[1]))
    return (x ^ (1 << 254) if y % 2 else x).to_bytes(32, "big")


WORDS = st.binary(min_size=32, max_size=32)
INDEX_SETS = st.one_of(st.integers(1, 8), st.integers(1, (1 << 256) - 1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(WORDS, INDEX_SETS)
def test_collections_equal_the_oracle(condition: bytes, index_set: int) -> None:
    assert collection_id(condition, index_set) == oracle_collection(condition, index_set, bytes(32))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(WORDS, INDEX_SETS, WORDS, INDEX_SETS)
def test_nested_collections_equal_the_oracle(left: bytes, left_set: int, right: bytes, right_set: int) -> None:
    outer = collection_id(left, left_set)
    nested = collection_id(right, right_set, outer)
    assert nested == oracle_collection(right, right_set, outer)
    assert nested == collection_id(left, left_set, collection_id(right, right_set))  # the order does not matter


def test_a_collection_within_itself_doubles_the_point() -> None:
    own = collection_id(b"c" * 32, 1)
    assert collection_id(b"c" * 32, 1, own) == oracle_collection(b"c" * 32, 1, own)


def test_opposite_points_cancel() -> None:
    own = int.from_bytes(collection_id(b"c" * 32, 1), "big")
    mirrored = (own ^ (1 << 254)).to_bytes(32, "big")
    assert collection_id(b"c" * 32, 1, mirrored) == bytes(32) == oracle_collection(b"c" * 32, 1, mirrored)
    x, y = curve.point(1, odd=False) or (0, 0)
    assert curve.add((x, y), (x, curve.FIELD - y)) == curve.INFINITY
    assert curve.add(curve.INFINITY, (x, y)) == (x, y) == curve.add((x, y), curve.INFINITY)


def test_the_start_itself_is_never_taken_and_the_field_wraps() -> None:
    assert curve.point(1, odd=False) is not None
    assert curve.first_x(0) == 1
    assert curve.first_x(1) != 1
    assert curve.first_x(curve.FIELD - 1) == curve.first_x(-1) == next(x for x in range(9) if oracle_y(x) is not None)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(WORDS, min_size=0, max_size=3), st.integers(2, 5))
def test_bulk_equals_one_by_one(conditions: list[bytes], slots: int) -> None:
    array = np.frombuffer(b"".join(conditions), dtype=np.uint8).reshape(-1, 32)
    bulk = position_ids(array, slots, [WCOL, USDCE])
    assert bulk.shape == (len(conditions), 2, slots, 32)
    for condition, tokens in zip(conditions, bulk, strict=True):
        for collateral, own in zip((WCOL, USDCE), tokens, strict=True):
            assert [int.from_bytes(one.tobytes(), "big") for one in own] == token_ids(condition, slots, collateral)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.binary(min_size=20, max_size=20), st.integers(0, 10_000), st.binary(max_size=100))
def test_neg_risk_market_is_the_hash_of_the_abi_encoding(operator: bytes, fee: int, metadata: bytes) -> None:
    encoded = encode(["address", "uint256", "bytes"], ["0x" + operator.hex(), fee, metadata])
    assert neg_risk_market_id(operator, fee, metadata) == keccak(encoded)[:-1] + b"\0"


@given(
    st.integers(1, 3), st.integers(0, (1 << 128) - 1), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 1)
)
def test_protocol_positions_carry_their_condition(module: int, base: int, arity: int, index: int, outcome: int) -> None:
    bits = f"{module:08b}{base:0128b}{arity:016b}{0:064b}{1:016b}{index:016b}{outcome:08b}"
    token = int(bits, 2)
    position = ProtocolPosition.of(token)
    assert position is not None
    assert (position.module, position.base_hash, position.arity) == (module, base, arity)
    assert (position.resolution_chain, position.condition_index, position.outcome_index) == (1, index, outcome)
    assert position.condition == (token >> 8 << 8).to_bytes(32, "big")
    assert position.event == (token >> 24 << 24).to_bytes(32, "big")
    assert protocol_token(position.condition, outcome) == token
    assert prove(token, position.condition, outcome, MAINNET).kind == "protocol_v2"
    assert prove(token, position.condition, 1 - outcome, MAINNET).verdict == "refuted"


def test_hashes_are_no_protocol_positions() -> None:
    for _, _, first, second in VECTORS:
        assert ProtocolPosition.of(first) is None
        assert ProtocolPosition.of(second) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: condition_id(b"short", bytes(32), 2),
        lambda: condition_id(bytes(20), bytes(32), 1),
        lambda: condition_id(bytes(20), bytes(32), 257),
        lambda: collection_id(bytes(31), 1),
        lambda: collection_id(bytes(32), 0),
        lambda: collection_id(bytes(32), 1, b"\xff" * 32),
        lambda: collection_id(bytes(32), 1, (4).to_bytes(32, "big")),
        lambda: collection_id(bytes(32), 1, b"p"),
        lambda: position_id(bytes(32), bytes(32)),
        lambda: neg_risk_question_id(b"\x01" * 32, 0),
        lambda: neg_risk_question_id(bytes(32), 255),
        lambda: position_ids(np.zeros((2, 31), dtype=np.uint8), 2, [USDCE]),
        lambda: position_ids(np.zeros((2, 32), dtype=np.uint8), 2, [b"short"]),
        lambda: protocol_token(b"\x01" * 32, 0),
        lambda: protocol_token(bytes(32), 2),
    ],
)
def test_malformed_ids_are_refused(call: Any) -> None:
    with pytest.raises(MalformedIdError):
        call()
