"""Audiences and the lists of people they name, in the forms that spreadsheets save."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.catalogue.strict import MAX_PROBLEMS
from reminders.planning.audiences import normalise, parse_audiences, read_list
from reminders.planning.selections import follows, matches
from reminders.planning.subscribers import Audience, Member, Selection
from tests.builders import event, subscriber

CONFIG = Path(__file__).parents[2] / "config"
PEOPLE = (Member("amina@example.org", "Amina"), Member("zoe@example.org", "Zoë"))


def audiences(written: str, **lists: str) -> tuple[Audience, ...]:
    """What a file says that has no problems; `lists` are CSV files by name without the ending."""
    files = {f"{name}.csv": text.encode() for name, text in lists.items()}
    found, problems, document = parse_audiences("audiences.yaml", written.encode(), files)
    assert not problems
    assert document is not None
    return found


@pytest.mark.parametrize(
    "data",
    [
        "address,name\namina@example.org,Amina\nzoe@example.org,Zoë\n".encode(),
        "address;name\namina@example.org;Amina\nzoe@example.org;Zoë\n".encode(),
        "address\tname\namina@example.org\tAmina\nzoe@example.org\tZoë\n".encode(),
        "address,name\r\namina@example.org,Amina\r\nzoe@example.org,Zoë\r\n".encode(),
        "address,name\ramina@example.org,Amina\rzoe@example.org,Zoë\r".encode(),
        "address,name\namina@example.org,Amina\nzoe@example.org,Zoë".encode(),  # no last line end
        "address,name\namina@example.org,Amina\nzoe@example.org,Zoë\n".encode("utf-8-sig"),
        "address,name\namina@example.org,Amina\nzoe@example.org,Zoe\u0308\n".encode(),
        "\r\n;\r\naddress;name\r\n;\r\namina@example.org;Amina\r\n\r\n;;\r\nzoe@example.org;Zoë\r\n;\r\n".encode(),
        "Name, ADDRESS \nAmina, amina@example.org\nZoë,zoe@example.org \n".encode(),
        'address,name\n"amina@example.org","Amina"\nzoe@example.org,"Zoë"\n'.encode(),
        "address,name\namina@EXAMPLE.org,Amina\nzoe@example.ORG,Zoë\n".encode(),
    ],
    ids=[
        "commas",
        "semicolons",
        "tabs",
        "windows",
        "old mac",
        "no last line end",
        "byte order mark",
        "decomposed letters",
        "empty rows",
        "columns the other way round",
        "quotes",
        "domain in capitals",
    ],
)
def test_a_list_is_read_in_every_form_that_spreadsheets_save(data: bytes) -> None:
    assert read_list("trainees.csv", data) == (PEOPLE, [])


def test_a_list_may_hold_addresses_alone_and_names_may_hold_separators() -> None:
    assert read_list("a.csv", b"address\namina@example.org\n")[0] == (Member("amina@example.org"),)
    assert read_list("a.csv", b"address,name\namina@example.org\n")[0] == (Member("amina@example.org"),)
    assert read_list("a.csv", b'address,name\na@example.org,"Brown, A"\n')[0] == (Member("a@example.org", "Brown, A"),)


@pytest.mark.parametrize(
    ("encoding", "line"),
    [("latin-1", 3), ("cp1252", 3), ("utf-16", 1)],
)
def test_a_list_in_another_encoding_is_refused_and_nothing_of_it_used(encoding: str, line: int) -> None:
    text = "address,name\namina@example.org,Amina\nzoe@example.org,Zoë\n"
    members, (problem,) = read_list("trainees.csv", text.encode(encoding))
    assert members == ()
    assert (problem.file, problem.line) == ("trainees.csv", line)
    assert problem.write == "save it from the spreadsheet as 'CSV UTF-8'"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("address,name,address\n", "t.csv:1:3: the column 'address' is there twice: delete one"),
        ("name\nAmina\n", "t.csv:1:1: no column is called 'address': name it so in the first row"),
        ("address,\n", "t.csv:1:2: a column has no name: the columns are address, name"),
        ("", "t.csv:1:1: the columns have no names: write 'address,name' as the first row"),
        ("\n\nAmina\n", "t.csv:3:1: the columns have no names: write 'address,name' as the first row"),
        (
            'address,name\na@example.org,"Amina" x\n',
            "t.csv:2:1: this row cannot be read (',' expected after '\"'): check its quotes",
        ),
        ("address,name\na@example.org," + "x" * 301, "t.csv:2:2: the name is too long: write at most 300"),
        (
            "address,name\na@example.org,A\x00\n",
            "t.csv:2:2: a line break or another character that cannot be seen: type the text again, on one line",
        ),
        (
            "address,name\n\u200ba@example.org,A\n",
            "t.csv:2:1: a line break or another character that cannot be seen: type the text again, on one line",
        ),
    ],
)
def test_a_list_that_cannot_be_used_says_where_and_what_to_write(data: str, said: str) -> None:
    members, problems = read_list("t.csv", data.encode())
    assert members == ()
    assert said in [str(problem) for problem in problems]


def test_a_row_is_counted_by_the_lines_of_the_file() -> None:
    data = b'address,name\n\na@example.org,"two\nlines"\nbao,Bao\n'
    assert [(each.line, each.column) for each in read_list("t.csv", data)[1]] == [(3, 2), (5, 1)]


def test_a_list_with_very_many_problems_says_the_first_of_them() -> None:
    data = b"address\n" + b"nobody\n" * 10_000
    members, problems = read_list("t.csv", data)
    assert members == ()
    assert len(problems) == MAX_PROBLEMS


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_of_people_or_give_problems(data: bytes) -> None:
    members, problems = read_list("t.csv", data)
    assert members or problems
    assert all(problem.what and problem.write for problem in problems)


@given(st.lists(st.sampled_from([",", ";", "\t", "\n", '"', "address", "name", "a@example.org", "Bao", " "])))
def test_any_jumble_of_cells_is_a_list_of_people_or_gives_problems(cells: list[str]) -> None:
    members, problems = read_list("t.csv", "".join(["address,name\n", *cells]).encode())
    assert members or problems
    assert all(normalise(member.address) == member.address for member in members)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("amina@example.org", "amina@example.org"),
        ("Amina.Brown@Example.ORG", "Amina.Brown@example.org"),  # only the relay knows whether its capitals matter
        ("amina@bücher.example.org", "amina@xn--bcher-kva.example.org"),
        ("amina@BÜCHER.example.org", "amina@xn--bcher-kva.example.org"),
        ("amina@xn--bcher-kva.example.org", "amina@xn--bcher-kva.example.org"),
        ("amina+reminders@example.org", "amina+reminders@example.org"),
    ],
)
def test_an_address_is_stored_as_it_is_mailed(written: str, stored: str) -> None:
    assert normalise(written) == stored
    assert normalise(stored) == stored


@pytest.mark.parametrize(
    "written",
    [
        "amina",
        "amina@",
        "@example.org",
        "amina@example",
        "a b@example.org",
        "a@example..org",
        "a@example.org\nBcc: b@example.org",
        "",
    ],
)
def test_what_is_no_address_is_refused_in_one_sentence(written: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z][^.]*[^.]$"):
        normalise(written)


def test_a_person_is_one_however_the_address_is_cased() -> None:
    (everyone,) = audiences(
        """
