"""Events that are part of other events: asked, kept with what was said before, and shown all the way up."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec

from polyledger.replica import World
from tests.worlds import replica_of, sync, workspace_at, world_of


def family() -> tuple[World, str, str, str]:
    """The recorded world with one event in another in a third, and that in the first again; their ids."""
    world = world_of()
    assert world.markets is not None
    child, parent, root = sorted({market.event_id for market in world.markets}, key=int)[:3]
    parents = {child: parent, parent: root, root: child}  # nothing keeps a source from going in a circle
    markets = [msgspec.structs.replace(m, parent_event_id=parents.get(m.event_id)) for m in world.markets]
    return msgspec.structs.replace(world, markets=markets), child, parent, root


def test_the_way_up_from_an_event_is_kept_and_shown(tmp_path: Path) -> None:
    world, child, parent, root = family()
    with replica_of(world) as url:
        sync(tmp_path / "ledger", url)
        with workspace_at(tmp_path / "ledger", url) as workspace:
            rows = workspace.sql(
                "SELECT event_id, parent_event_id, parent_title FROM events WHERE parent_event_id IS NOT NULL"
            ).document["rows"]
            titles = dict(workspace.sql("SELECT event_id, title FROM events").document["rows"])
            ((condition,), *_) = workspace.sql(f"SELECT condition_id FROM markets WHERE event_id = '{child}'").document[
                "rows"
            ]
            path = workspace.explain(condition).document["event_path"]
            exported = workspace.export("events-dim", tmp_path / "events.csv")["path"]
    assert sorted(map(tuple, rows)) == sorted(
        [(child, parent, titles[parent]), (parent, root, titles[root]), (root, child, titles[child])]
    )
    assert path == [{"event": one, "title": titles[one]} for one in (child, parent, root)]
    with exported.open() as file:
        told = {row["event_id"]: row["parent_event_id"] for row in csv.DictReader(file)}
    assert {one: above for one, above in told.items() if above} == {child: parent, parent: root, root: child}
