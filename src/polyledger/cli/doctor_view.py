"""What ``polyledger doctor`` found, drawn as a list with the fix beneath each finding that has one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from polyledger.cli.views import MARKS

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["doctor"]


def doctor(document: Mapping[str, Any], width: int) -> Iterable[RenderableType]:  # noqa: ARG001  (rich fits it)
    """``polyledger.doctor/1``, grouped by what was examined."""
    from rich.markup import escape
    from rich.table import Table

    for subject, findings in groupby(document["findings"], key=lambda finding: finding["subject"]):
        yield f"[bold]{escape(str(subject))}[/]"
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for finding in findings:
            table.add_row(f" {MARKS[finding['status']]}", finding["name"], escape(str(finding["value"])))
            if finding["fix"]:
                table.add_row("", "", f"[yellow]→[/] {escape(str(finding['fix']))}")
        yield table
    failed = sum(finding["status"] == "failed" for finding in document["findings"])
    yield ""
    if document["ok"]:
        yield "[green]Ready to sync.[/]"
    else:
        yield f"[red]{failed} finding{'s' if failed > 1 else ''} must be fixed before a sync.[/]"
