"""Progress on standard error: plain lines where there is no terminal."""

from __future__ import annotations

import pytest

from polyledger.cli.progress import ProgressReport


def event(done: int, total: int | None = 100, **more: object) -> dict[str, object]:
    return {"stage": "chain", "done": done, "total": total, "unit": "blocks", **more}


def test_plain_lines_come_at_the_start_at_the_end_and_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressReport() as progress:
        for done in range(101):
            progress(event(done, rate=1234.5, eta_seconds=90.0 if done < 100 else None))
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines == ["chain: 0 of 100 blocks, 1,234/s, 1 min 30 s left", "chain: 100 of 100 blocks, 1,234/s"]


def test_messages_are_never_held_back_and_do_not_count_as_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressReport() as progress:
        progress(event(5, None))
        progress({"stage": "chain", "message": "a reorg: taken back to block 7"})
        progress({"stage": "chain", "message": "a reorg: taken back to block 6"})
    assert capsys.readouterr().err.splitlines() == [
        "chain: 5 blocks",
        "chain: a reorg: taken back to block 7",
        "chain: a reorg: taken back to block 6",
    ]
    assert progress.last == event(5, None)


def test_quiet_keeps_track_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressReport(quiet=True) as progress:
        progress(event(5))
    assert progress.last == event(5)
    assert capsys.readouterr().err == ""
