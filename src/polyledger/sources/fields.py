"""Reading single fields of JSON rows: strict about shape, tolerant where the documented APIs are known to vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import msgspec

from polyledger.domain.amounts import LARGEST_AMOUNT, MICRO
from polyledger.domain.errors import MalformedIdError, SchemaMismatchError

ValueT = TypeVar("ValueT")

_LONGEST_QUOTE: Final = 80
_FIRST_REAL_YEAR: Final = 1971
"""Servers written in Go send the year 1 for "no time"."""


class Row:
    """One JSON object of an answer, with what it is called in messages.

    Every reader raises SchemaMismatchError naming the field, the row and the value when the value has another shape.
    ``optional_…`` readers give None for a field that is absent, null or "".
    """

    def __init__(self, source: str, kind: str, fields: Mapping[str, Any], key: str) -> None:
        self.fields = fields
        self._called = f"{kind} {key}" if key else kind
        self._source = source

    def wrong(self, name: str, expected: str) -> SchemaMismatchError:
        """The error for the field `name`, which should have been `expected`."""
        value = self.fields.get(name, "<absent>")
        shown = repr(value)
        if len(shown) > _LONGEST_QUOTE:
            shown = shown[:_LONGEST_QUOTE] + "…"
        return SchemaMismatchError(f"{self._source}: field {name!r} of {self._called} is {shown}, expected {expected}")

    def text(self, name: str) -> str:
        """A text that may be empty but not missing."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise self.wrong(name, "a text")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, None when there is none."""
        if self.fields.get(name) is None:
            return None
        return self.text(name).strip() or None

    def number_text(self, name: str) -> str:
        """A decimal id: digits, as text or as a number."""
        value = self.fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return str(value)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return value
        raise self.wrong(name, "a decimal number")

    def optional_number_text(self, name: str) -> str | None:
        """A decimal id, None when there is none."""
        return None if self.fields.get(name) in (None, "") else self.number_text(name)

    def boolean(self, name: str) -> bool:
        """True or false, nothing else."""
        value = self.fields.get(name)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def optional_boolean(self, name: str) -> bool | None:
        """True, false or not stated."""
        return None if self.fields.get(name) is None else self.boolean(name)

    def identifier(self, name: str, normal: Callable[[str], str]) -> str | None:
        """An id in the normal form that `normal` gives, None when not stated."""
        value = self.optional_text(name)
        if value is None:
            return None
        try:
            return normal(value)
        except MalformedIdError as error:
            raise self.wrong(name, "an id") from error

    def optional_amount(self, name: str) -> int | None:
        """Micro-units, rounded, from a decimal as text or number."""
        value = self.fields.get(name)
        return None if value is None or value == "" else self._micro(name, value)

    def amount(self, name: str) -> int:
        """Micro-units, rounded, that must be there."""
        value = self.optional_amount(name)
        if value is None:
            raise self.wrong(name, "a decimal number")
        return value

    def decimal(self, name: str) -> Decimal:
        """A decimal number as text or number, exactly as written."""
        value = self.fields.get(name)
        try:
            number = None if isinstance(value, bool) or value is None else Decimal(str(value))
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite():
            raise self.wrong(name, "a decimal number")
        return number

    def moment(self, name: str) -> int:
        """Seconds since 1970, UTC, as number or digits, or as a time as optional_time reads it."""
        value = self.fields.get(name)
        if isinstance(value, str) and not value.isdigit():
            seconds = self.optional_time(name)
        elif isinstance(value, bool) or not isinstance(value, str | int | float):
            seconds = None
        else:
            seconds = int(Decimal(str(value)))
        if seconds is None:
            raise self.wrong(name, "a time")
        return seconds

    def optional_amounts(self, name: str) -> tuple[int, ...] | None:
        """Micro-units, rounded, of each element of a list."""
        values = self.optional_list(name)
        return None if values is None else tuple(self._micro(name, value) for value in values)

    def optional_texts(self, name: str) -> tuple[str, ...] | None:
        """The texts of a list."""
        values = self.optional_list(name)
        if values is None:
            return None
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(name, "a list of texts")
        return tuple(values)

    def optional_list(self, name: str) -> list[Any] | None:
        """A list, either plain or written as JSON inside a text, as Gamma does; never searched as text."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            try:
                value = msgspec.json.decode(value)
            except msgspec.DecodeError as error:
                raise self.wrong(name, "a JSON list") from error
            if value is None:
                return None
        if not isinstance(value, list):
            raise self.wrong(name, "a JSON list")
        return value

    def optional_rows(self, name: str, kind: str) -> list[Row] | None:
        """The objects of a list; `kind` is what they are called in messages."""
        values = self.fields.get(name)
        if values is None:
            return None
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.wrong(name, "a list of objects")
        return [Row(self._source, f"{kind} of {self._called}", value, "") for value in values]

    def optional_time(self, name: str) -> int | None:
        """Seconds since 1970, UTC: RFC 3339, ``2024-11-06 15:00:00+00``, or a bare date (its first second)."""
        value = self.optional_text(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise self.wrong(name, "a time") from error
        if moment.tzinfo is None:
            if len(value) != len("2024-11-06"):
                raise self.wrong(name, "a time with its zone")
            moment = moment.replace(tzinfo=UTC)
        return None if moment.year < _FIRST_REAL_YEAR else int(moment.timestamp() // 1)

    def _micro(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(name, "a decimal number")
        try:
            micro = (Decimal(str(value)) * MICRO).to_integral_value(ROUND_HALF_EVEN)
        except InvalidOperation as error:
            raise self.wrong(name, "a decimal number") from error
        if not micro.is_finite() or abs(micro) > LARGEST_AMOUNT:
            raise self.wrong(name, "a decimal number within range")
        return int(micro)
