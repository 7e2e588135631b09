"""What each stage of a run was expected to do and did: rows of meta.stages, expected beside actual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from polyledger.store.database import Database
from polyledger.sync.stages import Plan, Stage


@dataclass
class StageRecord:
    """One stage and what came of it; `is_begun` once something was asked."""

    stage: Stage
    is_begun: bool = False
    keys: int = 0
    requests: int = 0
    seconds: float = 0.0
    found: int = 0
    trades: int = 0
    volume: int = 0

    def answered(self, *, found: bool, gained: tuple[int, int] = (0, 0)) -> None:
        """One key was answered; `gained` are the trades and the volume that hang on it."""
        self.is_begun = True
        self.keys += 1
        if found:
            self.found += 1
            self.trades += gained[0]
            self.volume += gained[1]

    def spent(self, requests: int, seconds: float) -> None:
        """So many requests were made in so many seconds."""
        self.is_begun = True
        self.requests += requests
        self.seconds += seconds


@dataclass
class StageRecords:
    """The stages of one run, in order."""

    run_id: str
    rows: list[StageRecord] = field(default_factory=list)
    _planned: dict[int, StageRecord] = field(default_factory=dict)

    def add(self, plan: Plan) -> None:
        """Take in a plan. Stages that an earlier plan of the run expected are not listed twice."""
        for stage in plan.stages:
            expected = self._expected(stage.source, stage.action)
            if expected is not None and not expected.is_begun:
                # What was foreseen has now come: its keys are known.
                if not stage.depends:
                    self._planned[id(stage)] = expected
                continue
            record = StageRecord(stage)
            self.rows.append(record)
            self._planned[id(stage)] = record

    def of_stage(self, stage: Stage) -> StageRecord:
        """The record of a stage that was taken in."""
        return self._planned[id(stage)]

    def left_over(self, source: str, action: str) -> StageRecord:
        """The record for keys that other sources leave over; made when none was planned."""
        known = self._expected(source, action)
        if known is None:
            known = StageRecord(Stage(source, action, None, 0, 0, 0.0, found=0.0, trades=0.0, volume=0.0, depends=True))
            self.rows.append(known)
        return known

    def spent(self, shares: Mapping[int, int], requests: int, seconds: float) -> None:
        """Book requests and seconds to the records (by their ``id``) that had so many keys in them."""
        concerned = [(record, shares[id(record)]) for record in self.rows if id(record) in shares]
        keys = sum(count for _, count in concerned)
        sofar = booked = 0
        for record, count in concerned:
            sofar += count
            part = requests * sofar // keys - booked
            booked += part
            record.spent(part, seconds * count / keys)

    def save(self, database: Database) -> None:
        """Write the rows, replacing those of this run."""
        values = [
            (
                self.run_id, position, row.stage.source, row.stage.action, row.stage.keys, row.stage.requests,
                row.stage.seconds, row.stage.found or 0.0, row.stage.trades or 0.0, row.stage.volume or 0.0,
                *((row.keys, row.requests, row.seconds, row.found, row.trades, row.volume) if row.is_begun
                  else (None,) * 6),
            )
            for position, row in enumerate(self.rows)
        ]  # fmt: skip
        if not values:
            return
        with database.transaction() as connection:
            connection.execute("DELETE FROM meta.stages WHERE run_id = ?", [self.run_id])
            connection.executemany(f"INSERT INTO meta.stages VALUES ({', '.join('?' * 16)})", values)

    def _expected(self, source: str, action: str) -> StageRecord | None:
        """The first record of work that was foreseen but whose keys were not known then."""
        return next(
            (r for r in self.rows if r.stage.depends and (r.stage.source, r.stage.action) == (source, action)), None
        )
