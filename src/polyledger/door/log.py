"""The log of a workspace: a JSON object per line, for machines and for the morning after."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import stamina.instrumentation
import structlog

from polyledger.domain.errors import PolyledgerError

LOG_FILE: Final = "polyledger.log"
_LARGEST_FILE: Final = 5 << 20
_OLDER_FILES: Final = 2
_SECONDS_BETWEEN_PROGRESS: Final = 30.0


class _Handler(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - a name of the library
        """A log that cannot be written, on a full disk say, must not stop the run, which reports that itself."""


class RunLog:
    """Lines about one run. Messages carry no secrets: errors and addresses are masked where they are made."""

    def __init__(self, workspace: Path, **always: Any) -> None:
        self._handler = _Handler(
            workspace / LOG_FILE, maxBytes=_LARGEST_FILE, backupCount=_OLDER_FILES, encoding="utf-8", delay=True
        )
        logger = logging.Logger("polyledger.run")  # of our own: the program around us keeps its logging as it is
        logger.addHandler(self._handler)
        self._lines = structlog.wrap_logger(
            logger,
            processors=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
        ).bind(**always)
        self._guard = threading.Lock()
        self._said: dict[str, float] = {}
        self._finished: dict[str, Any] = {}

    def info(self, event: str, **fields: Any) -> None:
        """What happens as it should."""
        self._lines.info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What passes: a retry, a refusal."""
        self._lines.warning(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        """What ends something."""
        self._lines.error(event, **fields)

    def failed(self, event: str, error: BaseException) -> None:
        """An error that ends a run, in its own words."""
        said = error.what if isinstance(error, PolyledgerError) else str(error)
        self.error(event, kind=type(error).__name__, message=said)

    def progress(self, event: Mapping[str, Any]) -> None:
        """A progress event: the beginning and end of a stage, a line now and then between, and every message."""
        name = str(event.get("source") or event["stage"])
        fields = {key: value for key, value in event.items() if key not in {"projected", "eta_seconds"}}
        if event.get("done") is None:
            self.warning("message", **fields)
            return
        now = time.monotonic()
        end = (event.get("unit"), event.get("total")) if event["done"] == event.get("total") else None
        with self._guard:
            first = name not in self._said
            due = end != self._finished.get(name) if end else now - self._said.get(name, 0) > _SECONDS_BETWEEN_PROGRESS
            if not (first or due):
                return
            self._said[name] = now
            self._finished[name] = end
        self.info("stage finished" if end else "stage started" if first else "progress", **fields)

    @contextmanager
    def retries(self) -> Iterator[None]:
        """Inside the block, retries of requests that this thread makes are logged."""
        before = stamina.instrumentation.get_on_retry_hooks()
        thread = threading.get_ident()

        def hook(details: stamina.instrumentation.RetryDetails) -> None:
            if threading.get_ident() == thread:
                error = details.caused_by
                said = error.what if isinstance(error, PolyledgerError) else str(error)
                self.warning("retry", attempt=details.retry_num, wait=round(details.wait_for, 3), message=said)

        stamina.instrumentation.set_on_retry_hooks([*before, hook])
        try:
            yield
        finally:
            kept = [other for other in stamina.instrumentation.get_on_retry_hooks() if other is not hook]
            stamina.instrumentation.set_on_retry_hooks(kept)

    def close(self) -> None:
        """Close the file."""
        self._handler.close()
