"""``audiences.yaml`` and the lists of people it names: who is invited, and what they follow.

An address is one person, in however many audiences and however its letters are cased. A list is a CSV file as
spreadsheets save it: a first row naming the columns ``address`` and ``name``, separated by commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from reminders.catalogue.shape import AS_MAPPING, AS_TEXT, Id, Shape, Text, by_form, read, wrong
from reminders.catalogue.strict import MAX_BYTES, MAX_PROBLEMS, Document, load
from reminders.errors import BadInput, Problem
from reminders.planning.rules import nearest
from reminders.planning.selections import SelectionField
from reminders.planning.subscribers import Audience, Member

COLUMNS = {"address": "where mail goes", "name": "what mail calls the person"}
"""The columns of a list of people; the second may be left out."""


def normalise(address: str) -> str:
    """The address as it is stored and mailed: its domain in small ASCII letters (IDNA), the rest as written.

    Raises ValueError with a sentence. No name server is asked.
    """
    from email_validator import EmailNotValidError, validate_email  # only those who read lists of people need it

    try:
        checked = validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError(str(error).partition(". ")[0].rstrip(".")) from None
    return f"{checked.local_part}@{checked.ascii_domain}"


def _address(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong("this is not an e-mail address", "write one like someone@example.org")
    try:
        return normalise(value.strip())
    except ValueError as error:
        what, write = _unusable(value, str(error))
        raise wrong(what, write) from None


def _unusable(address: str, reason: str) -> tuple[str, str]:
    said = reason[:1].lower() + reason[1:]
    return f"'{address.strip()[:80]}' is not an e-mail address ({said})", "write one like someone@example.org"


MailAddress = Annotated[
    str, BeforeValidator(_address), WithJsonSchema({"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"})
]


class MemberShape(Shape):
    """A person with a name."""

    address: MailAddress
    """Where mail goes."""
    name: Text = ""
    """What mail calls the person."""


class AudienceShape(Shape):
    """A group of people and what they follow."""

    label: Text
    """What people call the group: their mails name it as the reason why they get them."""
    follows: SelectionField
    """Which dates they are told of; all when left out."""
    members: tuple[Annotated[Annotated[MailAddress, AS_TEXT] | Annotated[MemberShape, AS_MAPPING], by_form], ...] = ()
    """The people: addresses, or mappings like {address: amina@example.org, name: Amina}."""
    members_from: Text = ""
    """A list of people kept as a CSV file beside this one, such as trainees.csv."""


class AudiencesFile(Shape):
    """Who is invited, and what they follow."""

    audiences: dict[Id, AudienceShape]
    """The audiences by id."""


def parse_audiences(
    name: str, data: bytes, lists: Mapping[str, bytes]
) -> tuple[tuple[Audience, ...], list[Problem], Document | None]:
    """The audiences in order of their ids, every problem, and the document (None if unreadable).

    `lists` holds the CSV files by name. Any problem leaves no audience: half a list is nobody's intention. An
    audience of nobody is a problem too, since an emptied list looks like that.
    """
    document = None
    try:
        document = load(name, data)
        shaped = read(document, AudiencesFile)
    except BadInput as error:
        return (), list(error.problems), document
    audiences: list[Audience] = []
    problems: list[Problem] = []
    listed: dict[str, tuple[Member, ...]] = {}
    for id, shape in sorted(shaped.audiences.items()):
        file = shape.members_from
        if file and file not in lists:
            advice = nearest(file, lists, "lists here") if lists else "save the list beside this file"
            problems.append(document.problem(("audiences", id, "members_from"), f"there is no file '{file}'", advice))
        elif file and file not in listed:
            listed[file], found = read_list(file, lists[file])
            problems += found
        elif not file and not shape.members:
            what, write = f"the audience '{id}' has nobody in it", "write members or members_from, or delete it"
            problems.append(document.problem(("audiences", id), what, write, key=True))
        written = (each if isinstance(each, MemberShape) else MemberShape(address=each) for each in shape.members)
        members = [*(Member(each.address, each.name) for each in written), *listed.get(file, ())]
        audiences.append(Audience(id, shape.label, shape.follows.selection(), _once(members)))
    return () if problems else tuple(audiences), problems, document


def _once(members: Iterable[Member]) -> tuple[Member, ...]:
    """Each person once, in the first spelling and with the first name that is given."""
    people: dict[str, Member] = {}
    for member in members:
        key = member.address.casefold()
        known = people.get(key)
        people[key] = member if known is None else Member(known.address, known.name or member.name)
    return tuple(people.values())


def read_list(name: str, data: bytes) -> tuple[tuple[Member, ...], list[Problem]]:
    """The people of a CSV file, and every problem with it.

    In a problem `line` is that of the file, and `column` counts the cells of the row.
    """
    members: list[Member] = []
    problems: list[Problem] = []
    try:
        rows = _rows(name, data)
        columns = _columns(name, next(rows, (1, [])))
        for line, cells in rows:
            found = _member(name, line, cells, columns)
            if isinstance(found, Member):
                members.append(found)
            else:
                problems += found
            if len(problems) >= MAX_PROBLEMS:
                return (), problems
    except BadInput as error:
        return (), [*problems, *error.problems]
    if not members and not problems:
        problems.append(Problem(name, 1, 1, "there is nobody in the list", "write one person on each line"))
    return tuple(members), problems


def _rows(name: str, data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold anything, each with the line it begins on and its cells without blanks around them."""
    if len(data) > MAX_BYTES:
        raise BadInput([Problem(name, 0, 0, f"the file is larger than {MAX_BYTES // 1_000_000} MB", "split it")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte {data[error.start]:#04x} is not UTF-8 text"
        raise BadInput([Problem(name, line, 1, what, "save it from the spreadsheet as 'CSV UTF-8'")]) from None
    header = text.strip().partition("\n")[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(unicodedata.normalize("NFC", text), newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        problem = Problem(name, line, 1, f"this row cannot be read ({error})", "check its quotes")
        raise BadInput([problem]) from None


def _columns(name: str, row: tuple[int, list[str]]) -> list[str]:
    line, cells = row
    columns = [cell.casefold() for cell in cells]
    if not set(columns) & set(COLUMNS):
        raise BadInput([Problem(name, line, 1, "the columns have no names", "write 'address,name' as the first row")])
    problems = []
    for number, column in enumerate(columns, start=1):
        if column not in COLUMNS:
            what = f"unknown column '{column[:80]}'" if column else "a column has no name"
            problems.append(Problem(name, line, number, what, nearest(column, COLUMNS, "columns")))
        elif column in columns[: number - 1]:
            problems.append(Problem(name, line, number, f"the column '{column}' is there twice", "delete one"))
    if "address" not in columns:
        problems.append(Problem(name, line, 1, "no column is called 'address'", "name it so in the first row"))
    if problems:
        raise BadInput(problems)
    return columns


def _member(name: str, line: int, cells: list[str], columns: list[str]) -> Member | list[Problem]:
    problems = []
    if len(cells) > len(columns):
        what = f"the row has {len(cells)} cells, the first row {len(columns)}"
        problems.append(Problem(name, line, len(columns) + 1, what, "put text that holds a separator in quotes"))
    held = dict(zip(columns, cells, strict=False))
    for number, cell in enumerate(cells, start=1):
        if any(unicodedata.category(character) in _UNSEEN for character in cell):
            what = "a line break or another character that cannot be seen"
            problems.append(Problem(name, line, number, what, "type the text again, on one line"))
    if len(held.get("name", "")) > 300:
        problems.append(Problem(name, line, columns.index("name") + 1, "the name is too long", "write at most 300"))
    if problems:
        return problems
    if not (address := held.get("address", "")):
        return [
            Problem(name, line, columns.index("address") + 1, "the row has no address", "write it, or delete the row")
        ]
    try:
        return Member(normalise(address), held.get("name", ""))
    except ValueError as error:
        return [Problem(name, line, columns.index("address") + 1, *_unusable(address, str(error)))]


_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories of characters that a name or an address has no use for."""
