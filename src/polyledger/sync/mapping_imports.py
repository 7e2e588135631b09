"""Importing mappings that somebody already has: as claims of source ``file:NAME``, put to the proof like any other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import duckdb
import pyarrow as pa

from polyledger.domain.errors import UnreadableFileError
from polyledger.domain.records import EventRecord
from polyledger.sources.files.mappings import MAPPING_NAMES, MappingBatch, mapping_columns, read_mapping
from polyledger.sources.files.opening import batches
from polyledger.store import claims
from polyledger.store.json_lines import JsonLines
from polyledger.sync.file_imports import FileImport, FileReport, OpenedBatch

MAPPING: Final = "mapping"
_AS_MAPPING: Final = "file:"


class MappingImport(FileImport):
    """The import of files with mappings. A file is judged whole, so it has to fit into memory."""

    names = MAPPING_NAMES

    def known(self, digest: bytes) -> tuple[str, object] | None:
        """Name and time of the import of the same content."""
        rows = self._database.query(
            "SELECT source, received_at FROM meta.evidence WHERE body_sha256 = ? AND source LIKE 'file:%' "
            "AND starts_with(json_extract_string(request, '$.url'), ?)",
            [digest, _AS_MAPPING],
        )
        return (str(rows[0][0]).removeprefix("file:"), rows[0][1]) if rows else None

    def columns_of(self, name: str, samples: pa.Table, columns: Sequence[str]) -> dict[str, str]:
        """Ours → theirs."""
        return mapping_columns(name, samples, columns, self._mapping)

    def store(self, opened: OpenedBatch, report: FileReport, parse: JsonLines) -> None:
        """All of a file in one transaction."""
        found: list[MappingBatch] = []
        columns = sorted(set(report.columns.values()), key=opened.file.schema.names.index)
        for rows in batches(opened.file, columns, parse):
            batch = read_mapping(rows, report.columns)
            opened.rejects.add(batch.rejects)
            report.note(batch.rows, batch.rejects)
            found.append(batch)
            self.tell(opened, report, rows.position)
        self.require_rows(opened, report)
        source = f"file:{opened.file.name}"
        with self._database.transaction() as connection:
            opened.require_unchanged()
            counts = self._claims().store_claims(
                connection,
                source,
                self._evidence(connection, opened, _AS_MAPPING),
                tokens=_together(batch.tokens for batch in found),
                markets=_once(_together(batch.markets for batch in found)),
                resolutions=_once(_together(batch.resolutions for batch in found)),
            )
            _store_events(connection, source, _together(batch.events for batch in found))
            report.rejects = opened.rejects.keep()
        report.note_claims(counts)


def _together(tables: object) -> pa.Table | None:
    parts = [table for table in tables if table is not None and table.num_rows]  # type: ignore[attr-defined]
    return pa.concat_tables(parts) if parts else None


def _once(table: pa.Table | None) -> pa.Table | None:
    """Each row once: a mapping by token says the same of a condition for each of its tokens."""
    if table is None:
        return None
    keys = [name for name in table.column_names if not pa.types.is_list(table.schema.field(name).type)]
    numbered = table.append_column("place", pa.array(range(table.num_rows), pa.int64()))
    if len(keys) < len(table.column_names):
        texts = [json.dumps(row, sort_keys=True) for row in _listed(table)]
        numbered = numbered.append_column("lists", pa.array(texts, pa.string()))
        keys.append("lists")
    first = numbered.group_by(keys, use_threads=False).aggregate([("place", "min")]).column("place_min")
    return table.take(first)


def _listed(table: pa.Table) -> list[dict[str, object]]:
    names = [name for name in table.column_names if pa.types.is_list(table.schema.field(name).type)]
    return list(table.select(names).to_pylist())


def _store_events(connection: duckdb.DuckDBPyConnection, source: str, events: pa.Table | None) -> None:
    if events is None:
        return
    ((evidence_id,),) = connection.execute(
        "SELECT max(evidence_id) FROM meta.evidence WHERE source = ?", [source]
    ).fetchall()
    if evidence_id is None:
        raise UnreadableFileError(f"{source} left no evidence")
    rows = events.group_by(events.column_names).aggregate([]).to_pylist()
    records = [EventRecord(source, row["event_id"], row.get("slug"), row.get("title")) for row in rows]
    claims.add_events(connection, [(record, int(evidence_id)) for record in records])
