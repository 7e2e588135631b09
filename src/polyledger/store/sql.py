"""Reading the .sql files that live beside the code that runs them."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def script(package: str, name: str) -> str:
    """The text of ``sql/NAME.sql`` in a package."""
    return resources.files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


@cache
def table(schema: str, name: str) -> str:
    """The statements that make a table of the ledger."""
    return resources.files("polyledger.store").joinpath("schema", schema, f"{name}.sql").read_text(encoding="utf-8")
