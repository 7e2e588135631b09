"""What a measurement reports, how the table is printed, and measuring in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: a measured value beside a baseline measured in the same run."""

    name: str
    value: float
    unit: str  # "s" means less is better, everything else is a rate
    baseline: str
    baseline_value: float
    aim: str = ""
    note: str = ""

    @property
    def factor(self) -> float:
        """How many times faster than the baseline."""
        return self.baseline_value / self.value if self.unit == "s" else self.value / self.baseline_value


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a function gave in a fresh process."""

    value: Any
    seconds: float
    peak_bytes: int

    @property
    def peak(self) -> str:
        return f"{self.peak_bytes / 1e9:.1f} GB"


def isolated(function: Callable[..., Any], *arguments: Any) -> Outcome:
    """Runs a module-level function in a fresh process; the time excludes its start, the peak is of all of it."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        outcome: Outcome = receiver.recv()
    except EOFError:
        process.join()
        raise SystemExit(f"{function.__name__} ended without a result (exit code {process.exitcode})") from None
    process.join()
    return outcome


def _run(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    started = time.perf_counter()
    value = function(*arguments)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sender.send(Outcome(value, seconds, peak))


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call and its seconds."""
    started = time.perf_counter()
    value = function()
    return value, time.perf_counter() - started


def timed_with_processor(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result of a call, its seconds, and the processor's (of all threads), which a busy machine changes less."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    value, seconds = timed(function)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return value, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def progress(text: str) -> None:
    """A line about what is going on."""
    print(f"  … {text}", flush=True)


def show(figures: Sequence[Figure]) -> None:
    """Prints the table."""
    rows = [("measured", "polyledger", "baseline", "", "times faster", "aim", "")]
    rows += [
        (
            figure.name,
            _quantity(figure.value, figure.unit),
            _quantity(figure.baseline_value, figure.unit),
            figure.baseline,
            f"{figure.factor:.2f}",
            figure.aim,
            figure.note,
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = {1, 2, 4}
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _quantity(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value:.2f} s"
    return f"{value:,.0f} {unit}"
