"""Opening the DuckDB file: schema, views, limits, transactions, and errors in plain words."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import duckdb
import pyarrow as pa

from polyledger.domain.errors import (
    PolyledgerError,
    StorageFullError,
    WorkspaceError,
    WorkspaceLockedError,
    WorkspaceVersionError,
)
from polyledger.domain.version import __version__
from polyledger.store.new_ledger import FORMAT_VERSION, create_ledger

# Progress is ours to show; DuckDB draws a bar of its own in notebooks and interactive sessions.
_QUIET: Final = "SET enable_progress_bar = false"
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# What a damaged file, or one that ends too early, shows up as.
_DAMAGE: Final = (
    duckdb.IOException,
    duckdb.SerializationException,
    duckdb.InternalException,
    duckdb.FatalException,
)


@contextmanager
def plain_errors(path: Path | str) -> Iterator[None]:
    """Turn errors of DuckDB and of the system about files and space into ours; everything else passes through."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise _full(path, str(error.strerror)) from error
        raise
    except duckdb.Error as error:
        text = str(error)
        lowered = text.lower()
        if "no space left" in lowered or "disk quota" in lowered or "max_temp_directory_size" in lowered:
            raise _full(path, text.splitlines()[0]) from error
        if "could not set lock" in lowered or "conflicting lock" in lowered:
            raise WorkspaceLockedError(
                f"Another process has {path} open ({text.splitlines()[0]})",
                "Wait until it ends or stop it, then run the same command again",
            ) from error
        if is_damage(error):
            raise WorkspaceError(
                f"{path} cannot be read or written as a ledger ({text.splitlines()[0]})",
                "Check that it is a polyledger workspace and that you may read and write it; "
                f"a damaged ledger can be moved away ({Path(path).name} and a .wal beside it) and built again with "
                "'polyledger sync'",
            ) from error
        raise


def is_damage(error: duckdb.Error) -> bool:
    """Whether the file is to blame."""
    text = str(error).lower()
    return isinstance(error, _DAMAGE) or "wal file" in text or "checksum" in text


def _full(path: Path | str, said: str) -> StorageFullError:
    return StorageFullError(
        f"The disk that holds {path} is full ({said})",
        "Everything committed before is safe. Free some space and run the same command again: it goes on where it was",
    )


class Database:
    """One open ledger file.

    `connection` is the writing connection and belongs to one thread at a time (`write_lock`); readers take `cursor()`,
    which sees the last committed state.
    """

    def __init__(self, path: Path, *, read_only: bool, memory_limit: str | None, threads: int | None) -> None:
        self.path = path
        self.read_only = read_only
        self.write_lock = threading.RLock()
        config: dict[str, Any] = {"temp_directory": str(path.parent / ".spill")}
        if memory_limit:
            config["memory_limit"] = memory_limit
        if threads:
            config["threads"] = threads
        with plain_errors(path):
            if not read_only and not path.exists():
                create_ledger(path)
            self.connection = duckdb.connect(str(path), read_only=read_only, config=config)
        try:
            with plain_errors(path):
                self.connection.execute(_QUIET)
                check_format(self.connection, path)
        except PolyledgerError:
            self.connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All or nothing: commits at the end, rolls back when anything goes wrong."""
        with self.write_lock, plain_errors(self.path):
            self.connection.execute("BEGIN TRANSACTION")
            try:
                yield self.connection
            except BaseException:
                # After a fatal error, a full disk say, there is nothing left to roll back; that error must come out.
                with suppress(duckdb.Error):
                    self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for reading while another thread writes."""
        cursor = self.connection.cursor()
        cursor.execute(_QUIET)
        return cursor

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for reading, closed at the end."""
        with plain_errors(self.path):
            cursor = self.cursor()
            try:
                yield cursor
            finally:
                cursor.close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The last committed state, the same for every query until the end, while another thread writes."""
        connection = self.cursor()
        try:
            connection.execute("BEGIN TRANSACTION")
            yield Snapshot(self.path, connection)
        finally:
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            connection.close()

    @contextmanager
    def single(self) -> Iterator[Snapshot]:
        """The ledger over one connection of its own: what one query makes (temporary tables), the next one finds."""
        with plain_errors(self.path):
            connection = self.cursor()
            try:
                yield Snapshot(self.path, connection)
            finally:
                connection.close()

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        with plain_errors(self.path):
            cursor = self.cursor()
            try:
                return cursor.execute(sql, parameters).fetchall()
            finally:
                cursor.close()

    def records(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of a small result by column names. `arrow` plans a query twice: first for the schema alone."""
        with plain_errors(self.path):
            cursor = self.cursor()
            try:
                rows = cursor.execute(sql, parameters).fetchall()
                names = [column[0] for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in rows]
            finally:
                cursor.close()

    def arrow(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> pa.Table:
        """A result as an Arrow table."""
        with plain_errors(self.path):
            cursor = self.cursor()
            try:
                return cursor.sql(sql, params=parameters).to_arrow_table()
            finally:
                cursor.close()

    def setting(self, name: str) -> str | None:
        """A value of meta.settings, or None."""
        rows = self.query("SELECT value FROM meta.settings WHERE name = ?", [name])
        return str(rows[0][0]) if rows else None

    def set_setting(self, name: str, value: str) -> None:
        """Store a value; call it inside `transaction`."""
        self.connection.execute("DELETE FROM meta.settings WHERE name = ?", [name])
        self.connection.execute("INSERT INTO meta.settings VALUES (?, ?)", [name, value])

    def forbid_files(self) -> None:
        """Switch off access to other files, the network and extensions, for this process and for good.

        From here on the engine reads and writes the ledger alone; Arrow tables come in through `register`.
        """
        self.connection.execute("SET enable_external_access = false")

    def close(self) -> None:
        """Write everything down and let go of the file."""
        self.connection.close()


class _Kept:
    """A connection that survives its users: they may close it, the snapshot it belongs to goes on."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def close(self) -> None:
        """Nothing: the snapshot closes it."""


class Snapshot(Database):
    """One committed state of a ledger, read through a single connection by one thread. See `Database.snapshot`."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self.read_only = True
        self.write_lock = threading.RLock()
        self.connection = connection

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """The one connection; closing it does nothing."""
        return cast("duckdb.DuckDBPyConnection", _Kept(self.connection))

    @contextmanager
    def single(self) -> Iterator[Snapshot]:
        """Itself: it has but one connection."""
        yield self

    def close(self) -> None:
        """Nothing: the ledger stays open for who opened it."""


def check_format(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise WorkspaceError unless the file is a ledger in the format that this version keeps."""
    try:
        ((version, created_by),) = connection.execute("SELECT version, created_by FROM meta.format").fetchall()
    except duckdb.CatalogException:
        raise WorkspaceError(
            f"{path} is a DuckDB file, but not a ledger", "Choose another workspace with -w, or move it away"
        ) from None
    if version > FORMAT_VERSION:
        raise WorkspaceVersionError(
            f"{path} has format {version}, made by polyledger {created_by}; "
            f"this is polyledger {__version__}, which knows formats up to {FORMAT_VERSION}",
            "Install the newer polyledger; nothing was changed",
        )
    if version < FORMAT_VERSION:
        raise WorkspaceVersionError(
            f"{path} has format {version}, made by polyledger {created_by}; this is polyledger {__version__}, "
            f"which keeps ledgers in format {FORMAT_VERSION}",
            "Move the file away and run 'polyledger sync' to build the ledger anew; nothing was changed",
        )
