"""What a file may hold, declared once: read strictly, explained to people, and described to editors.

A file's shape is a class made from `Shape`. `read` checks a `strict.Document` against it and words every problem for
the person who has to mend it; `schema` describes it as a JSON Schema, which editors use to complete and to underline.
The field types here are shared by all files. Values arrive as text, lists and mappings (see `strict`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Tag,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from reminders.catalogue.complaints import described, explain
from reminders.catalogue.dates import DateError, check_zone, parse_when
from reminders.catalogue.strict import Document
from reminders.errors import BadInput


class Shape(BaseModel):
    """A mapping with known keys. A docstring under a field becomes its help in editors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


AnyShape = TypeVar("AnyShape", bound=Shape)


def wrong(what: str, write: str) -> PydanticCustomError:
    """An error for a validator to raise: what is wrong, and what to write instead."""
    return PydanticCustomError("wrong", "{what}: {write}", {"what": what, "write": write})


def read(document: Document, shape: type[AnyShape], context: dict[str, Any] | None = None) -> AnyShape:
    """The document's content in its shape; an empty file is an empty mapping. Raises `BadInput` with every problem.

    `context` is handed to the shape's own validators.
    """
    try:
        return shape.model_validate({} if document.value is None else document.value, context=context)
    except ValidationError as error:
        details = error.errors(include_url=False)
    raise BadInput(explain(document, shape, each) for each in details)


def schema(shape: type[Shape], title: str) -> dict[str, Any]:
    """The shape as a JSON Schema (draft 2020-12) for editors."""
    body = shape.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | body | {"title": title}


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if value is None:
        raise wrong("nothing is written here", "write the text; an optional key may be left out")
    raise wrong(
        f"this is {described(value)}, not text", "write one line of text; put it in quotes if it holds ': ' or '#'"
    )


def _line(value: str) -> str:
    value = value.strip()
    if not value:
        raise wrong("nothing is written here", "write the text; an optional key may be left out")
    if "\n" in value or "\r" in value:
        raise wrong("the text runs over several lines", "write one line")
    if len(value) > 300:
        raise wrong(f"the text has {len(value)} characters", "write at most 300")
    return value


def _prose(value: str) -> str:
    value = value.strip()
    if not value:
        raise wrong("nothing is written here", "write the text; an optional key may be left out")
    if len(value) > 10_000:
        raise wrong(f"the text has {len(value)} characters", "write at most 10000")
    return value


def _id(value: str) -> str:
    if not re.fullmatch(ID, value, re.ASCII):
        likely = re.sub(r"[^a-z0-9]+", "-", value.casefold()).strip("-")[:64]
        example = f", such as {likely}" if re.fullmatch(ID, likely, re.ASCII) else ""
        raise wrong(f"'{value[:80]}' is not an id", f"write small letters, digits and hyphens, at most 64{example}")
    return value


