"""Categories: exact tags only, the order of the table decides, a table of another shape is refused with its line."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter

import pytest

from polyledger.domain.categories import UNCATEGORIZED, category_of, default_categories, parse_categories, slug_of_label
from polyledger.domain.errors import ConfigurationError
from tests.paths import real_file

TABLE = parse_categories(
    """
[[rule]]
category = "Culture"
tags = ["halftime-show"]

[[rule]]
category = "Sports"
tags = ["nba", "nfl", "all-star-game"]

[[rule]]
category = "Culture"
tags = ["music"]
""",
    "test table",
)


@pytest.mark.parametrize(
    ("event_category", "tags", "expected"),
    [
        ("US-current-affairs", ["nba"], ("US-current-affairs", "event")),
        ("  ", ["nba"], ("Sports", "tag:nba")),
        (None, ["music", "nfl", "halftime-show"], ("Culture", "tag:halftime-show")),
        (None, ["music", "nfl"], ("Sports", "tag:nfl")),
        (None, ["nfl", "nba"], ("Sports", "tag:nba")),
        (None, ["coinbase"], (UNCATEGORIZED, "none")),
        (None, ["NBA"], (UNCATEGORIZED, "none")),
        (None, [], (UNCATEGORIZED, "none")),
    ],
)
def test_the_first_rule_with_an_exact_tag_decides(
    event_category: str | None, tags: list[str], expected: tuple[str, str]
) -> None:
    for order in itertools.permutations(tags):
        assert category_of(event_category, order, TABLE) == expected


def test_no_tag_is_found_inside_another_word() -> None:
    table = default_categories()
    assert category_of(None, ["ballot"], table) == (UNCATEGORIZED, "none")
    assert category_of(None, ["all"], table) == (UNCATEGORIZED, "none")
    assert category_of(None, ["coinbase"], table) == ("Crypto", "tag:coinbase")
    assert category_of(None, ["nba"], table) == ("Sports", "tag:nba")
    for tag, _, category in table.ranked_tags():
        assert category_of(None, [tag], table) == (category, f"tag:{tag}")
        assert category_of(None, [f"x{tag}", f"{tag}x"], table)[1] not in {f"tag:{tag}"}


def test_the_rows_for_the_database_say_the_same_as_the_function() -> None:
    ranked = {tag: (rank, category) for tag, rank, category in TABLE.ranked_tags()}
    for tags in itertools.combinations(ranked, 2):
        assert min(ranked[tag] for tag in tags)[1] == category_of(None, tags, TABLE)[0]


def test_the_digest_changes_with_the_verdicts_only() -> None:
    one = parse_categories('[[rule]]\ncategory = "A"\ntags = ["x", "y"]\n', "one")
    same = parse_categories('# a remark\n[[rule]]\ntags = ["y", "x"]\ncategory = "A"\n', "two")
    other = parse_categories('[[rule]]\ncategory = "A"\ntags = ["x"]\n', "three")
    assert one.digest() == same.digest() != other.digest()


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('[[rule]]\ncategory = "A"\ntags = ["a"]\n\n[[rule]]\ncategory = "B"\ntagz = ["b"]\n', 7, "tagz"),
        ('[[rule]]\ncategory = "A"\n', 1, "tags"),
        ('[[rule]]\ncategory = "A"\ntags = "a"\n', 3, "tags"),
        ('[[rule]]\ncategory = "A"\ntags = []\n', 3, "tags"),
        ('[[rule]]\ncategory = ""\ntags = ["a"]\n', 2, "category"),
        ('[[rule]]\ncategory = 7\ntags = ["a"]\n', 2, "category"),
        ('[[rule]]\ncategory = "A"\ntags = ["NBA"]\n', 3, "tags"),
        ('[[rule]]\ncategory = "A"\ntags = ["crypto prices"]\n', 3, "tags"),
        ('[[rule]]\ncategory = "A"\ntags = ["a", 1]\n', 3, "tags"),
        ('[[rule]]\ncategory = "A"\ntags = ["a"]\n[[rule]]\ncategory = "B"\ntags = ["a"]\n', 6, "tags"),
        ('\n[Sports]\ntags = ["nba"]\n', 2, "Sports"),
        ("rule = []\n", 1, "rule"),
        ("rule = [1]\n", 1, "rule"),
        ("", 1, "rule"),
    ],
)
def test_a_table_of_another_shape_is_refused_with_line_and_key(text: str, line: int, key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"categories.toml, line {line}, key '{key}'"):
        parse_categories(text, "categories.toml")


def test_a_text_that_is_not_toml_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigurationError, match="line 2"):
        parse_categories("[[rule]]\ncategory = A\n", "categories.toml")


def test_labels_become_slugs() -> None:
    assert slug_of_label("Crypto Prices") == "crypto-prices"
    assert slug_of_label(" Trump-Xi ") == "trump-xi"


def test_the_default_table_covers_the_real_markets() -> None:
    """By volume: at least 99 % of 6,521 real markets, though their own category field is always empty."""
    table, volume = default_categories(), Counter[str]()
    with gzip.open(real_file("markets_with_tags.jsonl.gz"), "rt") as lines:
        for row in map(json.loads, lines):
            category, _ = category_of(row["category"] or None, row["tag_labels"].split("|"), table)
            volume[category] += round(float(row["volume_usd"]))
    assert volume[UNCATEGORIZED] < 0.01 * volume.total()
    assert volume["Culture"] > 0.9 * volume.total()  # the sample was drawn from the tag pop-culture
    assert len(volume) >= 6


def test_the_default_table_covers_the_labels_of_real_clob_markets() -> None:
    table = default_categories()
    with gzip.open(real_file("clob_markets.jsonl.gz"), "rt") as lines:
        found = Counter(
            category_of(None, [slug_of_label(label) for label in json.loads(line)["tags"]], table)[0] for line in lines
        )
    assert found[UNCATEGORIZED] == 0
    assert found["Sports"] == 12
    assert found["Crypto"] == 5
