"""TOML files of people: read into models, and refused with the line, the key and what is allowed there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from polyledger.domain.amounts import parse_amount
from polyledger.domain.durations import seconds_of
from polyledger.domain.errors import ConfigurationError, PolyledgerError
from polyledger.domain.ids import normal_address

File = TypeVar("File", bound=BaseModel)
_ORDER: Final = {"extra_forbidden": 0, "missing": 2, "too_short": 3}  # a list is also too short when all in it is wrong
_KEY: Final = r"(?:^|[{{,\[.])\s*\"?{key}\"?\s*[\]=.]"


class TomlTable(BaseModel):
    """A table that takes the keys of its fields and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False, hide_input_in_errors=True)


def _micro(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be an amount, such as 100 or 0.5")  # noqa: TRY004 - a model wants ValueError
    with _as_value_error():
        return parse_amount(format(value, "f").rstrip("0").rstrip(".") if isinstance(value, float) else str(value))


def _name(value: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", value) is None:
        raise ValueError(f"{value!r} is no name; write up to 40 lower-case letters, digits, - and _")
    return value


def _seconds(value: Any) -> int:
    with _as_value_error():
        return int(seconds_of(str(value)))


def _address(value: Any) -> str:
    with _as_value_error():
        return normal_address(str(value))


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Our errors, in the form in which a model expects them."""
    try:
        yield
    except PolyledgerError as error:
        raise ValueError(str(error).rstrip(".")) from None


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]
Micro = Annotated[int, BeforeValidator(_micro), Field(ge=0)]
"""USDC or shares as people write them, in millionths."""
Seconds = Annotated[int, BeforeValidator(_seconds), Field(gt=0)]
"""A span of time such as "2h", in seconds."""
Address = Annotated[str, BeforeValidator(_address)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Count = Annotated[int, Field(strict=True, ge=1)]


def read_text(file: Path) -> str | None:
    """The text of a file, None where there is none.

    Raises:
        ConfigurationError: it cannot be read.
    """
    if not file.exists():
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}", "Check the file and its permissions") from error


def parse_toml(text: str, origin: str, model: type[File]) -> File:
    """What a TOML text says; `origin` is its name in messages.

    Raises:
        ConfigurationError: it does not say what `model` takes; names origin, line and key.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{origin} is not valid TOML: {error}", "Correct that line") from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        # A key that does not exist is a likelier slip than the one that is missing for it.
        found = min(error.errors(), key=lambda entry: _ORDER.get(entry["type"], 1))
        place, what, next_step = _said(found, model)
        raise complaint(text, origin, place, what, next_step) from None


def complaint(text: str, origin: str, place: Sequence[str | int], what: str, next_step: str) -> ConfigurationError:
    """An error about a place in a file, ``("rule", 0, "price")`` for instance, with the line on which that stands."""
    names = [part for part in place if isinstance(part, str)]
    key = names[-1] if names else ""
    return ConfigurationError(f"{origin}, line {_line(text, place)}, key '{key}': {what}", next_step)


def check_categories(
    named: Iterable[Collection[str] | None], known: Collection[str], *, text: str, origin: str, heading: str
) -> None:
    """Refuse a category that does not exist, so that a misspelt one cannot stay silent for ever.

    Args:
        named: the categories of each ``[[heading]]`` in the order of the file, None where it names none.
        known: the categories there are.
        text, origin, heading: of the file, for the message.

    Raises:
        ConfigurationError: names line and key, and the categories there are.
    """
    for index, categories in enumerate(named):
        for category in categories or ():
            if category not in known:
                raise complaint(
                    text, origin, (heading, index, "categories"),
                    f"there is no category {category!r}", f"There are {', '.join(sorted(known))}",
                )  # fmt: skip


_WORDS: Final = {
    "a valid tuple": "a list",
    "a valid string": "a text",
    "a valid number": "a number",
    r"a valid dictionary or instance of \w+": "a table, { key = value, … }",
}
"""What the library says, and what somebody who writes TOML knows it as."""


def _said(found: Any, model: type[BaseModel]) -> tuple[list[str | int], str, str]:
    place = [part for part in found["loc"] if isinstance(part, int) or part.isidentifier() or "-" in part]
    kind, message = found["type"], found["msg"].removeprefix("Value error, ")
    allowed = ", ".join(_fields(model, place[:-1]))
    if kind == "extra_forbidden":
        return place, f"unknown key '{place[-1]}'", f"Keys here are {allowed}"
    if kind == "missing" and isinstance(found["loc"][-1], int):
        return place[:-1], "has too few entries", "Correct that line"
    if kind == "missing":
        return place, f"'{place[-1]}' is missing", "Add it; it has no default"
    if kind == "literal_error":
        return place, f"{found['input']!r} is not allowed", f"Choose {found['ctx']['expected']}"
    if kind in {"too_short", "too_long", "string_too_short"}:
        least = found["ctx"].get("min_length") or found["ctx"].get("max_length")
        entries = "character" if kind.startswith("string") else "entry" if least == 1 else "entries"
        return (
            place,
            f"must have {'at most' if kind == 'too_long' else 'at least'} {least} {entries}",
            "Correct that line",
        )
    message = message.replace("Input should be", "must be")
    for theirs, ours in _WORDS.items():
        message = re.sub(theirs, ours, message)
    return place, f"{message[:1].lower()}{message[1:]}", "Correct that line"


def _fields(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys that the table at `place` takes."""
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            inner = _model_in(model.model_fields[part].annotation)
            model = inner if inner is not None else model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part)) is not None), None)


def _line(text: str, place: Sequence[str | int]) -> int:
    """The 1-based line of a place: as deep as its keys can be followed."""
    lines = text.splitlines()
    start, stop = 1, len(lines)
    if len(place) > 1 and isinstance(place[1], int):
        heading = re.compile(rf"\s*\[\[\s*{re.escape(str(place[0]))}\s*\]\]")
        headings = [number for number, line in enumerate(lines, 1) if heading.match(line)]
        if place[1] < len(headings):
            start = headings[place[1]]
            stop = headings[place[1] + 1] - 1 if place[1] + 1 < len(headings) else stop
        place = place[2:]
    found = start
    for part in place:
        if isinstance(part, str):
            pattern = re.compile(_KEY.format(key=re.escape(part)))
            found = next((n for n in range(found, stop + 1) if pattern.search(lines[n - 1])), found)
    return found
