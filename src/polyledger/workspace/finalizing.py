"""The end of the work: everything drawn up once more, checked, and written out as one folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from polyledger.domain.errors import InvariantError, UnfinishedWorkError
from polyledger.identity.reconcile import reconcile
from polyledger.insight.followed import followed
from polyledger.insight.report_document import report_document
from polyledger.insight.skill import refresh_priors
from polyledger.ledger.import_matches import match_imports
from polyledger.store.attribution import attribute
from polyledger.store.database import plain_errors
from polyledger.store.export import export
from polyledger.store.market_claims import use_categories
from polyledger.store.new_ledger import LEDGER_FILE
from polyledger.sync.readiness import unfinished
from polyledger.workspace.access import Progress
from polyledger.workspace.writing import LedgerWriting

Document = dict[str, Any]
Files = Callable[[Document], Mapping[str, str]]
"""Makes more files of a report document: name → text."""

REPORTS: Final = "reports"
FINAL: Final = "final"
ARTEFACTS: Final = {
    "market_id_lookup_results.json": "mapping",
    "markets_dim.parquet": "markets-dim",
    "events_dim.parquet": "events-dim",
    "resolutions.parquet": "resolutions",
    "wallet_category_breakdown.parquet": "wallet-category-breakdown",
}
OF_IMPORTS: Final = {"enriched_trades.parquet": "enriched-trades"}
MANIFEST: Final = "finalize.json"


class LedgerFinalizing(LedgerWriting):
    """The command that ends the work."""

    def finalize(self, *, report: Files, force: bool = False, progress: Progress | None = None) -> Document:
        """Check that everything is done, draw it up once more, check the books, and write tables and report.

        They appear together in ``reports/final`` of the workspace, in the place of earlier ones, or not at all. An
        unchanged ledger gives the same bytes.

        Args:
            report: makes the files of the report of its document, `polyledger.report.report_files` for example.
            force: go on although work is not finished; the result says so.
            progress: called with an event as the work goes on.

        Returns:
            The polyledger.finalize/1 document, which is also the file ``finalize.json``.

        Raises:
            UnfinishedWorkError: required work is not done, and `force` is not given; nothing was changed.
            InvariantError: a check of the books fails; nothing was written.
            WorkspaceLockedError: another process holds the ledger.
        """
        tell = progress or (lambda _event: None)
        self._require_finished(force=force)
        self._draw_up(progress)
        # From here on the ledger is open for reading, and no process can write to it until all is done.
        open_work = self._require_finished(force=force)
        reader = self._reader()
        document = report_document(
            reader, self._categories(), tell, following=lambda: followed(reader, self.path, self.settings)
        )
        _require_checked(document["verify"])
        with plain_errors(self.path / REPORTS), _aside(self.path / REPORTS / FINAL) as folder:
            entries = self._tables(folder, tell)
            for name, text in report(document).items():
                (folder / name).write_text(text, encoding="utf-8")
                entries.append({"file": name, "export": None, "rows": None})
            result = _result(document, open_work, [{**entry, **_content(folder / entry["file"])} for entry in entries])
            (folder / MANIFEST).write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return result

    def _require_finished(self, *, force: bool) -> list[Document]:
        found = unfinished(self._reader(), datetime.now(UTC))
        if found and not force:
            what = "; ".join(f"{entry['what']}: {entry['detail']}" for entry in found)
            raise UnfinishedWorkError(
                f"There is work to be done before {self.path} can be finalized: {what}",
                f"Run 'polyledger -w {self.path} sync', or give --force to finalize what there is",
            )
        return found

    def _draw_up(self, progress: Progress | None) -> None:
        """What all claims come to, by the category table of now, and what every trade is by that."""
        self.close()
        with plain_errors(self.path / LEDGER_FILE), self._holding("finalize", progress) as held:
            held.progress({"stage": "reconcile", "message": "drawing up what all claims come to"})
            with held.database.transaction() as connection:
                use_categories(connection, self._categories())
                reconcile(connection)
            match_imports(held.database)
            with held.database.transaction() as connection:
                attribute(connection)
            refresh_priors(held.database)

    def _tables(self, folder: Path, tell: Progress) -> list[Document]:
        database, entries = self._reader(), []
        wanted = dict(ARTEFACTS)
        if database.query("SELECT count(*) FROM imported.files")[0][0]:
            wanted |= OF_IMPORTS
        for place, (name, what) in enumerate(wanted.items()):
            tell({"stage": "export", "done": place, "total": len(wanted), "unit": "tables", "message": name})
            written = export(database, what, folder / name, format=None, force=True)
            entry: Document = {"file": name, "export": what, "rows": written.rows}
            entries.append(
                entry | ({"left_out": written.left_out, "lacking": written.lacking} if written.left_out else {})
            )
        return entries


def _require_checked(verified: Mapping[str, Any]) -> None:
    failed = [check["name"] for check in verified["checks"] if check["status"] == "failed"]
    if failed:
        raise InvariantError(
            f"The books do not balance: {', '.join(failed)}; nothing was written",
            "Look at it with 'polyledger verify'; see docs/guides/verify.md for what each check means",
        )


def _result(document: Document, open_work: list[Document], files: list[Document]) -> Document:
    run = document["ledger"]["run"]
    states = [check["status"] for check in document["verify"]["checks"]]
    return {
        "schema": "polyledger.finalize/1",
        "version": document["version"],
        "run_id": run["id"] if run is not None else None,
        "unfinished": open_work,
        "checks": {state: states.count(state) for state in ("ok", "failed", "not_applicable")},
        "coverage": document["coverage"],
        "files": files,
    }


def _content(file: Path) -> Document:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}


@contextmanager
def _aside(final: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `final` when all went well and disappears otherwise."""
    final.parent.mkdir(parents=True, exist_ok=True)
    _tidy(final)
    partial, old = (final.with_name(f".{final.name}.{os.getpid()}.{kind}") for kind in ("part", "old"))
    partial.mkdir()
    try:
        yield partial
        if final.exists():
            final.replace(old)
        partial.replace(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if old.exists() and not final.exists():
            old.replace(final)
        shutil.rmtree(old, ignore_errors=True)


def _tidy(final: Path) -> None:
    """Remove what killed processes left; what one had moved aside and not replaced yet goes back."""
    for left in sorted(final.parent.glob(f".{final.name}.*.*")):
        pid, kind = left.name.split(".")[-2:]
        if not pid.isdigit() or (int(pid) != os.getpid() and _lives(int(pid))):
            continue
        if kind == "old" and not final.exists():
            left.replace(final)
        shutil.rmtree(left, ignore_errors=True)


def _lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        return True
    return False
