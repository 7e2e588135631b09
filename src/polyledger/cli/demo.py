"""``polyledger demo``: the whole job on the recorded world, over real HTTP, and a result to read."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from polyledger.cli import views, wallet_views
from polyledger.cli.progress import ProgressReport
from polyledger.cli.session import Session, exit_code_of_state, program_name
from polyledger.domain.errors import OutputExistsError, PolyledgerError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["result", "run_demo"]

SHOWN = 4  # best and worst wallets


def run_demo(session: Session, keep: Path | None) -> int:
    """Sync a new workspace from a replica in the background and show what came of it.

    Raises:
        OutputExistsError: ``keep`` names a folder that has something in it.
        PolyledgerError: the replica does not start.
    """
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise OutputExistsError(f"{keep} exists already", "Name a new folder, or remove it first")
    session.workspace = keep or Path(tempfile.mkdtemp(prefix="polyledger-demo-"))
    document = _build(session)
    session.emit(document, lambda data, width: result(session, data, width))
    if document["sync"]["state"] != "done":
        return exit_code_of_state(document["sync"]["state"])
    return 0 if document["verify"]["ok"] else 1


def _build(session: Session) -> dict[str, Any]:
    from polyledger.config import load_settings
    from polyledger.config_file import toml_template
    from polyledger.replica import load_world
    from polyledger.workspace import Workspace
    from polyledger.workspace import open as open_workspace

    session.say("Serving the recorded world on the loopback interface and fetching it from there")
    with _replica() as url, ProgressReport() as progress:
        session.watch(progress)
        chosen: dict[str, dict[str, Any]] = {
            # Contracts are years older than the recording; scanning nothing up to it would teach nothing.
            "chain": {"rpc_url": f"{url}/rpc", "from_block": load_world().from_block},
            "gamma": {"url": f"{url}/gamma"},
            "clob": {"url": f"{url}/clob"},
            "data_api": {"url": f"{url}/data"},
            "subgraph": {"url": f"{url}/subgraph"},
        }
        Workspace.init(session.workspace)
        (session.workspace / "polyledger.toml").write_text(toml_template(chosen), encoding="utf-8")
        # The choices are passed once more because a variable such as POLYGON_RPC_URL would outrank the file.
        with open_workspace(session.workspace, settings=load_settings(session.workspace, chosen)) as workspace:
            sync = workspace.sync(progress=progress)
            return {
                "schema": "polyledger.demo/1",
                "workspace": str(session.workspace),
                "sync": sync,
                "coverage": workspace.coverage().document,
                "verify": workspace.verify().document,
                "wallets": workspace.wallets(order_by="realized_pnl").document["wallets"],
            }


@contextlib.contextmanager
def _replica() -> Iterator[str]:
    """The URL of a replica that runs until the block ends, in a process of its own as a real upstream would."""
    process = subprocess.Popen(
        [sys.executable, "-m", "polyledger", "replica", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        # Ctrl-C is for the sync, which must not see its upstream vanish first.
        start_new_session=True,
    )
    try:
        yield _first_line(process)
    finally:
        process.terminate()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _first_line(process: subprocess.Popen[str]) -> str:
    stdout: IO[str] | None = process.stdout
    line = "" if stdout is None else stdout.readline().strip()  # returns at once, with nothing, when the process ends
    if not line:
        reason = "" if process.stderr is None else " ".join(process.stderr.read().split())[-300:]
        raise PolyledgerError(f"The replica of the demo did not start: {reason or 'it said nothing'}")
    return line.split()[-1]


def result(session: Session, document: Mapping[str, Any], width: int) -> Iterable[RenderableType]:
    from rich.rule import Rule

    def heading(title: str) -> RenderableType:
        return Rule(f"[bold]{title}[/]", align="left", style="dim", characters="─")

    yield ""
    yield heading("What was fetched")
    yield from views.fetched(document["sync"])
    yield ""
    yield heading("Coverage: what the trades are attributed to")
    yield from views.coverage(document["coverage"], width)
    yield ""
    yield heading("The books")
    yield from views.verify(document["verify"], width)
    wallets = document["wallets"]
    if wallets:
        yield ""
        yield heading(f"Best and worst of {len(wallets)} wallets")
        yield from _extremes(wallets, width)
    yield ""
    yield heading("What to try next")
    yield from _suggestions(session, wallets)


def _extremes(wallets: list[Mapping[str, Any]], width: int) -> Iterable[RenderableType]:
    ordered = sorted(wallets, key=lambda row: -Decimal(row["realized_pnl"]))
    lines: list[Mapping[str, Any] | None] = [*ordered]
    if len(ordered) > 2 * SHOWN:
        lines = [*ordered[:SHOWN], None, *ordered[-SHOWN:]]
    yield wallet_views.wallets_table(lines, width, address_width=42 if width >= wallet_views.WIDE else 14)
    yield "[dim]P&L of what is settled, the settled share of conditions, and the range in[/]"
    yield "[dim]which the total must end, however the open ones resolve (┊ marks zero).[/]"


def _suggestions(session: Session, wallets: list[Mapping[str, Any]]) -> Iterable[RenderableType]:
    from shlex import quote

    from rich.text import Text

    program = program_name()
    commands = [f"{program} wallet {wallets[0]['wallet']}"] if wallets else []
    commands += [
        f"{program} wallets --order-by volume --limit 5",
        f"{program} coverage --by category",
        f"{program} report",
        f'{program} sql "SELECT * FROM positions LIMIT 5"',
        f"{program} export fills --out fills.parquet",
    ]
    for command in [f"export POLYLEDGER_WORKSPACE={quote(str(session.workspace.resolve()))}", *commands]:
        yield Text(command, overflow="ignore", no_wrap=True)
