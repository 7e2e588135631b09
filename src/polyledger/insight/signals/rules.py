"""The rules of signals: ``signals.toml`` in the workspace, one [[rule]] each."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from polyledger.domain.amounts import MICRO, amount_text
from polyledger.domain.scope import read_wallets
from polyledger.insight.toml_tables import (
    Address,
    Count,
    Micro,
    Name,
    Seconds,
    Share,
    Text,
    Texts,
    TomlTable,
    check_categories,
    complaint,
    parse_toml,
    read_text,
)

RULES_FILE: Final = "signals.toml"
Measure = Literal["hit_rate", "win_rate", "profit_per_dollar", "closing_line", "brier"]
Price = Annotated[tuple[Micro, Micro], Field(description="least and most, USDC for a share")]


class Skill(TomlTable):
    """How well a wallet must have traded before the day of its fill (docs/concepts/skill.md).

    Attributes:
        measure: the figure.
        at_least, at_most: its bound; ``at_most`` for brier, where less is better, else ``at_least``.
        figure: shrunk towards all wallets, as measured (value), or the low end of its 95 % interval.
        over: the category of the market, or all of the wallet's markets.
        min_resolved: with fewer resolved conditions there is not enough data, and the rule does not fire.
    """

    measure: Measure
    at_least: Annotated[float, Field(strict=True)] | None = None
    at_most: Annotated[float, Field(strict=True)] | None = None
    figure: Literal["shrunk", "value", "low"] = "shrunk"
    over: Literal["category", "total"] = "total"
    min_resolved: Count = 5

    @model_validator(mode="after")
    def _bound(self) -> Skill:
        wanted, other = ("at_most", "at_least") if self.measure == "brier" else ("at_least", "at_most")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"{self.measure} takes {wanted}, and only that")
        return self

    @property
    def bound(self) -> float:
        """The bound that is set."""
        return float(self.at_most if self.measure == "brier" else self.at_least)  # type: ignore[arg-type]


class Rule(TomlTable):
    """What a fill must be like to give a signal; all that is set must hold."""

    name: Name
    wallets: Annotated[tuple[Address, ...], Field(min_length=1)] | None = None
    wallets_file: Text | None = None
    skill: Skill | None = None
    side: Literal["BUY", "SELL"] | None = None
    categories: Texts | None = None
    tags: Texts | None = None
    exclude_tags: Texts | None = None
    min_coverage: Share | None = None
    min_size: Micro | None = None
    max_size: Micro | None = None
    price: Price | None = None
    max_age: Seconds | None = None
    first_entry: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _sense(self) -> Rule:
        if self.wallets is not None and self.wallets_file is not None:
            raise ValueError("a rule takes wallets or wallets_file, not both")
        if self.price is not None and not 0 <= self.price[0] <= self.price[1] <= MICRO:
            raise ValueError("price is the least and the most that a share may cost, from 0 to 1")
        if self.min_size is not None and self.max_size is not None and self.min_size > self.max_size:
            raise ValueError("min_size is more than max_size")
        if not (self.picks_wallets or self.picks_markets or self.min_size):
            raise ValueError(
                "this rule would fire on every trade; give it wallets, wallets_file, skill, categories, tags or "
                "min_size"
            )
        return self

    @property
    def picks_wallets(self) -> bool:
        """Whether it says whose fills count."""
        return self.wallets is not None or self.wallets_file is not None or self.skill is not None

    @property
    def picks_markets(self) -> bool:
        """Whether it says which markets count."""
        return self.categories is not None or self.tags is not None

    def definition(self) -> str:
        """A short hash of what the rule says; a signal holds that of the rule that found it."""
        text = json.dumps(self.model_dump(mode="json", exclude={"wallets_file"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class _RulesFile(TomlTable):
    rule: Annotated[tuple[Rule, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Rules:
    """The rules of one file, in its order."""

    rules: tuple[Rule, ...]
    origin: str
    text: str

    def check_categories(self, known: Collection[str]) -> None:
        """Refuse a rule about a category that does not exist, so that a misspelt one cannot stay silent for ever.

        Raises:
            ConfigurationError: names line and key, and the categories there are.
        """
        check_categories(
            (rule.categories for rule in self.rules),
            known,
            text=self.text,
            origin=self.origin,
            heading="rule",
        )


def load_rules(workspace: Path) -> Rules | None:
    """The rules of a workspace, None when it has none.

    Raises:
        ConfigurationError: see `parse_rules`.
    """
    file = workspace / RULES_FILE
    text = read_text(file)
    return None if text is None else parse_rules(text, str(file), workspace)


def parse_rules(text: str, origin: str, folder: Path) -> Rules:
    """The rules that a TOML text describes; files of wallets are looked for in `folder`.

    Raises:
        ConfigurationError: no TOML, an unknown key, a value that is not allowed, a name used twice, a rule that would
            fire on everything; the message names line and key.
    """
    found = parse_toml(text, origin, _RulesFile)
    rules: list[Rule] = []
    for index, rule in enumerate(found.rule):
        if any(rule.name == other.name for other in rules):
            raise complaint(
                text, origin, ("rule", index, "name"), f"there is a rule {rule.name!r} already", "Give it another name"
            )
        rules.append(_with_wallets(rule, text, origin, index, folder))
    return Rules(tuple(rules), origin, text)


def _with_wallets(rule: Rule, text: str, origin: str, index: int, folder: Path) -> Rule:
    if rule.wallets_file is None:
        return rule
    file = folder / rule.wallets_file
    try:
        wallets = tuple(read_wallets(file.read_text(encoding="utf-8-sig"), str(file)))
    except (OSError, UnicodeDecodeError) as error:
        raise complaint(
            text, origin, ("rule", index, "wallets_file"), f"{file} cannot be read ({error})", "Name a text file"
        ) from error
    return rule.model_copy(update={"wallets": wallets})


def overlaps(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """The pairs of rules that one fill can fire together, and on what they meet: ``{"rules": [a, b], "on": …}``."""
    found = []
    for one, other in itertools.combinations(rules, 2):
        on = _common(one, other)
        if on is not None:
            found.append({"rules": [one.name, other.name], "on": on})
    return found


def _common(one: Rule, other: Rule) -> str | None:
    """What fills of both are like; None where no fill can be of both."""
    if one.side and other.side and one.side != other.side:
        return None
    words: list[str] = [one.side or other.side or "fills"]
    for name in ("wallets", "categories"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine is not None and theirs is not None:
            both = sorted(set(mine) & set(theirs))
            if not both:
                return None
            words.append(f"{len(both)} wallets in both" if name == "wallets" else f"in {', '.join(both)}")
        elif name == "categories" and (mine or theirs):
            words.append(f"in {', '.join(mine or theirs)}")
    for name, top in (("price", MICRO), ("size", None)):
        low, high = _range(one, other, name, top)
        if high is not None and low > high:
            return None
        if low or high not in {None, top}:
            words.append(f"{name} {amount_text(low)[:-4]}{'' if high is None else f' to {amount_text(high)[:-4]}'}")
    return ", ".join(words)


def _range(one: Rule, other: Rule, name: str, top: int | None) -> tuple[int, int | None]:
    pairs: list[tuple[int, int | None]] = []
    for rule in (one, other):
        low, high = (rule.price or (0, None)) if name == "price" else (rule.min_size or 0, rule.max_size)
        pairs.append((low, high))
    highs = [high for _, high in pairs if high is not None]
    return max(low for low, _ in pairs), min(highs) if highs else top
