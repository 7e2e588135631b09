"""A ledger whose views another version of polyledger wrote: they are renewed, with the state that lives in them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from polyledger.domain.scope import Scope
from polyledger.workspace import Workspace
from tests.worlds import exports, replica_of, workspace_at, world_of


def views_of(file: Path) -> dict[str, str]:
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(
            "SELECT schema_name || '.' || view_name, sql FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    return dict(rows)


def age(file: Path) -> None:
    """As another version would have left it: a view less, one written otherwise, one more."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("DROP VIEW main.wallets")
        connection.execute("CREATE OR REPLACE VIEW main.coverage AS SELECT 1 AS wrong")
        connection.execute("CREATE VIEW book.forgotten AS SELECT 1 AS one")
        connection.execute("UPDATE meta.settings SET value = 'of another version' WHERE name = 'views'")


@pytest.mark.parametrize("scope", [None, pytest.param("wallet", marks=pytest.mark.long)])
def test_views_of_another_version_are_renewed_by_whoever_opens_the_ledger(scope: str | None, tmp_path: Path) -> None:
    wallet = "0xff863271d085713d681af7eac0711e637deaa039"
    with replica_of(world_of()) as url, workspace_at(tmp_path, url) as workspace:
        workspace.sync(scope=Scope.of(wallets=[wallet]) if scope else None)
        before = workspace.wallets().document, workspace.coverage().document
        settings = workspace.settings
    file = tmp_path / "ledger.duckdb"
    views, exported = views_of(file), exports(tmp_path)
    for ask in ("wallets", "sql"):
        age(file)
        with Workspace(tmp_path, settings) as again:
            if ask == "sql":
                assert again.sql("SELECT count(*) FROM wallets").document["rows"] == [[len(before[0]["wallets"])]]
            assert (again.wallets().document, again.coverage().document) == before
        assert views_of(file) == views
    assert exports(tmp_path) == exported
