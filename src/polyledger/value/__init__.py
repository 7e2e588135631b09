"""What the ledger is worth: positions, realized profit, bounds and coverage, by the money rules."""

from __future__ import annotations
