"""A scan from end to end: from a JSON-RPC server in another process to a committed ledger whose books balance."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.data import recorded_world, scratch, scratch_folder
from bench.figures import Figure, isolated, progress, timed
from bench.plain import scan_plainly
from bench.world import generate, span

_SERVE = "import sys; from polyledger.replica import serve_forever; serve_forever(sys.argv[1])"


def measure(logs: int) -> list[Figure]:
    """Two figures: the recorded bigworld where it is at hand, and a generated world of at least ``logs`` logs."""
    name = recorded_world().name.split("_")[0]
    figures = [] if name == "devworld" else [_measure(recorded_world(), name)]
    if not figures:
        progress("bigworld is not at hand (../shared/data/chain), and devworld is over before a rate can be told")
    generated = scratch("generated_logs.jsonl")
    try:
        progress(f"writing a world of {logs:,} logs")
        count = generate(generated, logs)
        figures.append(_measure(generated, f"{count / 1e6:.2f} M logs generated"))
    finally:
        generated.unlink(missing_ok=True)
        generated.with_name("generated_truth.json.gz").unlink(missing_ok=True)
    return figures


def _measure(world: Path, name: str) -> Figure:
    first, last = span(world)
    with _server(world) as url:
        progress(f"{name}: scanning with polyledger")
        own = isolated(own_scan, url, first, last)
        progress(f"{name}: scanning plainly")
        plain = isolated(plain_scan, url, first, last)
    if own.value["logs"] > plain.value["logs"]:
        raise SystemExit(f"{name}: the ledger holds {own.value['logs']} logs, the world {plain.value['logs']}")
    note = f"{plain.value['logs']:,} logs, {own.value['logs']:,} kept; {own.peak}; {own.value['bytes'] / 1e6:,.0f} MB"
    return Figure(
        f"scan, {name}",
        plain.value["logs"] / own.value["seconds"],
        "logs/s",
        "http + orjson + eth-abi",
        plain.value["logs"] / plain.value["seconds"],
        "≥ 2.5",
        note,
    )


def own_scan(url: str, first: int, last: int) -> dict[str, float]:
    """Syncs a new workspace; everything it says it did is checked, the checks of the books outside of the time."""
    import polyledger
    import polyledger.sync.run
    from polyledger.config import load_settings

    # Reading the code is not scanning, so it has been loaded; a new ledger and all that a run ends with count. (`make
    # setup` has compiled what a new ledger is copied from; without it, the first run on a machine takes 0.4 s more.)
    with scratch_folder("workspace") as folder:
        settings = load_settings(
            folder,
            {
                "chain": {"rpc_url": f"{url}/rpc", "from_block": first, "to_block": last, "requests_per_10s": 100_000},
                "gamma": {"enabled": False},
                "clob": {"enabled": False},
                "data_api": {"enabled": False},
                "subgraph": {"enabled": False},
            },
        )
        with polyledger.open(folder, settings=settings) as workspace:
            document, seconds = timed(workspace.sync)
            assert document["state"] == "done", document
            verdict = workspace.verify().document
            assert verdict["ok"], [check for check in verdict["checks"] if check["status"] == "failed"]
            size = (folder / "ledger.duckdb").stat().st_size
            return {"seconds": seconds, "logs": _logs_in(workspace), "bytes": size}


def _logs_in(workspace: object) -> int:
    """Logs of the scanned intervals."""
    rows = workspace.sql("SELECT CAST(sum(logs) AS BIGINT) AS logs FROM meta.intervals").arrow()  # type: ignore[attr-defined]
    return int(rows.column("logs")[0].as_py())


def plain_scan(url: str, first: int, last: int) -> dict[str, float]:
    """The baseline: into a list."""
    logs, seconds = timed(lambda: scan_plainly(f"{url}/rpc", first, last))
    return {"seconds": seconds, "logs": logs}


@contextmanager
def _server(world: Path) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", _SERVE, str(world)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise SystemExit("the server did not start")
        yield url
    finally:
        process.terminate()
        process.wait()
