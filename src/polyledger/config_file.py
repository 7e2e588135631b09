"""The files of a workspace that people write: the text of a new ``polyledger.toml``, and their table of categories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from polyledger.config import MASKED, check_known, sections
from polyledger.domain.categories import CategoryTable, default_categories, parse_categories

__all__ = ["CATEGORIES_FILE", "category_table", "toml_template"]

CATEGORIES_FILE: Final = "categories.toml"


def category_table(folder: Path) -> CategoryTable:
    """The table of categories of a workspace: its own categories.toml, else the built-in one.

    Raises:
        ConfigurationError: the file has another shape; the message names line and key.
    """
    file = folder / CATEGORIES_FILE
    if not file.exists():
        return default_categories()
    return parse_categories(file.read_text(encoding="utf-8"), str(file))


def toml_template(chosen: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """The text of a new ``polyledger.toml``: every key with its default as a comment, ``chosen`` values set.

    Raises:
        ConfigurationError: ``chosen`` holds an unknown key or a secret.
    """
    lines = ["# Settings of this workspace. Lines that begin with # show the defaults.", ""]
    for section, model in sections():
        lines.append(f"[{section}]")
        given = (chosen or {}).get(section, {})
        for name, field in model.model_fields.items():
            key = f"{section}.{name}"
            if name in given:
                lines.append(f"{name} = {_toml(given[name])}")
            elif key not in MASKED - {"chain.rpc_url"}:
                default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
                shown = f"{name} = {_toml(default)}" if default is not None else f"{name} ="
                lines.append(f"# {shown}" + (f"   # {field.description}" if field.description else ""))
        for name in given:
            check_known(f"{section}.{name}", "the chosen values")
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
