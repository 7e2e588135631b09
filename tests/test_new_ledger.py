"""A new ledger is copied from one that was made once for the installation; whatever becomes of that one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from polyledger.store import new_ledger
from polyledger.store.database import Database
from polyledger.store.renewal import views_are_current
from polyledger.store.views import MODELS

MAKE = (
    "import sys; from pathlib import Path; from polyledger.store.new_ledger import create_ledger; "
    "sys.pycache_prefix, sys.dont_write_bytecode = sys.argv[1], False; create_ledger(Path(sys.argv[2]))"
)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process keeps what it compiles, from now on: an empty folder."""
    folder = tmp_path / "kept"
    monkeypatch.setattr(sys, "pycache_prefix", str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return folder


def made(path: Path) -> Path:
    """A new ledger, as the first one of a process is made."""
    new_ledger._empty_ledger.cache_clear()
    path.parent.mkdir(exist_ok=True)
    new_ledger.create_ledger(path)
    return path


def kept_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("new_ledger.*.duckdb*"))


def assert_whole(path: Path) -> None:
    """It opens for writing, has this version's views, and takes rows."""
    ledger = Database(path, read_only=False, memory_limit="500MB", threads=1)
    try:
        assert views_are_current(ledger)
        assert ledger.query("SELECT count(*) FROM duckdb_views() WHERE NOT internal")[0][0] == len(MODELS)
        for view in ("wallets", "trades", "journal"):
            assert not ledger.query(f"SELECT * FROM {view}")
        with ledger.transaction() as connection:
            connection.execute("INSERT INTO dim.accounts VALUES (0, unhex('00'))")
    finally:
        ledger.close()


def test_the_second_is_a_copy_of_what_was_made_for_the_first(tmp_path: Path, kept: Path) -> None:
    first = made(tmp_path / "first" / "ledger.duckdb")
    (file,) = kept_in(kept)
    before = file.stat()
    second = made(tmp_path / "second" / "ledger.duckdb")
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert second.read_bytes() == first.read_bytes()
    assert_whole(second)
    other = made(tmp_path / "other.duckdb")  # its views name the database, which is named after the file
    assert other.read_bytes() != first.read_bytes()
    assert_whole(other)


def test_a_damaged_or_unfinished_file_is_made_anew(tmp_path: Path, kept: Path) -> None:
    made(tmp_path / "ledger.duckdb")
    (file,) = kept_in(kept)
    content = file.read_bytes()
    for number, damaged in enumerate((b"", content[: len(content) // 2], content[:-1] + bytes([content[-1] ^ 1]))):
        file.write_bytes(damaged)
        assert_whole(made(tmp_path / str(number) / "ledger.duckdb"))
        assert file.read_bytes() != damaged
    assert len(file.read_bytes()) == len(content)


def test_what_another_version_has_kept_is_taken_away(tmp_path: Path, kept: Path) -> None:
    made(tmp_path / "ledger.duckdb")
    (file,) = kept_in(kept)
    old = file.rename(file.with_name("new_ledger.00ff.duckdb"))
    made(tmp_path / "again" / "ledger.duckdb")
    assert kept_in(kept) == [file]
    assert not old.exists()


def test_without_a_place_to_keep_it_a_ledger_is_made_all_the_same(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.write_text("a file, and so no folder")
    assert_whole(made(tmp_path / "ledger.duckdb"))
    kept.unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert_whole(made(tmp_path / "again" / "ledger.duckdb"))
    assert not kept_in(kept)


def test_processes_that_begin_at_once_do_not_hurt_each_other(tmp_path: Path, kept: Path) -> None:
    paths = [tmp_path / str(number) / "ledger.duckdb" for number in range(3)]
    for path in paths:
        path.parent.mkdir()
    running = [subprocess.Popen([sys.executable, "-c", MAKE, str(kept), str(path)]) for path in paths]
    deadline = time.monotonic() + 60
    assert [process.wait(deadline - time.monotonic()) for process in running] == [0] * len(running)
    (file,) = kept_in(kept)
    for path in paths:
        assert_whole(path)
    copy = made(tmp_path / "ledger.duckdb")
    assert copy.read_bytes() == file.read_bytes()[-copy.stat().st_size :]
