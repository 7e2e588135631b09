"""Parsing, signals and exit codes: everything that happens before and after a command."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError

from polyledger.cli import commands
from polyledger.cli.session import Session
from polyledger.domain.errors import InterruptedRunError, PolyledgerError
from polyledger.domain.version import __version__

__all__ = ["build_app", "main", "run"]

INTERRUPTED = InterruptedRunError.exit_code
USAGE = 2

GLOBAL = "Global options"


def build_app() -> App:
    """The commands and, as ``.meta``, the options that every command takes."""
    app = App(
        name="polyledger",
        help="A complete, proven ledger of Polymarket on one machine.",
        version=f"polyledger {__version__}",
        help_format="plaintext",
    )
    for position, (name, command) in enumerate(commands.COMMANDS.items()):
        app.command(command, name=name, sort_key=position)  # in the order of use, not of the alphabet

    @app.meta.default
    def meta(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        workspace: Annotated[
            Path | None,
            Parameter(
                name=["--workspace", "-w"],
                group=GLOBAL,
                help="The workspace folder; else POLYLEDGER_WORKSPACE, else the current folder.",
            ),
        ] = None,
        json: Annotated[
            bool, Parameter(group=GLOBAL, negative="", show_default=False, help="One JSON document instead of text.")
        ] = False,
    ) -> int:
        return _dispatch(app, tokens, workspace, as_json=json)

    return app


def _dispatch(app: App, tokens: Sequence[str], workspace: Path | None, *, as_json: bool) -> int:
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
    if "session" not in ignored:  # help: cyclopts shows it itself
        command(*bound.args, **bound.kwargs)
        return 0
    session = Session(
        # Not through polyledger.config: loading pydantic would double the start of every command.
        workspace=workspace or Path(os.environ.get("POLYLEDGER_WORKSPACE") or "."),
        as_json=as_json,
        command=tokens[0],
    )
    try:
        result: int | None = command(*bound.args, **bound.kwargs, session=session)
    except KeyboardInterrupt:
        sys.stderr.write(commands.interrupted(session) + "\n")
        return INTERRUPTED
    except PolyledgerError as error:
        if isinstance(error, InterruptedRunError) and not error.next_step:
            error = InterruptedRunError(error.what, f"To go on: {session.again(session.command)}")
        return session.fail(error)
    return result or 0


def run(arguments: Sequence[str]) -> int:
    """Parse and carry out one command line and return its exit code; errors go to standard error as one paragraph."""
    app = build_app()
    try:
        result: Any = app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        text = " ".join(str(error).split())
        sys.stderr.write(f"{text} Run polyledger --help for what there is.\n")
        return USAGE
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted before anything was changed.\n")
        return INTERRUPTED
    return int(result or 0)


def main() -> NoReturn:
    """The console script ``polyledger``."""
    # A shell starts background jobs with SIGINT ignored; then neither signal would stop us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a terminal that lacks a character shows a question mark, not a traceback
            reconfigure(errors="replace")
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, head for example, has seen enough; without this Python complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.flush()
    sys.exit(code)


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (the signature of a handler)
    """SIGTERM takes the way of Ctrl-C, so that there is one way to stop."""
    signal.raise_signal(signal.SIGINT)
