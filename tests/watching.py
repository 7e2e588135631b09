"""Workspaces with rules and strategies on the recorded world, and what their log says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polyledger.workspace import Workspace
from tests.worlds import (
    FIRST_BLOCK,
    control,
    sync,
    workspace_at,
)

RULES = """
[[rule]]
name = "sharps"
side = "BUY"
min_size = 50
skill = { measure = "profit_per_dollar", at_least = 0.02, min_resolved = 3 }

[[rule]]
name = "entries"
min_size = 20
first_entry = true
categories = ["Politics", "Sports", "Crypto"]

[[rule]]
name = "sales"
side = "SELL"
min_size = 100
"""
LIMITS = {"max_per_order": 40, "max_per_market": 60, "max_per_category": 90, "max_total": 200}
STRATEGIES = f"""
[limits]
{chr(10).join(f"{name} = {value}" for name, value in LIMITS.items())}

[paper]
fee_rate = 0.02
participation = 0.5
patience = "24h"

[[strategy]]
name = "follow"
rules = ["sharps", "entries"]
enter = {{ signals = 2, wallets = 2 }}
exit = {{ rules = ["sales"], after = "3d" }}
trade = "paper"
stake = 50
slippage = 0.05

[[strategy]]
name = "quiet"
rules = ["entries"]
categories = ["Politics"]
min_coverage = 0.1
"""
HISTORY = ("2024-01-01", "2024-01-31")
LAST = FIRST_BLOCK + 527
MIDDLE = FIRST_BLOCK + 454
ON = {"watchlist": {"enabled": True}}
MICRO = 1_000_000


def followed_world(folder: Path, url: str) -> Path:
    """A ledger of everything whose watchlist was made by one replay."""
    sync(folder, url)
    write(folder)
    follow(folder, url)
    return folder


def world_until_middle(folder: Path, url: str) -> Path:
    """A ledger of the first half, whose watchlist was made by its sync."""
    write(folder)
    control(url, head=MIDDLE)
    try:
        sync(folder, url, **ON)
    finally:
        control(url, head=LAST)
    return folder


def write(folder: Path, strategies: str = STRATEGIES, rules: str = RULES) -> None:
    (folder / "signals.toml").write_text(rules)
    (folder / "strategies.toml").write_text(strategies)


def opened(folder: Path, url: str, **more: Any) -> Workspace:
    return workspace_at(folder, url, **{**ON, **more})


def follow(folder: Path, url: str, **more: Any) -> dict[str, Any]:
    with opened(folder, url, **more) as workspace:
        return workspace.replay_signals(*HISTORY)


def log(folder: Path) -> list[dict[str, Any]]:
    """The lines, without the clock of the one who wrote them."""
    texts = (folder / "watchlist.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(text).items() if k != "recorded_at"} for text in texts]