audiences:
  everyone:
    label: Everyone
    members: [Amina@example.org, {address: bao@example.org, name: Bao}, amina@EXAMPLE.org]
    members_from: trainees.csv
""",
        trainees="address,name\nAMINA@example.org,Amina\nBAO@example.org,Another name\nchloe@example.org,\n",
    )
    assert everyone.members == (
        Member("Amina@example.org", "Amina"),
        Member("bao@example.org", "Bao"),
        Member("chloe@example.org"),
    )


def test_audiences_come_in_the_order_of_their_ids_and_may_share_people_and_lists() -> None:
    found = audiences(
        """
audiences:
  tutors: {label: Tutors, members: [amina@example.org], follows: {levels: [1, 2], kinds: course}}
  everyone: {label: Everyone, members_from: trainees.csv}
  again: {label: Again, members_from: trainees.csv}
""",
        trainees="address\namina@example.org\n",
    )
    assert [(each.id, each.label) for each in found] == [
        ("again", "Again"),
        ("everyone", "Everyone"),
        ("tutors", "Tutors"),
    ]
    assert all(each.members == (Member("amina@example.org"),) for each in found)
    assert [each.follows for each in found] == [Selection(), Selection(), Selection(levels=(1, 2), kinds=("course",))]


def test_any_problem_leaves_no_audience_and_a_list_used_twice_is_told_of_once() -> None:
    written = b"""
audiences:
  one: {label: One, members_from: trainees.csv}
  two: {label: Two, members_from: trainees.csv}
  three: {label: Three, members: [amina@example.org]}
"""
    found, problems, _ = parse_audiences("audiences.yaml", written, {"trainees.csv": b"address\nbao\n"})
    assert found == ()
    assert [(each.file, each.line) for each in problems] == [("trainees.csv", 2)]


def test_the_shipped_audiences_are_read_without_a_problem_and_hold_invented_people_only() -> None:
    lists = {path.name: path.read_bytes() for path in CONFIG.glob("*.csv")}
    found, problems, _ = parse_audiences("audiences.yaml", (CONFIG / "audiences.yaml").read_bytes(), lists)
    assert not problems
    assert all(member.address.endswith("@example.org") for audience in found for member in audience.members)


# Which dates an audience, a feed or a rule means


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(), True),
        (Selection(levels=(1, 2)), True),
        (Selection(levels=(1,)), False),
        (Selection(categories=("visit", "course")), True),
        (Selection(categories=("visit",)), False),
        (Selection(kinds=("course",)), True),
        (Selection(kinds=("visit",)), False),
        (Selection(providers=("HEE",)), True),
        (Selection(providers=("NELA",)), False),
        (Selection(events=("talking-2019", "other")), True),
        (Selection(events=("other",)), False),
        (Selection(levels=(2,), categories=("course",), kinds=("course",), providers=("HEE",)), True),
        (Selection(levels=(2,), kinds=("visit",)), False),
    ],
)
def test_of_several_keys_all_must_fit_and_of_a_list_any(selection: Selection, meant: bool) -> None:
    talking = event("talking-2019", categories=("course", "communication"))
    assert matches(selection, talking, "course") is meant
    assert follows(subscriber(follows=(Selection(events=("none",)), selection)), talking, "course") is meant


def test_an_event_without_a_level_is_meant_only_where_levels_do_not_matter() -> None:
    assert not matches(Selection(levels=(1, 2, 3, 4)), event(level=None), "course")
    assert matches(Selection(), event(level=None), "course")


def test_who_is_in_no_audience_or_left_follows_nothing() -> None:
    assert not follows(subscriber(follows=()), event(), "course")
    assert not follows(subscriber(left_at=subscriber().joined_at), event(), "course")
