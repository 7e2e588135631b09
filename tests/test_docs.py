"""The documentation describes what exists: every command, every setting, every link."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from polyledger.cli.app import build_app
from polyledger.cli.commands import COMMANDS
from polyledger.cli.reference import EXAMPLES, reference
from polyledger.config import setting_keys
from polyledger.ctf import events
from tests.paths import BIGWORLD_LOGS, DEVWORLD_LOGS, shared_file

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_reference_of_the_commands_is_current() -> None:
    written = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert written == reference(), "run make docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_shows_an_example(name: str) -> None:
    command = build_app()[name]
    assert command.help
    for argument in command.assemble_argument_collection():
        if argument.parse:
            assert argument.parameter.help or argument.get_choices(), argument.name
    assert all(example.startswith("polyledger ") and name in example.split() for example in EXAMPLES[name])
    assert f"## {name}\n" in reference()


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in {"version"}])
def test_every_command_appears_in_a_guide_or_the_tutorial(name: str) -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES if "reference" not in page.parts]
    assert any(re.search(rf"polyledger( -w \S+)? {name}\b|make {name}\b|`{name}`", text) for text in texts)


def test_every_setting_is_described() -> None:
    text = (ROOT / "docs/guides/configuration.md").read_text(encoding="utf-8")
    for key in setting_keys():
        name = key.partition(".")[2]
        generic = name in {"enabled", "requests_per_10s", "max_workers"}
        assert f"`{key}`" in text or (generic and f"`<source>.{name}`" in text), key


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_only_commands_that_exist_are_shown(page: Path) -> None:
    shown = re.findall(r"^\$ polyledger(?: -w \S+)? ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(shown) <= set(COMMANDS)
    targets = re.findall(r"^[a-z-]+(?=:)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    made = re.findall(r"^\$ make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(made) <= set(targets)


def test_the_page_on_events_says_what_the_recorded_worlds_hold() -> None:
    recorded = set()
    for file in (DEVWORLD_LOGS, shared_file(BIGWORLD_LOGS)):
        recorded |= {log["topics"][0] for log in json.loads(gzip.decompress(file.read_bytes()))["logs"]}
    rows = [line for line in (ROOT / "docs/concepts/events.md").read_text(encoding="utf-8").splitlines() if "`" in line]
    real = {name for row in rows if "| real" in row for name in re.findall(r"`(\w+)`", row)}
    made = {name for row in rows if "| made" in row for name in re.findall(r"`(\w+)`", row)}
    for event in (value for value in vars(events).values() if isinstance(value, events.Event)):
        seen = f"0x{event.topic.hex()}" in recorded
        assert event.name in (real if seen else made), event.declaration
