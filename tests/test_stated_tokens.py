"""Rows that name a token and its condition are proven or refuted as they are imported, without a network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import token_ids
from tests.worlds import workspace_at

NOBODY = "http://127.0.0.1:9"
USDC = ContractSet.mainnet().address_bytes(Role.COLLATERAL)


def condition(number: int) -> str:
    return f"0x{hashlib.sha256(f'condition {number}'.encode()).hexdigest()}"


def tokens(number: int) -> list[str]:
    """The tokens of a binary condition in USDC.e, by outcome."""
    return [str(token) for token in token_ids(bytes.fromhex(condition(number)[2:]), 2, USDC)]


def row(number: int, **ids: Any) -> dict[str, Any]:
    return {
        "wallet": "0x" + "ab" * 20, "side": "BUY", "size": "2.5", "price": "0.4", "timestamp": 1_700_000_000 + number,
        "transactionHash": f"0x{number:064x}", **ids,
    }  # fmt: skip


def imported(folder: Path, rows: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The report of the file, the coverage and the conflicts of a ledger that holds nothing else."""
    file = folder / "trades.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))
    with workspace_at(folder / "ledger", NOBODY) as workspace:
        (report,) = workspace.import_trades([file])["files"]
        return report, workspace.coverage().document, workspace.conflicts().document


def test_one_row_with_both_ids_proves_the_token_and_its_sibling(tmp_path: Path) -> None:
    yes, no = tokens(1)
    rows = [
        row(1, asset=yes, conditionId=condition(1)),
        row(2, asset=yes),
        row(3, asset=no),
        row(4, asset=tokens(2)[0]),
    ]
    report, coverage, conflicts = imported(tmp_path, rows)
    assert report["claims"] == {"written": 1, "proven": 1, "refuted": 0, "quarantined": 0}
    assert (coverage["trades"]["condition"], coverage["trades"]["pending"]) == (3, 1)
    assert coverage["links"] == {"proven": 2, "claimed": 0, "refuted": 0}
    assert conflicts["conflicts"] == []


def test_a_pair_that_does_not_derive_is_refuted_and_shown(tmp_path: Path) -> None:
    wrong = row(1, asset=tokens(1)[0], conditionId=condition(2))
    swapped = row(2, asset=tokens(3)[0], conditionId=condition(3), outcomeIndex=1)
    report, coverage, conflicts = imported(tmp_path, [wrong, swapped, row(3, asset=tokens(3)[0])])
    assert report["claims"] == {"written": 2, "proven": 0, "refuted": 2, "quarantined": 0}
    # The wrong condition is not believed; of the swapped outcome the right one is proven.
    assert (coverage["trades"]["condition"], coverage["trades"]["conflict"]) == (2, 1)
    subjects = {one["subject"]["id"]: one for one in conflicts["conflicts"]}
    assert set(subjects) == {tokens(1)[0], tokens(3)[0]}
    assert all(claim["source"] == "file:trades.jsonl" for one in subjects.values() for claim in one["claims"])


def test_a_file_that_gives_every_token_the_same_condition_is_set_aside(tmp_path: Path) -> None:
    rows = [row(number, asset=tokens(number)[0], conditionId=condition(0)) for number in range(1, 61)]
    report, coverage, conflicts = imported(tmp_path, rows)
    assert report["claims"]["quarantined"] == 60
    assert report["patterns"] != []
    assert (coverage["trades"]["condition"], coverage["trades"]["conflict"]) == (0, 60)
    (aside,) = conflicts["quarantines"]
    assert (aside["source"], aside["keys"]) == ("file:trades.jsonl", 60)
