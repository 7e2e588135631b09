"""What is done about signals: ``strategies.toml`` in the workspace, one [[strategy]] each, and limits for trading."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from polyledger.domain.amounts import MICRO
from polyledger.insight.signals.rules import Rule, Rules
from polyledger.insight.toml_tables import (
    Count,
    Micro,
    Name,
    Seconds,
    Share,
    Texts,
    TomlTable,
    check_categories,
    complaint,
    parse_toml,
    read_text,
)

STRATEGIES_FILE: Final = "strategies.toml"


class Threshold(TomlTable):
    """So many signals, by so many wallets."""

    signals: Count = 1
    wallets: Count = 1

    def is_met(self, signals: int, wallets: int) -> bool:
        """Whether there are as many."""
        return signals >= self.signals and wallets >= self.wallets


class Exit(TomlTable):
    """What ends an entry before its market does: a signal of these rules against it, or time since it was entered."""

    rules: Texts | None = None
    after: Seconds | None = None

    @model_validator(mode="after")
    def _something(self) -> Exit:
        if self.rules is None and self.after is None:
            raise ValueError("exit needs rules, after, or both")
        return self


class Limits(TomlTable):
    """What may be at stake at the same time over all strategies, in USDC before fees."""

    max_per_order: Micro
    max_per_market: Micro
    max_per_category: Micro
    max_total: Micro


class Paper(TomlTable):
    """How the paper broker fills.

    Attributes:
        fee_rate: the fee of a fill is fee_rate × min(price, 1 − price) × shares.
        participation: the share of each recorded fill that an order may take.
        patience: how long an order to buy works.
    """

    fee_rate: Share
    participation: Annotated[float, Field(strict=True, gt=0, le=1)]
    patience: Seconds


class Strategy(TomlTable):
    """Which signals make entries, and when an entry escalates, is entered and exits."""

    name: Name
    rules: Texts
    categories: Texts | None = None
    tags: Texts | None = None
    exclude_tags: Texts | None = None
    events: Texts | None = None
    min_coverage: Share | None = None
    escalate: Threshold = Threshold(signals=2)
    enter: Threshold | None = None
    exit: Exit | None = None
    trade: Literal["paper", "live"] | None = None
    stake: Micro | None = None
    slippage: Micro = 20_000
    max_price: Micro = MICRO
    max_age: Seconds = 300

    @model_validator(mode="after")
    def _sense(self) -> Strategy:
        if self.enter is not None and (
            self.enter.signals < self.escalate.signals or self.enter.wallets < self.escalate.wallets
        ):
            raise ValueError("enter asks for less than escalate, which comes before it")
        if self.trade is not None and (self.enter is None or not self.stake):
            raise ValueError("a strategy that trades needs enter, and a stake in USDC")
        if self.max_price > MICRO:
            raise ValueError("a share never pays more than 1: max_price is from 0 to 1")
        return self

    @property
    def picks_markets(self) -> bool:
        """Whether it takes some markets only."""
        return self.categories is not None or self.tags is not None or self.events is not None


class _StrategiesFile(TomlTable):
    strategy: Annotated[tuple[Strategy, ...], Field(min_length=1)]
    limits: Limits | None = None
    paper: Paper | None = None


@dataclass(frozen=True)
class Strategies:
    """The strategies of one file, in its order, and what trading keeps to."""

    strategies: tuple[Strategy, ...]
    limits: Limits | None
    paper: Paper | None
    origin: str
    text: str

    def rules_used(self) -> set[str]:
        """Names of the rules whose signals matter."""
        return {rule for strategy in self.strategies for rule in _rules_of(strategy)}

    def check_categories(self, known: Collection[str]) -> None:
        """Refuse a strategy about a category that does not exist.

        Raises:
            ConfigurationError: names line and key, and the categories there are.
        """
        check_categories(
            (strategy.categories for strategy in self.strategies),
            known,
            text=self.text,
            origin=self.origin,
            heading="strategy",
        )


def load_strategies(workspace: Path, rules: Rules) -> Strategies | None:
    """The strategies of a workspace, None when it has none.

    Raises:
        ConfigurationError: see `parse_strategies`.
    """
    file = workspace / STRATEGIES_FILE
    text = read_text(file)
    return None if text is None else parse_strategies(text, str(file), rules)


def parse_strategies(text: str, origin: str, rules: Rules) -> Strategies:
    """The strategies that a TOML text describes, on the signals of `rules`.

    Raises:
        ConfigurationError: no TOML, an unknown key or rule, a value that is not allowed, a name used twice, a strategy
            that would trade everything; the message names line and key.
    """
    found = parse_toml(text, origin, _StrategiesFile)
    by_name = {rule.name: rule for rule in rules.rules}
    for index, strategy in enumerate(found.strategy):
        for key, what, next_step in _mistakes(strategy, found, by_name, found.strategy[:index]):
            raise complaint(text, origin, ("strategy", index, key), what, next_step)
    return Strategies(found.strategy, found.limits, found.paper, origin, text)


def _mistakes(
    strategy: Strategy, file: _StrategiesFile, rules: dict[str, Rule], before: tuple[Strategy, ...]
) -> Iterator[tuple[str, str, str]]:
    """(key, what is wrong, what to do) for each."""
    if any(strategy.name == other.name for other in before):
        yield "name", f"there is a strategy {strategy.name!r} already", "Give it another name"
    for name in _rules_of(strategy):
        if name not in rules:
            yield "rules", f"there is no rule {name!r}", f"The rules are {', '.join(rules)}"
    for name in strategy.rules:
        rule = rules[name]
        if rule.side == "SELL":
            yield "rules", f"rule {name!r} is about sales, which open nothing", "Name it in exit.rules"
        if strategy.trade is not None and not (rule.picks_wallets or rule.picks_markets or strategy.picks_markets):
            yield (
                "trade",
                f"this strategy would trade everything: its rule {name!r} is about every wallet and every market",
                "Give the rule wallets or skill, or the strategy categories, tags or events",
            )
    if strategy.trade is not None and file.limits is None:
        yield "trade", "a strategy that trades needs [limits]", f"Its keys are {', '.join(Limits.model_fields)}"
    if strategy.trade == "paper" and file.paper is None:
        yield "trade", "trading on paper needs [paper]", f"Its keys are {', '.join(Paper.model_fields)}"


def _rules_of(strategy: Strategy) -> tuple[str, ...]:
    leaving = strategy.exit.rules if strategy.exit is not None and strategy.exit.rules is not None else ()
    return (*strategy.rules, *leaving)


def overlapping(strategies: Strategies) -> list[dict[str, Any]]:
    """The pairs of strategies that one signal can reach together: ``{"strategies": [a, b], "rules": …}``."""
    found = []
    for one, other in itertools.combinations(strategies.strategies, 2):
        rules = sorted(set(one.rules) & set(other.rules))
        apart = any(
            mine is not None and theirs is not None and not set(mine) & set(theirs)
            for mine, theirs in ((one.categories, other.categories), (one.events, other.events))
        )
        if rules and not apart:
            found.append({"strategies": [one.name, other.name], "rules": rules})
    return found
