"""Ways into somebody's calendar: the guides of each program, links that add one date, the code for a phone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import segno

from reminders.catalogue.events import EventDate
from reminders.feed import entry
from reminders.feed.selection import Feed
from reminders.feed.style import Cancelled, Shape, Style, read_alarm
from reminders.web import once, qr
from reminders.web.guides import Guide, guides, promises, webcal
from tests.builders import CLOSING, COURSE, EPOCH, date, event

ADDRESSES = [
    "https://dates.example.org/feeds/leadership.ics",
    "https://example.org/dates/feeds/all.ics?kind=applications-close&level=2",
    "http://127.0.0.1:8025/events/talking-2019.ics",
]
TITLES = ["Leadership learning", "Kurse & mehr", "Führung #1: 100 % + mehr?", "領導力 “x” &name=y", "a/b=c;d"]
PROGRAMS = ["google", "apple", "outlook", "outlook-classic", "thunderbird", "gnome", "android", "other"]


def by_id(address: str, title: str) -> Mapping[str, Guide]:
    return {each.id: each for each in guides(address, Feed("leadership", title))}


def asked(link: str) -> dict[str, str]:
    """What a link asks for, read back as the server that gets it would: every name once."""
    assert link.isascii()
    assert " " not in link
    assert "+" not in urlsplit(link).query, "Outlook shows a plus as a plus"
    read = parse_qs(urlsplit(link).query, keep_blank_values=True, strict_parsing=True)
    assert {len(values) for values in read.values()} == {1}
    return {name: values[0] for name, values in read.items()}


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_program_has_its_steps_and_the_link_that_works_there(address: str, title: str) -> None:
    found = by_id(address, title)
    assert list(found) == PROGRAMS
    links = {id: [link for _, link in each.links] for id, each in found.items()}
    assert links["google"] == ["https://calendar.google.com/calendar/r/settings/addbyurl"]
    for id in ("apple", "android", "other"):
        assert links[id] == [webcal(address)]
    work, personal = links["outlook"]
    for link, host in ((work, "outlook.office.com"), (personal, "outlook.live.com")):
        assert link.startswith(f"https://{host}/calendar/0/addfromweb?")
        assert asked(link) == {"url": address, "name": title}
    for id in ("outlook-classic", "thunderbird", "gnome"):
        assert links[id] == []
        assert "Copy the address" in found[id].steps[0]


def test_webcal_keeps_all_of_an_address_but_its_scheme_and_is_never_the_form_iphones_refuse() -> None:
    assert webcal("https://a.example/feeds/x.ics?level=2") == "webcal://a.example/feeds/x.ics?level=2"
    assert webcal("http://127.0.0.1:8025/feeds/x.ics") == "webcal://127.0.0.1:8025/feeds/x.ics"


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_guide_answers_what_people_ask_and_its_links_belong_to_a_step(address: str) -> None:
    for each in guides(address, Feed("leadership", "Leadership learning")):
        assert each.looks
        assert each.cancelled
        assert each.called
        assert 1 <= each.linked <= len(each.steps)


def test_thunderbird_names_a_calendar_by_the_end_of_its_address() -> None:
    assert "“leadership”" in by_id(ADDRESSES[0], "Leadership learning")["thunderbird"].called
    assert "“all”" in by_id(ADDRESSES[1], "Level 2")["thunderbird"].called
    assert "“Level 2”" in by_id(ADDRESSES[1], "Level 2")["google"].called


def links(day: EventDate, title: str = "Talking", details: str = "See the page") -> Mapping[str, str]:
    kind = CLOSING if day.kind == CLOSING.id else COURSE
    draft = entry.draw(event("talking", day, title=title), day, kind, event_url=None)
    assert draft is not None
    return once.links(entry.stamp(draft, None, EPOCH), details)


@pytest.mark.parametrize(
    ("day", "google", "outlook"),
    [
        (
            date("2019-07-12T10:00", "applications-close"),
            "20190712T083000Z/20190712T090000Z",
            ("2019-07-12T08:30:00Z", "2019-07-12T09:00:00Z", None),
        ),
        (
            date("2019-02-12T09:00/2019-02-12T17:00"),
            "20190212T090000Z/20190212T170000Z",
            ("2019-02-12T09:00:00Z", "2019-02-12T17:00:00Z", None),
        ),
        (date("2019-02-12"), "20190212/20190213", ("2019-02-12", "2019-02-13", "true")),
        (date("2019-02-28/2019-03-01"), "20190228/20190302", ("2019-02-28", "2019-03-02", "true")),
    ],
    ids=["deadline in summer", "from one hour to another", "day", "days over the end of a month"],
)
@pytest.mark.parametrize("title", TITLES)
def test_a_date_can_be_added_once_just_as_the_feeds_show_it(
    day: EventDate, google: str, outlook: tuple[str, str, str | None], title: str
) -> None:
    found = links(day, title, "All dates: https://example.org/events/talking?a=b&c=d")
    assert list(found) == ["Google Calendar", "Outlook, work account", "Outlook, personal account"]
    summary = "Applications close 10:00 UK time: " if day.kind == CLOSING.id else "Course: "
    told = asked(found["Google Calendar"])
    assert (told["action"], told["dates"], told["text"]) == ("TEMPLATE", google, summary + title)
    assert told["details"] == "All dates: https://example.org/events/talking?a=b&c=d"
    for name in ("Outlook, work account", "Outlook, personal account"):
        told = asked(found[name])
        assert (told["path"], told["rru"]) == ("/calendar/action/compose", "addevent")
        assert (told["startdt"], told["enddt"], told.get("allday")) == outlook
        assert told["subject"] == summary + title
        assert told["body"] == "All dates: https://example.org/events/talking?a=b&c=d"


def test_a_place_goes_with_the_date() -> None:
    for link in links(date("2019-02-12", location="Waterfront 4, Newcastle & online")).values():
        assert asked(link)["location"] == "Waterfront 4, Newcastle & online"


@pytest.mark.parametrize(
    "day",
    [
        date("2019-02-12", status="cancelled"),
        date("2019-02-12", status="postponed"),
        date("2019-02-12?"),
        date("2019-03"),
        date("2019-22"),
    ],
    ids=["cancelled", "postponed", "not yet certain", "a month", "a season"],
)
def test_what_a_copy_would_soon_belie_is_not_offered_for_copying(day: EventDate) -> None:
    assert links(day) == {}


def test_what_repeats_is_not_offered_for_copying() -> None:
    draft = entry.draw(event(), date("2019-02-12"), COURSE, event_url=None)
    assert draft is not None
    single = entry.stamp(draft, None, EPOCH)
    weekly = replace(single, text=single.text.replace("END:VEVENT", "RRULE:FREQ=WEEKLY;COUNT=3\r\nEND:VEVENT"))
    moved_once = replace(single, text=single.text * 2)
    assert once.links(single, "")
    assert once.links(weekly, "") == once.links(moved_once, "") == {}


def test_the_code_has_white_around_it_and_no_style_that_the_policy_forbids() -> None:
    drawn = qr.draw("https://dates.example.org/calendars?feed=leadership&x=1")
    width, height = segno.make_qr("https://dates.example.org/calendars?feed=leadership&x=1", error="m").symbol_size()
    assert drawn.startswith(f'<svg viewBox="0 0 {width} {height}"')
    assert 'fill="#fff"' in drawn
    assert "style" not in drawn
    assert "http" not in drawn


def test_an_address_that_no_code_can_hold_has_none() -> None:
    assert qr.draw(f"https://dates.example.org/{'x' * 2305}")
    assert qr.draw(f"https://dates.example.org/{'x' * 2306}") == ""


@pytest.mark.parametrize(
    ("alarms", "words"),
    [
        ("1d", "1 day before"),
        ("1w,2h", "1 week and 2 hours before"),
        ("3d,1d,30m", "3 days, 1 day and 30 minutes before"),
    ],
)
def test_alarms_are_told_in_words(alarms: str, words: str) -> None:
    style = Style(alarms=tuple(filter(None, map(read_alarm, alarms.split(",")))))
    assert any(f"alarms, {words}." in each for each in promises(Feed("x", "X", style=style)))


def test_each_way_of_showing_deadlines_is_told_apart() -> None:
    styles = [*(Style(shape=shape) for shape in Shape), Style(tasks=True)]
    assert len({next(promises(Feed("x", "X", style=style))) for style in styles}) == 4


def test_dates_that_are_kept_for_google_are_not_said_to_be_hidden() -> None:
    kept = Feed("x", "X", style=Style(cancelled=Cancelled.KEEP_CONFIRMED))
    assert "out of sight" in guides(ADDRESSES[0], Feed("x", "X"))[0].cancelled
    assert {each.cancelled for each in guides(ADDRESSES[0], kept)} == {
        "It stays for 30 days, with CANCELLED before its title."
    }
