"""A ledger without rows: tables and views, made once for an installation and copied from then on.

Working out all views takes the engine longer than many a sync. So the file is kept beside the compiled code of this
package, as Python keeps what it has compiled: it is found again by everything that it was made from, whoever may not
write there makes it anew, and it may be deleted at any time.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

import duckdb

from polyledger.domain.version import __version__
from polyledger.store.views import SETTING, models_digest, schema_texts, view_texts

FORMAT_VERSION: Final = 4
LEDGER_FILE: Final = "ledger.duckdb"
"""The name of the ledger in a workspace."""
_DIGEST_SIZE: Final = 16
_PREFIX: Final = "new_ledger."
_SUFFIX: Final = ".duckdb"


def create_ledger(path: Path) -> None:
    """Make an empty ledger. It appears under its name only when it is complete, whatever stops us before.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = path.parent / ".new-ledger"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with (folder / path.name).open("wb") as file:
            file.write(_empty_ledger(path.name))
            file.flush()
            os.fsync(file.fileno())
        log = path.with_name(f"{path.name}.wal")
        if log.exists():  # of a ledger that somebody took away; DuckDB would take it for ours
            log.replace(log.with_name(f"{log.name}.old"))
        (folder / path.name).replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _empty_ledger(name: str) -> bytes:
    """The bytes of the file, as kept or made now."""
    kept = _place(name)
    with suppress(OSError):
        data = kept.read_bytes()
        if data[:_DIGEST_SIZE] == _digest(data[_DIGEST_SIZE:]):
            return data[_DIGEST_SIZE:]
    content = _made(name)
    if not sys.dont_write_bytecode:
        with suppress(OSError):
            _keep(kept, content)
    return content


def _place(name: str) -> Path:
    """Beside the compiled code of this package. DuckDB names a database after its file: other names, other views."""
    made_from = [name, str(FORMAT_VERSION), __version__, duckdb.__version__, *schema_texts(), *view_texts()]
    folder = Path(cache_from_source(__file__)).parent
    return folder / f"{_PREFIX}{_digest(chr(0).join(made_from).encode()).hex()}{_SUFFIX}"


def keep_new_ledger(name: str = LEDGER_FILE) -> None:
    """Make the file now, if it is not there and can be written: for who sets up an installation."""
    kept = _place(name)
    if not kept.exists():
        with suppress(OSError):
            _keep(kept, _made(name))


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_SIZE).digest()


def _made(name: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="polyledger-") as folder:
        file = Path(folder) / name
        connection = duckdb.connect(str(file))
        try:
            connection.execute("BEGIN TRANSACTION")  # one, because each waits for the disk
            connection.execute("\n".join([*schema_texts(), *view_texts()]))
            connection.execute("INSERT INTO meta.settings VALUES (?, ?)", [SETTING, models_digest()])
            connection.execute("INSERT INTO meta.format VALUES (?, ?)", [FORMAT_VERSION, __version__])
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT")
        finally:
            connection.close()
        return file.read_bytes()


def _keep(kept: Path, content: bytes) -> None:
    """Put the file in its place, whole or not at all, and take away what it replaces."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        partial.write_bytes(_digest(content) + content)
        partial.replace(kept)
    finally:
        partial.unlink(missing_ok=True)
    for old in kept.parent.glob(f"{_PREFIX}*{_SUFFIX}"):
        if old != kept:
            old.unlink(missing_ok=True)
