"""Decoded events to the journal: matches grouped, ids made small, facts stored, books checked as they come in."""

from __future__ import annotations
