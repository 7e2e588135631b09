"""Doing the work: measure what is missing, fetch it within the limits, commit it with its proof, and be resumable."""

from __future__ import annotations
