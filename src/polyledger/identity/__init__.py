"""What is proven about identity: tokens linked to conditions by recomputing their ids, claims checked the same way."""

from __future__ import annotations
