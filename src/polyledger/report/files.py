"""Putting a report where it belongs: complete or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from polyledger.domain.errors import OutputExistsError, WorkspaceError
from polyledger.report.page import page
from polyledger.store.database import plain_errors

PAGE: Final = "report.html"
DATA: Final = "report.json"
FOLDER: Final = "reports"

Written = dict[str, Path]
"""``{"page": …, "data": …}``"""


def report_files(document: Mapping[str, Any]) -> dict[str, str]:
    """The files of a report, name → text: the page, and the document as JSON."""
    return {PAGE: page(document), DATA: json.dumps(document, ensure_ascii=False, indent=1) + "\n"}


def require_free(folder: Path, *, force: bool) -> Written:
    """The files that a report in this folder is made of. Raises OutputExistsError, before any work is done."""
    paths = {"page": folder / PAGE, "data": folder / DATA}
    for path in paths.values():
        if path.exists() and not force:
            raise OutputExistsError(f"{path} exists already", "Give --force to replace it, or another folder")
    return paths


def write_report(document: Mapping[str, Any], folder: Path, *, force: bool) -> Written:
    """Write ``report.html`` and ``report.json`` into a folder, which is made where it is missing.

    Args:
        document: a polyledger.report/1 document.
        folder: where to.
        force: replace what is there.

    Raises:
        OutputExistsError: one of the files exists and `force` is not given; nothing is written.
        WorkspaceError: the folder cannot be written.
    """
    paths = require_free(folder, force=force)
    texts = report_files(document)
    partial = {name: folder / f".{name}.{os.getpid()}.part" for name in texts}
    try:
        with plain_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                partial[name].write_text(text, encoding="utf-8")
            for name, path in partial.items():
                path.replace(folder / name)
    except OSError as error:
        raise WorkspaceError(
            f"{folder} cannot be written ({error.strerror})", "Choose another folder with --out"
        ) from error
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)
    return paths
