"""polyledger: a complete, proven ledger of Polymarket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyledger.domain.version import __version__

if TYPE_CHECKING:
    from polyledger.workspace import Result, Workspace, open  # noqa: A004

__all__ = ["Result", "Workspace", "__version__", "open"]


def __getattr__(name: str) -> Any:
    """Load the workspace when it is first asked for: `polyledger version` needs none of it."""
    if name in {"Result", "Workspace", "open"}:
        from polyledger import workspace

        return getattr(workspace, name)
    raise AttributeError(f"module 'polyledger' has no attribute {name!r}")
