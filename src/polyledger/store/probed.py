"""What ``doctor --probe`` measured, kept with the ledger, so that the next plan reckons with it."""

from __future__ import annotations

import json
from typing import Any, Final

from polyledger.store.database import Database

_NAME: Final = "probe"


def save_probe(database: Database, document: dict[str, Any]) -> None:
    """Keep the document in place of an earlier one, in a transaction of its own."""
    with database.transaction():
        database.set_setting(_NAME, json.dumps(document))


def read_probe(database: Database) -> dict[str, Any] | None:
    """The newest document, or None when nothing has been measured."""
    text = database.setting(_NAME)
    return None if text is None else json.loads(text)
