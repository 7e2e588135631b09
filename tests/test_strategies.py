"""Strategies: a mistake is named with its place and what is allowed there; what the guides show is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polyledger.domain.errors import ConfigurationError
from polyledger.insight.signals.rules import parse_rules
from polyledger.insight.watchlist.strategies import parse_strategies
from tests.paths import PROJECT
from tests.watching import (
    RULES,
)

ONE = '[[strategy]]\nname = "a"\nrules = ["sharps"]\n'
BAD = [
    (ONE + "stakes = 5\n", 4, "stakes", "Keys here are name, rules"),
    (ONE.replace("sharps", "sharp"), 3, "rules", "The rules are sharps, entries, sales"),
    (ONE.replace("sharps", "sales"), 3, "rules", "open nothing"),
    (ONE + ONE, 5, "name", "a strategy 'a' already"),
    (ONE + "enter = { signals = 1 }\n", 1, "strategy", "less than escalate"),
    (ONE + 'trade = "paper"\n', 1, "strategy", "needs enter, and a stake"),
    (ONE + 'trade = "swing"\n', 4, "trade", "'paper' or 'live'"),
    (ONE + 'trade = "paper"\nstake = 5\nenter = { signals = 2 }\n', 4, "trade", "needs [limits]"),
    (ONE + "exit = {}\n", 4, "exit", "exit needs rules, after, or both"),
    (
        '[limits]\nmax_per_order = 1\nmax_per_market = 1\nmax_per_category = 1\nmax_total = 1\n[paper]\nfee_rate = 0\n'
        'participation = 0.5\npatience = "1h"\n'
        + ONE.replace("sharps", "large")
        + 'trade = "paper"\nstake = 5\nenter = { signals = 2 }\n',
        13, "trade", "would trade everything",
    ),
    ('[limits]\nmax_total = "lots"\n' + ONE, 2, "max_total", "is not an amount"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "says"), BAD)
def test_a_mistake_in_a_strategy_is_named_with_line_key_and_what_is_allowed(
    text: str, line: int, key: str, says: str, tmp_path: Path
) -> None:
    more = '[[rule]]\nname = "large"\nmin_size = 5\n' if "large" in text else ""
    with pytest.raises(ConfigurationError) as caught:
        parse_strategies(text, "strategies.toml", parse_rules(RULES + more, "signals.toml", tmp_path))
    assert f"strategies.toml, line {line}, key '{key}'" in str(caught.value)
    assert says in str(caught.value)


def test_the_strategies_of_the_guides_are_strategies(tmp_path: Path) -> None:
    rules, strategies = "", ""
    for name in ("signals", "watchlist", "paper-trading"):
        for text in re.findall(r"```toml\n(.*?)```", (PROJECT / f"docs/guides/{name}.md").read_text(), re.DOTALL):
            if name == "signals":
                rules += text
            elif "[[strategy]]" in text:
                strategies = text
                parse_strategies(text, name, parse_rules(rules, "signals.toml", tmp_path))
    assert strategies
