"""What every command is given: the workspace, whether to print JSON, and the two consoles."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from polyledger.domain.errors import PolyledgerError, UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from polyledger.cli.progress import ProgressReport
    from polyledger.workspace import Workspace

__all__ = ["Session", "exit_code_of_state", "program_name"]

Document = Mapping[str, Any]
Overrides = dict[str, dict[str, Any]]


@dataclass
class Session:
    """One call of the command line. Data goes to ``out`` (standard output), everything else to ``err``."""

    workspace: Path
    as_json: bool = False
    command: str = ""
    arguments: str = ""  # what must be said again when the command is: its scope
    progress: ProgressReport | None = None  # of the run under way, for the last line of a stopped one

    def out(self) -> Console:
        """The console of the data; 80 columns where the width is not known."""
        return _console(stderr=False)

    def err(self) -> Console:
        """The console of progress and messages."""
        return _console(stderr=True)

    def open(self, overrides: Overrides | None = None) -> Workspace:
        """The workspace with the settings of its file, the environment and the flags of this call."""
        import polyledger.workspace
        from polyledger.config import load_settings

        given = {
            section: {key: value for key, value in table.items() if value is not None}
            for section, table in (overrides or {}).items()
        }
        settings = load_settings(self.workspace, given)
        return polyledger.workspace.open(self.workspace, settings=settings)

    def emit(self, document: Document, render: Callable[[Document, int], Iterable[RenderableType]]) -> None:
        """Print the document: as JSON when asked for, else as ``render(document, width)`` draws it."""
        if self.as_json:
            self.print_json(document)
            return
        console = self.out()
        for part in render(document, console.width):
            # Some lines are to be copied: they must not be broken, however long they are.
            console.print(part, soft_wrap=getattr(part, "no_wrap", None) is True)

    def print_json(self, document: Document) -> None:
        """One JSON document on standard output, indented for a person and compact for a program."""
        indent = 2 if sys.stdout.isatty() else None
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=indent, default=_refuse) + "\n")

    def refuse_json(self) -> None:
        """For commands that show no data.

        Raises:
            UsageError: ``--json`` was given.
        """
        if self.as_json:
            raise UsageError(f"polyledger {self.command} shows no data, so it has no --json", "Leave --json out")

    def say(self, text: str) -> None:
        """A message for the person, on standard error."""
        self.err().print(text, soft_wrap=True, markup=False)

    def fail(self, error: PolyledgerError) -> int:
        """Print the error as one paragraph and return its exit code."""
        paragraph = " ".join(str(error).split())
        sys.stderr.write(f"{paragraph}\n")
        return error.exit_code

    def watch(self, progress: ProgressReport) -> None:
        """Remember the progress of the run, so that an interruption can say what is saved."""
        self.progress = progress

    def again(self, command: str) -> str:
        """The command line that runs ``command`` on this workspace."""
        from shlex import quote

        arguments = self.arguments if command == self.command else ""
        return f"{program_name()} -w {quote(str(self.workspace))} {command}{arguments}"


def exit_code_of_state(state: str) -> int:
    """0 done, 4 partial, 130 interrupted."""
    return {"done": 0, "partial": 4, "interrupted": 130}[state]


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> NoReturn:
            # Rich would exit with 1; a reader that has seen enough is no failure.
            raise BrokenPipeError

    return Plain(stderr=stderr, highlight=False)


def program_name() -> str:
    """How to call polyledger here: as it was called, unless a plain ``polyledger`` finds the same."""
    called = Path(sys.argv[0])
    if called.name != "polyledger":
        return "python -m polyledger"
    found = shutil.which("polyledger")
    if found is not None and Path(found).resolve() == called.resolve():
        return "polyledger"
    with contextlib.suppress(ValueError):
        return str(called.resolve().relative_to(Path.cwd().resolve()))
    return str(called)


def _refuse(value: object) -> None:
    raise TypeError(f"a document holds a {type(value).__name__}, which JSON cannot carry exactly: {value!r}")