def _link(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, sane = parts.hostname, parts.port is None or parts.port > 0
    except ValueError:
        raise wrong(f"'{value[:80]}' is not a link", "write one like https://www.example.org") from None
    scheme = parts.scheme.lower()
    if scheme == "mailto" and re.fullmatch(ADDRESS, parts.path):
        return value
    if scheme not in ("http", "https") or not host or not sane or re.search(r"[\s<>\"\\^`{|}]", value):
        likely = (
            f"https://{value}"
            if re.fullmatch(r"[\w-]+(\.[\w-]+)+(/\S*)?", value)
            else "one like https://www.example.org"
        )
        raise wrong(f"'{value[:80]}' is not a link", f"write {likely}")
    if parts.username is not None:
        raise wrong("the link holds a user name or password", "write it without")
    if len(value) > 2000:
        raise wrong("the link has more than 2000 characters", "write a shorter one")
    return value


def _address(value: str) -> str:
    if not re.fullmatch(ADDRESS, value) or len(value) > 254:
        raise wrong(f"'{value[:80]}' is not an e-mail address", "write one like someone@example.org")
    return value


def _zone(value: str) -> str:
    try:
        check_zone(value)
    except DateError as error:
        raise wrong(error.what, error.write) from None
    return value


def _day(value: Any) -> date:
    try:
        when = parse_when(_text(value), "UTC")
    except DateError as error:
        raise wrong(error.what, error.write) from None
    if when.first is None or when.edtf != when.first.isoformat():
        raise wrong(f"'{value}' is not one day", "write a day like 2018-11-23")
    return when.first


def _whole(value: Any) -> int:
    if not re.fullmatch(r"-?(0|[1-9]\d{0,8})", text := _text(value), re.ASCII):
        raise wrong(f"'{text[:80]}' is not a whole number", "write digits, such as 2")
    return int(text)


def _flag(value: Any) -> bool:
    if (text := _text(value)) not in ("true", "false"):
        raise wrong(f"'{text[:80]}' is neither true nor false", "write true or false")
    return bool(text == "true")


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        twice = next((item for number, item in enumerate(value) if item in value[:number]), None)
        if isinstance(twice, str):
            raise wrong(f"'{twice[:80]}' is listed twice", "delete one")
        return value
    raise wrong(f"this is {described(value)}", "write one value, or a list like [one, two]")


ID = r"[a-z0-9][a-z0-9-]{0,63}"
ADDRESS = r"[^@\s<>(),:;\"\\\[\]]+@[^@\s<>(),:;\"\\\[\]_]+\.[^@\s<>(),:;\"\\\[\]_.]{2,}"

TEXT_SCHEMA: dict[str, Any] = {"type": ["string", "number", "boolean"]}
"""Text, some of which editors see as a number or as true or false."""
ID_SCHEMA: dict[str, Any] = {"type": ["string", "integer"], "pattern": f"^{ID}$"}
DAY_SCHEMA: dict[str, Any] = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}


def one_or_list(item: dict[str, Any]) -> dict[str, Any]:
    """For editors: one value, or a list of such without repetition."""
    return {"anyOf": [item, {"type": "array", "items": item, "uniqueItems": True}]}


Text = Annotated[str, BeforeValidator(_text), AfterValidator(_line), WithJsonSchema(TEXT_SCHEMA)]
"""One line of text."""
Prose = Annotated[str, BeforeValidator(_text), AfterValidator(_prose), WithJsonSchema(TEXT_SCHEMA)]
"""Text of any number of lines."""
Id = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_id),
    WithJsonSchema(ID_SCHEMA),
]
"""A name that stays for ever."""
Link = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_link),
    WithJsonSchema({"type": "string", "pattern": "^(https?://|mailto:)", "examples": ["https://www.example.org"]}),
]
"""A link that a reader can follow: http, https or mailto."""
Address = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_address),
    WithJsonSchema({"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"}),
]
"""An e-mail address, as far as its looks go."""
Zone = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_zone),
    WithJsonSchema({"type": "string", "examples": ["Europe/London"]}),
]
"""An IANA time zone."""
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema(DAY_SCHEMA)]
"""A day, ``2018-11-23``."""
as_list = BeforeValidator(_listed)
"""Takes one value for a list of one, and no value twice."""
Whole = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": "integer"})]
"""A whole number."""
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
"""``true`` or ``false``."""
Ids = Annotated[tuple[Id, ...], BeforeValidator(_listed), WithJsonSchema(one_or_list(ID_SCHEMA))]
"""One id, or a list of ids without repetition."""
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed), WithJsonSchema(one_or_list(TEXT_SCHEMA))]
"""One line of text, or a list of such without repetition."""
Wholes = Annotated[tuple[Whole, ...], BeforeValidator(_listed), WithJsonSchema(one_or_list({"type": "integer"}))]
"""One whole number, or a list of such without repetition."""


def form(value: Any) -> str:
    """The tag by which a union chooses: ``(text)``, ``(list)`` or ``(mapping)``, whatever was written.

    Use: ``Annotated[Annotated[A, Tag("(text)")] | Annotated[B, Tag("(mapping)")], by_form]``. Only the chosen form is
    checked, so that a mistake in a mapping is not also reported as "not text".
    """
    if isinstance(value, Mapping | Shape):
        return "(mapping)"
    return "(list)" if isinstance(value, list | tuple) else "(text)"


by_form = Discriminator(form)
AS_TEXT, AS_LIST, AS_MAPPING = Tag("(text)"), Tag("(list)"), Tag("(mapping)")
