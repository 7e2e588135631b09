"""The report: its figures are those of the documents, it stands alone, and texts of others stay texts."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from polyledger.cli.app import run as run_command
from polyledger.config import load_settings
from polyledger.domain.display import amount, count, percent, ratio
from polyledger.domain.errors import OutputExistsError
from polyledger.ledger.check_titles import title
from polyledger.report import page, write_report
from polyledger.report.charts import PALETTE
from polyledger.workspace import Workspace
from tests.held_ledgers import held
from tests.worlds import FIRST_BLOCK, replica_of, workspace_at, world_of

Document = dict[str, Any]
HOSTILE = "\"><script>alert('1')</script><img src=x onerror=alert(1)>&amp;\x00\u202e{{ 7*7 }}"


@pytest.fixture(scope="module")
def folder(ledger: Path) -> Path:
    return ledger


@pytest.fixture(scope="module")
def workspace(folder: Path) -> Iterator[Workspace]:
    with Workspace(folder, load_settings(folder, {})) as workspace:
        yield workspace


@pytest.fixture(scope="module")
def document(workspace: Workspace) -> Document:
    return workspace.report().document


@pytest.fixture(scope="module")
def html(document: Document) -> str:
    return page(document)


def parsed(html: str) -> ET.Element:
    """The page as a tree; a page that is not well-formed XML fails."""
    return ET.fromstring(html)  # noqa: S314 - our own page


def section(html: str, name: str) -> ET.Element:
    found = parsed(html).find(f".//section[@id='{name}']")
    assert found is not None, name
    return found


def texts(element: ET.Element) -> list[str]:
    return [" ".join("".join(part.itertext()).split()) for part in element]


def rows(element: ET.Element) -> list[list[str]]:
    return [texts(row) for row in element.iterfind(".//tbody/tr")]


def shown(text: str) -> str:
    """An amount as the page writes it with its sign."""
    written = amount(text)
    return f"+{written}" if Decimal(text).quantize(Decimal("0.01")) > 0 else written


def test_coverage_is_that_of_the_command(workspace: Workspace, html: str) -> None:
    whole = workspace.coverage().document
    found = rows(section(html, "coverage"))
    for row, level in zip(found, ("condition", "market", "category", "resolution"), strict=False):
        assert row[1:3] == [count(whole["trades"][level]), percent(ratio(whole["trades"][level], 2000))]
        assert row[4] == amount(whole["volume"][level])
    assert found[4][1] == "2,000"
    assert found[4][4] == amount(whole["volume"]["total"])
    assert found[5][:5] == ["chain", "2,000", "0.0 %", "100.0 %", "71.1 %"]


def test_profit_by_category_is_the_sum_of_the_wallets(workspace: Workspace, html: str, document: Document) -> None:
    wallets = workspace.wallets().document["wallets"]
    expected: dict[str, list[Decimal]] = {}
    for wallet in wallets:
        for part in wallet["categories"]:
            expected.setdefault(part["category"], []).append(Decimal(part["realized_pnl"]))
    found = {row[0]: row[1:6] for row in rows(section(html, "categories"))}
    assert found.keys() == expected.keys()
    for category, values in expected.items():
        gains, losses = (sum((v for v in values if (v > 0) == up), Decimal(0)) for up in (True, False))
        assert found[category] == [
            amount(str(gains)), amount(str(losses)), shown(str(sum(values))),
            str(sum(v > 0 for v in values)), str(sum(v < 0 for v in values)),
        ]  # fmt: skip
    realized = sum((Decimal(part["realized_pnl"]) for part in document["wallets"]["categories"]), Decimal(0))
    assert realized == sum(Decimal(wallet["realized_pnl"]) for wallet in wallets)


def test_best_and_worst_are_those_of_the_ranking(workspace: Workspace, html: str, document: Document) -> None:
    ranked = workspace.wallets(order_by="realized_pnl").document["wallets"]
    best = [wallet for wallet in ranked if Decimal(wallet["realized_pnl"]) > 0][:12]
    worst = [wallet for wallet in reversed(ranked) if Decimal(wallet["realized_pnl"]) < 0][:12]
    found = rows(section(html, "wallets"))
    assert [row[:4] for row in found] == [
        [
            w["wallet"] + (" †" if w["rests_on_transfers"] else ""),
            shown(w["realized_pnl"]),
            amount(w["low"]),
            amount(w["high"]),
        ]
        for w in [*best, *worst]
    ]
    plain = [{key: value for key, value in w.items() if key != "sentence"} for w in document["wallets"]["top"]]
    assert plain == best
    said = texts(section(html, "wallets").find("ul[@class='words']"))  # type: ignore[arg-type]
    assert said[0].endswith(workspace.wallet(best[0]["wallet"]).document["sentence"])


def test_the_distribution_is_that_of_the_command(workspace: Workspace, html: str, document: Document) -> None:
    expected = workspace.coverage_distribution().document
    assert document["wallets"]["distribution"] == expected
    found = section(html, "wallets")
    drawn = [" ".join(svg.itertext()) for svg in found.iter("svg")][:2]
    for measure, drawing in zip(("conditions", "volume"), drawn, strict=True):
        for entry in expected[measure]:
            assert not entry["wallets"] or str(entry["wallets"]) in drawing
    assert "Half of those who traded have 72.3 %" in " ".join("".join(found.itertext()).split())


def test_checks_and_exposure_are_those_of_their_commands(workspace: Workspace, html: str) -> None:
    checks = workspace.verify().document["checks"]
    found = texts(section(html, "checks").find("ul"))  # type: ignore[arg-type]
    assert len(found) == len(checks)
    for line, check in zip(found, checks, strict=True):
        assert line.startswith(title(check["name"]))
        assert check["status"] != "ok" or line.endswith(count(check["checked"]))
    events = workspace.exposure().document["by_event"]
    open_events = rows(section(html, "exposure"))
    assert [row[2:6:2] for row in open_events] == [[amount(e["at_stake"]), amount(e["least"])] for e in events]


def test_the_page_stands_alone(html: str) -> None:
    tree = parsed(html)
    assert {element.tag for element in tree.iter()} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "a",
        "base",
    } == set()
    for element in tree.iter():
        assert not {name for name in element.attrib if name.startswith("on") or name.endswith(("href", "src"))}
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html
    policy = tree.find(".//meta[@http-equiv='Content-Security-Policy']")
    assert policy is not None
    assert policy.get("content", "").startswith("default-src 'none'")


def test_every_colour_of_a_chart_follows_the_page(html: str) -> None:
    tree = parsed(html)
    css = "".join(style.text or "" for style in tree.iter("style"))
    drawings = [div for div in tree.iter("div") if div.get("class") == "chart"]
    assert len(drawings) >= 7
    for element in (part for drawing in drawings for part in drawing.iter()):
        for paint in ("fill", "stroke"):
            colour = element.get(paint)
            assert colour in {None, "none", "transparent"} or f'[{paint}="{colour}"]' in css, colour
    dark = css[css.index("prefers-color-scheme: dark") :]
    assert all(f"--{name}:" in dark for name in PALETTE)


def _hostile(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _hostile(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_hostile(part, key) for part in value]
    free = {"category", "title", "event", "unit", "reason", "sentence", "key", "tag"}
    is_text = isinstance(value, str) and not re.fullmatch(r"-?\d+\.\d{6}", value)
    return HOSTILE if is_text and key in free else value


def test_texts_of_others_stay_texts(document: Document) -> None:
    bad = _hostile(deepcopy(document))
    bad["coverage"]["reasons"] = [{"state": "conflict", "reason": HOSTILE, "trades": 1, "volume": "1.000000"}]
    claim = {"source": HOSTILE, "value": {"question": HOSTILE}, "won": True, "refuted": False, "evidence": None}
    bad["conflicts"] = {
        "total": 1,
        "conflicts": [{"kind": "names", "subject": {"kind": "condition", "id": HOSTILE}, "field": HOSTILE,
                       "claims": [claim], "verdict": "conflict", "trades": 1, "volume": "1.000000"}],
        "quarantines_total": 1,
        "quarantines": [{"source": HOSTILE, "kind": "markets", "pattern": HOSTILE, "keys": 3, "observed_at": "",
                         "evidence": None}],
    }  # fmt: skip
    bad["unfinished"] = [{"what": HOSTILE, "detail": HOSTILE}]
    bad["coverage"]["scope"] = {"left_out": HOSTILE}
    html = page(bad)
    tree = parsed(html)
    assert {element.tag for element in tree.iter()}.isdisjoint({"script", "img"})
    assert not [element for element in tree.iter() if any(name.startswith("on") for name in element.attrib)]
    everything = "".join(tree.itertext())
    assert everything.count("<script>alert('1')</script>") > 10
    assert "{{ 7*7 }}" in everything
    assert "\x00" not in html
    assert {element.tag for drawing in tree.iter("svg") for element in drawing.iter()} <= {
        "svg", "g", "path", "line", "rect", "text", "tspan",
    }  # fmt: skip


@pytest.mark.long
def test_the_same_ledger_gives_the_same_report(workspace: Workspace, html: str) -> None:
    assert page(workspace.report().document) == html


def test_a_report_appears_whole_and_replaces_nothing_unasked(document: Document, tmp_path: Path) -> None:
    written = write_report(document, tmp_path / "new", force=False)
    assert json.loads(written["data"].read_text(encoding="utf-8")) == document
    written["page"].write_text("mine", encoding="utf-8")
    with pytest.raises(OutputExistsError):
        write_report(document, tmp_path / "new", force=False)
    assert written["page"].read_text(encoding="utf-8") == "mine"
    write_report(document, tmp_path / "new", force=True)
    assert parsed(written["page"].read_text(encoding="utf-8")).tag == "html"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["report.html", "report.json"]


def test_the_command_replaces_no_report_unasked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.html").write_text("mine", encoding="utf-8")
    assert run_command(["-w", str(folder), "report", "--out", str(tmp_path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "mine"


@pytest.mark.long
def test_a_report_is_answered_by_the_process_that_holds_the_ledger(
    folder: Path, document: Document, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "ledger"))
    with held(copy), Workspace(copy, load_settings(copy, {})) as workspace:
        assert workspace.report().document == document


@pytest.mark.long
def test_a_ledger_of_many_months_sources_and_long_names_still_makes_a_small_page(document: Document) -> None:
    large = deepcopy(document)
    (month,), (source,) = large["by_month"], large["by_source"]
    large["by_month"] = [{**month, "key": f"{2000 + n // 12}-{n % 12 + 1:02}"} for n in range(240)]
    large["by_source"] = [{**source, "key": f"file:{n}-{'x' * 200}"} for n in range(60)]
    large["history"] = large["history"] * 60
    category = large["wallets"]["categories"][0]
    large["wallets"]["categories"] = [{**category, "category": f"{n}-{'y' * 200}"} for n in range(500)]
    html = page(large)
    assert parsed(html).tag == "html"
    assert len(html) < 1_000_000


def _nothing_scanned(url: str, folder: Path) -> Workspace:
    return workspace_at(folder, url, chain={"to_block": FIRST_BLOCK})


def _no_markets(url: str, folder: Path) -> Workspace:
    off = {"enabled": False}
    return workspace_at(folder, url, gamma=off, clob=off, data_api=off, subgraph=off)


@pytest.mark.parametrize("build", [_nothing_scanned, pytest.param(_no_markets, marks=pytest.mark.long)])
def test_ledgers_with_little_in_them(build: Callable[[str, Path], Workspace], tmp_path: Path) -> None:
    with replica_of(world_of()) as url, build(url, tmp_path) as workspace:
        workspace.sync()
        document = workspace.report().document
    html = page(document)
    trades = document["coverage"]["trades"]
    assert trades["market"] == 0
    assert re.search("There are no trades" if not trades["total"] else "0.0 %", "".join(parsed(html).itertext()))
