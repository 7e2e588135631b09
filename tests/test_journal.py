"""The journal as people read it: balanced lines, and collateral that comes and goes named as what it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.paths import DEVWORLD_TRUTH
from tests.worlds import document_of, replica_of, sync, workspace_at, world_of


def test_deposits_withdrawals_and_transfers_of_collateral_are_those_of_the_truth(tmp_path: Path) -> None:
    truth = document_of(DEVWORLD_TRUTH)
    everything = {"chain": {"collateral_transfers": "all"}, "gamma": {"enabled": False}, "clob": {"enabled": False}}
    with replica_of(world_of()) as url:
        sync(tmp_path, url, **everything)
        with workspace_at(tmp_path, url, **everything) as workspace:
            rows = workspace.sql(
                "SELECT reason, account, sum(amount), count(*) FROM journal "
                "WHERE reason IN ('deposit', 'withdrawal', 'collateral transfer') GROUP BY ALL"
            ).document["rows"]
            unbalanced = workspace.sql(
                "SELECT transaction_hash FROM journal GROUP BY transaction_hash, asset, "
                "CASE WHEN asset = 'shares' THEN token_id END HAVING sum(amount) <> 0"
            ).document["rows"]
    assert unbalanced == []
    received: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    transfers = 0
    for reason, account, amount, count in rows:
        if reason == "deposit" and int(amount) > 0:
            received[account] += int(amount)
        elif reason == "withdrawal" and int(amount) < 0:
            sent[account] -= int(amount)
        elif reason == "collateral transfer":
            transfers += count
    assert received == {wallet.lower(): amount for wallet, amount in truth["deposits"].items()}
    assert sent == {wallet.lower(): amount for wallet, amount in truth["withdrawals"].items()}
    assert transfers == 2 * len(truth["transfers_usdc"])
