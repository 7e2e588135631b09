"""How a workspace reaches its ledger: the folder, the database file, and the process that may hold it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import pyarrow as pa

from polyledger.config import Settings
from polyledger.config_file import category_table, toml_template
from polyledger.domain.categories import CategoryTable
from polyledger.domain.errors import WorkspaceError, WorkspaceLockedError
from polyledger.door.client import Door
from polyledger.door.questions import Asked, answer
from polyledger.door.wire import DoorClosedError
from polyledger.store.database import Database, plain_errors
from polyledger.store.new_ledger import LEDGER_FILE
from polyledger.store.renewal import renew_views, views_are_current
from polyledger.store.user_sql import user_query
from polyledger.sync.lock import held_by, holder

if TYPE_CHECKING:
    from polyledger.door.holding import Holding

# How long a ledger may take to change hands: to be opened by a run that begins, or closed by one that ends.
_SECONDS_OF_PATIENCE: Final = 5.0
SECONDS_BETWEEN_TRIES: Final = 0.05

Progress = Callable[[dict[str, Any]], None]
Answer = TypeVar("Answer")


class LedgerAccess:
    """A workspace folder and its ledger file, read here or asked of the process that holds it. A context manager."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self._database: Database | None = None

    @staticmethod
    def init(path: str | Path) -> Path:
        """Make the folder with a commented polyledger.toml; what is there already stays as it is."""
        folder = Path(path)
        file = folder / "polyledger.toml"
        partial = folder / f".polyledger.toml.{os.getpid()}.part"
        try:
            with plain_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                if not file.exists():
                    try:
                        partial.write_text(toml_template(), encoding="utf-8")
                        partial.replace(file)
                    finally:
                        partial.unlink(missing_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"{folder} cannot be made a workspace ({error.strerror})", "Choose a folder you may write in"
            ) from error
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the ledger file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _rows(self, query: str) -> pa.Table:
        return self._answered(lambda door: door.sql(query), lambda: self._reader().arrow(query))

    def _sql(self, query: str) -> pa.Table:
        self.close()
        try:
            return user_query(self._reader(), query)
        finally:
            self.close()  # nothing else is done with a ledger that SQL of others was run on

    def _ask(self, name: str, progress: Progress | None = None, /, **arguments: Any) -> dict[str, Any]:
        """The document that answers a question of `polyledger.door.questions`, from whoever has the ledger."""
        return self._answered(
            lambda door: door.ask(name, arguments),
            lambda: answer(
                Asked(self._reader(), self.settings, self.path, progress or (lambda _event: None)), name, arguments
            ),
        )

    def _answered(self, there: Callable[[Door], Answer], here: Callable[[], Answer]) -> Answer:
        """`there` while another process holds the ledger, else `here`; tries again while it changes hands.

        Raises:
            WorkspaceLockedError: a process holds the ledger and does not answer.
        """
        patience = time.monotonic() + _SECONDS_OF_PATIENCE
        strangers = False
        while True:
            if self._database is None and holder(self.path) is not None:
                try:
                    return there(Door(self.path))
                except DoorClosedError:
                    if time.monotonic() > patience:
                        raise held_by(self.path) from None
            else:
                try:
                    return here()
                except WorkspaceLockedError:
                    # A run that began or ended in this moment is worth another try; another program is not.
                    if strangers or time.monotonic() > patience:
                        raise
                    strangers = holder(self.path) is None
            time.sleep(SECONDS_BETWEEN_TRIES)

    def _categories(self) -> CategoryTable:
        return category_table(self.path)

    def _reader(self) -> Database:
        if self._database is None:
            if not (self.path / LEDGER_FILE).exists():
                raise WorkspaceError(
                    f"There is no ledger in {self.path}", f"Run 'polyledger -w {self.path} sync' first"
                )
            try:
                self._database = self._open(read_only=True)
            except WorkspaceLockedError as error:
                if holder(self.path) is not None:
                    raise held_by(self.path) from error
                raise
        return self._database

    def _holding(self, doing: str, progress: Progress | None) -> AbstractContextManager[Holding]:
        from polyledger.door.holding import holding

        return holding(self.path, self.settings, doing, lambda: self._open(read_only=False), progress)

    def _open(self, *, read_only: bool) -> Database:
        """The ledger; views that another version of polyledger wrote are renewed first."""
        database = self._connect(read_only=read_only)
        if not views_are_current(database):
            database.close()
            database = self._connect(read_only=False)
            renew_views(database)
            if read_only:
                database.close()
                database = self._connect(read_only=True)
        return database

    def _connect(self, *, read_only: bool) -> Database:
        storage = self.settings.storage
        return Database(
            self.path / LEDGER_FILE,
            read_only=read_only,
            memory_limit=f"{storage.memory_limit_bytes}B",
            threads=storage.thread_count,
        )
