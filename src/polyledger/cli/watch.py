"""The live view of a run: asks for the status again and again until the run has ended."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from polyledger.cli.session import Session
from polyledger.cli.status_view import status, status_lines

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["watch_run"]

Document = Mapping[str, Any]
Ask = Callable[[], Document]

PLAIN_EVERY_SECONDS = 5.0


def watch_run(session: Session, ask: Ask, *, every: float, once: bool) -> int:
    """Show what `ask` answers until no run is running any more. Nothing is changed; stopping leaves the run alone."""
    documents = _documents(ask, every, once=once)
    if session.as_json:
        for document in documents:
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
            sys.stdout.flush()
    elif sys.stdout.isatty():
        _draw(session, documents)
    else:
        _print(documents)
    return 0


def _documents(ask: Ask, every: float, *, once: bool) -> Iterator[Document]:
    while True:
        document = ask()
        yield document
        if once or document["run"]["state"] != "running":
            return
        time.sleep(every)


def _draw(session: Session, documents: Iterator[Document]) -> None:
    from rich.console import Group
    from rich.live import Live

    console = session.out()

    def picture(document: Document) -> Group:
        return Group(*status(document, console.width))

    with Live(console=console, auto_refresh=False) as live:
        for document in documents:
            live.update(picture(document), refresh=True)


def _print(documents: Iterator[Document]) -> None:
    """A block of lines now and then, and at the end; messages once, as they come."""
    printed, newest = float("-inf"), ""
    for document in documents:
        for message in document.get("messages") or []:
            if message["at"] > newest and not message.get("running"):
                newest = message["at"]
                print(f"{message['source']}: {message['message']}", flush=True)
        now = time.monotonic()
        if now - printed >= PLAIN_EVERY_SECONDS or document["run"]["state"] != "running":
            printed = now
            print("\n".join(status_lines(document)), flush=True)
