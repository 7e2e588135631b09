"""From tags to a category: an ordered table of exact tag slugs.

A category is the event's own if it has one; else the first rule of the table that names one of the tags exactly; else
``Uncategorized``. Nothing is matched by substring: "ballot" is not the tag "all", "coinbase" is not the tag "nba".
The text of a table is TOML, the built-in one is ``categories.toml`` beside this file::

    [[rule]]
    category = "Sports"
    tags = ["nfl", "nba"]
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from polyledger.domain.errors import ConfigurationError

UNCATEGORIZED: Final = "Uncategorized"
BY_EVENT: Final = "event"
BY_NOTHING: Final = "none"
_RULE_KEYS: Final = frozenset({"category", "tags"})
_SLUG: Final = re.compile(r"[^\sA-Z]+")
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class CategoryTable:
    """An ordered table: `rules` holds (category, tag slugs) from the first to be tried to the last."""

    rules: tuple[tuple[str, frozenset[str]], ...]
    origin: str

    @property
    def categories(self) -> tuple[str, ...]:
        """The names of all categories, each once, in the order of the table."""
        return tuple(dict.fromkeys(category for category, _ in self.rules))

    def ranked_tags(self) -> list[tuple[str, int, str]]:
        """(tag slug, rank, category) of every tag, lowest rank first: the table as rows, for a join in the database."""
        return [(tag, rank, category) for rank, (category, tags) in enumerate(self.rules) for tag in sorted(tags)]

    def digest(self) -> str:
        """A short hash of what the table says; changes when and only when a verdict could change."""
        text = "\n".join(f"{rank}\t{tag}\t{category}" for tag, rank, category in self.ranked_tags())
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def category_of(event_category: str | None, tags: Iterable[str], table: CategoryTable) -> tuple[str, str]:
    """The category and the rule that gave it: ``event``, ``tag:SLUG``, or ``none`` with Uncategorized.

    Args:
        event_category: the category that the event itself carries, if any; blank counts as none.
        tags: exact tag slugs in any order; their order does not change the verdict.
        table: the rules.
    """
    if event_category is not None and event_category.strip():
        return event_category.strip(), BY_EVENT
    carried = frozenset(tags)
    for category, slugs in table.rules:
        hits = carried & slugs
        if hits:
            return category, f"tag:{min(hits)}"
    return UNCATEGORIZED, BY_NOTHING


def slug_of_label(label: str) -> str:
    """The slug of a tag of which only the label is known: "Crypto Prices" gives "crypto-prices"."""
    return _NOT_SLUG.sub("-", label.lower()).strip("-")


@functools.cache
def default_categories() -> CategoryTable:
    """The built-in table for Polymarket's tags."""
    text = resources.files("polyledger.domain").joinpath("categories.toml").read_text("utf-8")
    return parse_categories(text, "built-in categories.toml")


def parse_categories(text: str, origin: str) -> CategoryTable:
    """The table that a TOML text describes.

    Args:
        text: the whole text.
        origin: where it comes from, for messages.

    Raises:
        ConfigurationError: the text is no TOML, has an unknown key, a wrong type, an empty table or rule, a slug that
            can never match, or a slug in two rules; the message names line and key.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{origin} is not valid TOML: {error}", "Correct that line") from error
    reader = _Reader(text, origin)
    for key in document:
        if key != "rule":
            raise reader.error(None, key, f"unknown key {key!r}", "A table has only [[rule]] entries")
    entries = document.get("rule")
    if not isinstance(entries, list) or not entries:
        raise reader.error(None, "rule", "no [[rule]] in the table", "Add at least one, or delete the file")
    owner: dict[str, int] = {}
    rules = []
    for index, entry in enumerate(entries):
        category, tags = reader.rule(index, entry)
        for tag in tags:
            first = owner.setdefault(tag, index)
            if first != index:
                raise reader.error(
                    index, "tags", f"tag {tag!r} stands in rule {first + 1} already", "Keep it in one rule"
                )
        rules.append((category, frozenset(tags)))
    return CategoryTable(tuple(rules), origin)


class _Reader:
    """Reads rules and knows on which line of the text each key stands."""

    def __init__(self, text: str, origin: str) -> None:
        self._lines = text.splitlines()
        self._origin = origin

    def rule(self, index: int, entry: Mapping[str, Any]) -> tuple[str, list[str]]:
        """(category, tags) of the rule at `index`; raises ConfigurationError for any other shape."""
        if not isinstance(entry, dict):
            raise self.error(index, "rule", "a rule is not a table", "Write [[rule]]")
        for key in entry:
            if key not in _RULE_KEYS:
                raise self.error(index, key, f"unknown key {key!r}", "A rule has the keys category and tags")
        for key in sorted(_RULE_KEYS):
            if key not in entry:
                raise self.error(index, key, f"rule {index + 1} has no {key!r}", "A rule needs category and tags")
        category, tags = entry["category"], entry["tags"]
        if not isinstance(category, str) or not category.strip() or category != category.strip():
            raise self.error(index, "category", f"{category!r} is not a category name", "Write a name in quotes")
        if not isinstance(tags, list) or not tags:
            raise self.error(index, "tags", f"rule {index + 1} has no list of tags", 'Write tags = ["slug", …]')
        for tag in tags:
            if not isinstance(tag, str) or _SLUG.fullmatch(tag) is None:
                raise self.error(
                    index, "tags", f"{tag!r} can never equal a tag slug", "Slugs are lower case, without blanks"
                )
        return category, tags

    def error(self, index: int | None, key: str, what: str, next_step: str) -> ConfigurationError:
        return ConfigurationError(f"{self._origin}, line {self._line(index, key)}, key {key!r}: {what}", next_step)

    def _line(self, index: int | None, key: str) -> int:
        """The 1-based line of `key` in the rule at `index`, else of the rule's heading, else the first line."""
        headings = [number for number, line in enumerate(self._lines, 1) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
        start, stop = 1, len(self._lines)
        if index is not None and index < len(headings):
            start = headings[index]
            stop = headings[index + 1] - 1 if index + 1 < len(headings) else stop
        pattern = re.compile(rf"\s*\[*\s*\"?{re.escape(key)}\"?\s*[\]=.]")
        for number in range(start, stop + 1):
            if pattern.match(self._lines[number - 1]):
                return number
        return start
