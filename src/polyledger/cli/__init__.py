"""The command line: it parses, calls the Workspace and draws. It holds no logic and no SQL."""

from __future__ import annotations

from polyledger.cli.app import main

__all__ = ["main"]
