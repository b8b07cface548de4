"""Problems in words: what a validator found wrong with a file, told to the person who has to mend it."""

from __future__ import annotations

import re
import types
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic_core import ErrorDetails

from reminders.catalogue.strict import Document, Path
from reminders.errors import Problem


def described(value: Any) -> str:
    """What sort of value somebody wrote, as in "this is a list"."""
    if value is None or value == "":
        return "empty"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "text"


def explain(document: Document, shape: type[BaseModel], error: ErrorDetails) -> Problem:
    """One of the validator's errors as a problem for people, at its place in the file."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    path = _path(document.value, error["loc"], missing=kind == "missing")
    name = str(path[-1]) if path else ""
    match kind:
        case "wrong":
            of_key = error["loc"][-1:] == ("[key]",)
            return document.problem(path, str(context["what"]), str(context["write"]), key=of_key)
        case "missing":
            return document.problem(path[:-1], f"'{name}' is missing", f"write '{name}: …'", key=True)
        case "extra_forbidden":
            known = _keys(shape, error["loc"][:-1])
            return document.problem(path, f"unknown key '{name[:80]}'", _choice(name, known, "keys"), key=True)
        case "enum" | "literal_error":
            choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
            return document.problem(
                path, f"'{str(given)[:80]}' is not known here", _choice(str(given), choices, "words")
            )
        case "model_type" | "dict_type" | "mapping_type" | "model_attributes_type":
            return document.problem(
                path, f"this is {described(given)}, not a mapping", "write 'key: value' lines below it"
            )
        case "tuple_type" | "list_type" | "set_type" | "frozen_set_type":
            return document.problem(
                path,
                f"this is {described(given)}, not a list",
                "write a list, each item on a line that begins with '- '",
            )
        case "union_tag_invalid":
            forms = " or ".join(part.strip("'() ") for part in str(context.get("expected_tags", "")).split(","))
            return document.problem(path, f"this is {described(given)}", f"write {forms}")
        case "too_short" | "too_long" | "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            if given in ({}, []):
                return document.problem(path, "there is nothing in it", "write at least one")
            bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
            bounds |= {"min_length": "at least", "max_length": "at most"}
            said = [f"{words} {context[key]}" for key, words in bounds.items() if key in context]
            what = "the list is too long" if isinstance(given, dict | list) else f"'{given}' is out of range"
            return document.problem(path, what, f"write {' '.join(said)}")
        case "string_type":
            return document.problem(path, f"this is {described(given)}, not text", "write one line of text")
        case _:
            return document.problem(path, error["msg"][:1].lower() + error["msg"][1:])


def _path(value: Any, loc: tuple[str | int, ...], *, missing: bool) -> Path:
    """The error's location as the file has it: without the tags that name a chosen form."""
    path: list[str | int] = []
    for number, item in enumerate(loc):
        held = isinstance(value, dict) and item in value
        held = held or (isinstance(value, list) and isinstance(item, int) and item < len(value))
        if held:
            value = value[item]
            path.append(item)
        elif missing and number == len(loc) - 1:
            path.append(item)
    return tuple(path)


def _choice(given: str, known: list[str], noun: str) -> str:
    close = get_close_matches(given.casefold(), known, n=1, cutoff=0.6)
    if close:
        return f"write '{close[0]}'"
    return f"the {noun} here are {', '.join(known)}" if known else "delete it"


def _keys(shape: Any, loc: tuple[str | int, ...]) -> list[str]:
    """The keys known at a location of the shape, in their order."""
    for item in loc:
        shape = _inside(shape, item)
    shape = _bare(shape)
    return [field.alias or name for name, field in shape.model_fields.items()] if _is_shape(shape) else []


def _inside(annotation: Any, item: str | int) -> Any:
    bare = _bare(annotation)
    if _is_shape(bare):
        fields = bare.model_fields
        return next((field.annotation for name, field in fields.items() if item in (name, field.alias)), None)
    if get_origin(bare) in (Union, types.UnionType):
        for part in get_args(bare):
            tags = [extra.tag for extra in getattr(part, "__metadata__", ()) if isinstance(extra, Tag)]
            if item in tags:
                return part
        parts = [part for part in get_args(bare) if part is not type(None)]
        return _inside(parts[0], item) if len(parts) == 1 else None
    inner = [part for part in get_args(bare) if part is not Ellipsis]
    return inner[-1] if inner else None


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        if len(parts) == 1:
            return _bare(parts[0])
    return annotation


def _is_shape(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
