"""Writes the reference of the commands from the commands: ``python -m polyledger.cli.reference FILE``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclopts import App

from polyledger.cli.app import build_app
from polyledger.cli.commands import COMMANDS

__all__ = ["EXAMPLES", "reference"]

EXAMPLES: dict[str, tuple[str, ...]] = {
    "demo": ("polyledger demo", "polyledger demo --keep my-demo"),
    "init": ("polyledger -w my-ledger init",),
    "doctor": ("polyledger -w my-ledger doctor",),
    "import": (
        "polyledger -w my-ledger import trades.parquet more-trades.csv.gz",
        "polyledger -w my-ledger import dump.jsonl.zst --map ticket=transaction --map note=-",
        "polyledger -w my-ledger import --as mapping markets_dim.parquet",
        "polyledger -w my-ledger import --as logs logs-*.parquet blocks.parquet --from 33605403 --to 40000000",
    ),
    "gaps": ("polyledger gaps --by month", "polyledger gaps --limit 100 --json"),
    "plan": ("polyledger plan --budget 6h", "polyledger plan --only gamma markets --detailed-exitcode"),
    "sync": (
        "polyledger -w my-ledger sync",
        "polyledger -w my-ledger sync --from 84902353 --to finalized",
        "polyledger -w my-ledger sync --wallet 0x56b80d4c367ad0bd6a2c4c43905e2c2515365c29",
    ),
    "status": ("polyledger -w my-ledger status --json",),
    "watch": ("polyledger -w my-ledger watch", "polyledger -w my-ledger watch --json --every 10"),
    "verify": ("polyledger -w my-ledger verify",),
    "conflicts": ("polyledger conflicts --limit 50", "polyledger conflicts --json"),
    "explain": ("polyledger explain 0xe3b423dfad8c22ff75c9899c4e8176f628cf4ad4caa00481764d320e7415f7a9",),
    "coverage": ("polyledger coverage --by category", "polyledger coverage --fail-under 0.95"),
    "wallets": (
        "polyledger wallets --order-by volume --limit 10",
        "polyledger wallets --method average-cost --era v1 --json",
    ),
    "wallet": (
        "polyledger wallet 0x56b80d4c367ad0bd6a2c4c43905e2c2515365c29",
        "polyledger wallet 0x56b80d4c367ad0bd6a2c4c43905e2c2515365c29 --as-of 2026-06-30",
        "polyledger wallet 0x56b80d4c367ad0bd6a2c4c43905e2c2515365c29 --series week",
    ),
    "categories": ("polyledger categories", "polyledger categories --tags 100 --json"),
    "exposure": ("polyledger exposure", "polyledger exposure 0x56b80d4c367ad0bd6a2c4c43905e2c2515365c29"),
    "report": ("polyledger report", "polyledger report --out my-report"),
    "signals": ("polyledger signals", "polyledger signals --replay 2025-11-01 2025-11-30 --limit 50"),
    "watchlist": ("polyledger watchlist", "polyledger watchlist --state entered --json"),
    "paper": ("polyledger paper", "polyledger paper --stop"),
    "export": (
        "polyledger export fills --out fills.parquet",
        "polyledger export mapping --out market_id_lookup_results.json",
        "polyledger export wallet-category-breakdown -o breakdown.csv --force",
    ),
    "sql": ('polyledger sql "SELECT category, count(*) FROM markets GROUP BY ALL"',),
    "finalize": ("polyledger -w my-ledger finalize",),
    "replica": ("polyledger replica --port 8545", "polyledger replica --port 8545 --faults faults.toml"),
    "version": ("polyledger version",),
}

HEAD = """\
# Commands

<!-- Written by `make docs` from the commands themselves; edit src/polyledger/cli/commands.py instead. -->

`polyledger [-w DIR] COMMAND [OPTIONS]`. Data goes to standard output, progress and messages to standard error.

| option of every command | meaning |
|---|---|
"""

FOOT = """\
## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | handled failure: a check of the books fails, a source refused for good |
| 2 | usage or configuration |
| 3 | below what was asked: `coverage --fail-under`, or something to do with `plan --detailed-exitcode` |
| 4 | stopped early (budget or partial failure), saved; the same command goes on |
| 75 | an upstream is unavailable or another process holds the ledger; try again later |
| 130 | interrupted, saved; the same command goes on |
"""


def reference() -> str:
    """The reference as Markdown."""
    app = build_app()
    lines = [HEAD.rstrip("\n")]
    lines += [f"| {_names(argument)} | {_help(argument)} |" for argument in _arguments(app.meta)]
    for name in COMMANDS:
        lines += ["", *_command(name, app[name])]
    return "\n".join([*lines, "", FOOT])


def _command(name: str, command: App) -> Iterator[str]:
    arguments = list(_arguments(command))
    usage = " ".join(["polyledger", name, *(f"{a.name.strip('-').upper()}" for a in arguments if _is_positional(a))])
    options = [argument for argument in arguments if not _is_positional(argument)]
    yield f"## {name}"
    yield ""
    yield f"`{usage}{' [OPTIONS]' if options else ''}`"
    yield ""
    yield command.help
    if arguments:
        yield ""
        yield "| argument | meaning |"
        yield "|---|---|"
        yield from (f"| {_names(argument)} | {_help(argument)} |" for argument in arguments)
    yield ""
    yield "```console"
    yield from (f"$ {example}" for example in EXAMPLES[name])
    yield "```"


def _arguments(app: App) -> Iterator[Any]:
    for argument in app.assemble_argument_collection():
        # A group of options that commands share shows as its options.
        if argument.parse and argument.parameter.show is not False and argument.name != "*":
            yield argument


def _is_positional(argument: Any) -> bool:
    return bool(argument.field_info.is_positional)


def _names(argument: Any) -> str:
    if _is_positional(argument):
        return f"`{argument.name.strip('-').upper()}`"
    return ", ".join(f"`{name}`" for name in argument.names)


def _help(argument: Any) -> str:
    parts = [argument.parameter.help or ""]
    choices = argument.get_choices()
    if choices:
        parts.append("One of " + ", ".join(f"`{choice}`" for choice in choices) + ".")
    default = argument.field_info.default
    if argument.required:
        parts.append("Required." if not _is_positional(argument) else "")
    elif default is not None and default is not False and default != ():
        parts.append(f"Default: `{default}`.")
    return " ".join(part for part in parts if part)


def main() -> None:
    """Write the file named by the only argument."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m polyledger.cli.reference FILE")
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
