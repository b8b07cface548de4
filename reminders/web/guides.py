"""How to subscribe to a calendar in the usual programs, and what each will and will not show. Pure.

What is said of a program was measured on it, read in its source or its maker's pages, or reported by its users; where
nothing is known nothing is said. A link stands here only if it is known to work: Google's ``?cid=`` is undocumented and
reported both to work and to fail, so Google gets its settings page and the address to paste; ``webcals:`` is refused by
iPhones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlsplit

from reminders.feed.selection import Feed
from reminders.feed.style import Cancelled, Shape

GOOGLE = "https://calendar.google.com/calendar/r/settings/addbyurl"
OUTLOOK = "https://outlook.live.com/calendar/0/addfromweb"
OFFICE = "https://outlook.office.com/calendar/0/addfromweb"


@dataclass(frozen=True, slots=True)
class Guide:
    """One program, for one calendar.

    `steps` come in order; `links` are labels and where they lead, and belong to step number `linked`. The other fields
    answer, in a sentence each: how often the program looks for changes, what becomes of a cancelled date and of alarms
    that a calendar has, what it calls the calendar. "" where nobody knows.
    """

    id: str
    name: str
    steps: tuple[str, ...]
    looks: str
    cancelled: str
    called: str
    alarms: str = ""
    links: tuple[tuple[str, str], ...] = ()
    linked: int = 1


def webcal(address: str) -> str:
    """The address (http or https) as programs take it that subscribe by a click."""
    return "webcal" + address[address.index("://") :]


def guides(address: str, feed: Feed) -> tuple[Guide, ...]:
    """The guides for the feed found at `address` (http or https); the commonest programs first."""
    title = feed.title
    ours = f"“{title}”"
    file = urlsplit(address).path.rpartition("/")[2].removesuffix(".ics")
    marked = "It stays for 30 days, with CANCELLED before its title."
    hidden, struck = (
        "Google takes it out of sight.",
        "It stays for 30 days, with CANCELLED before its title and struck through.",
    )
    unsure = "If it stays in sight, its title begins with CANCELLED."
    if feed.style.cancelled is Cancelled.KEEP_CONFIRMED:
        hidden = struck = unsure = marked
    where = f"url={quote(address, safe='')}&name={quote(title, safe='')}"
    return (
        Guide(
            id="google",
            name="Google Calendar",
            links=(("Open Google Calendar’s settings", GOOGLE),),
            linked=2,
            steps=(
                "Copy the address above.",
                "On a computer, open Google Calendar’s settings; the app on a phone cannot do this:",
                "Paste the address under “URL of calendar” and choose “Add calendar”.",
                "The calendar then shows in the app too. If it does not, tick it in the app’s settings.",
            ),
            looks="Every 8 to 24 hours, sometimes more seldom, and nobody can make it look sooner.",
            alarms="Google ignores them. You can set your own for the calendar, in Google Calendar’s settings.",
            cancelled=hidden,
            called=f"{ours}. You can rename it in its settings.",
        ),
        Guide(
            id="apple",
            name="Apple Calendar: iPhone, iPad, Mac",
            links=(("Subscribe in Apple Calendar", webcal(address)),),
            steps=(
                "Follow this link and choose “Subscribe”:",
                "If nothing opens, copy the address above. On an iPhone or iPad, open Calendar, then “Calendars”, "
                "“Add Calendar”, “Add Subscription Calendar”. On a Mac, choose “File”, “New Calendar Subscription”.",
                "Paste the address and choose “Subscribe”.",
                "On a Mac, set “Auto-refresh” to “Every hour”.",
            ),
            looks="A Mac as often as you set: every 5 minutes to every week. An iPhone as its mail accounts do "
            "(Settings, “Fetch New Data”): every hour to once a day.",
            alarms="Removed, unless you untick “Remove Alerts” when you subscribe.",
            cancelled=struck,
            called=f"{ours}. You can change it when you subscribe.",
        ),
        Guide(
            id="outlook",
            name="Outlook.com, Microsoft 365, new Outlook",
            links=(
                ("Add to Outlook with a work account", f"{OFFICE}?{where}"),
                ("Add to Outlook with a personal account", f"{OUTLOOK}?{where}"),
            ),
            steps=(
                "Follow the link for your kind of account, and sign in:",
                "Choose “Import”. It subscribes, although it does not say so.",
                "If the link fails, copy the address above. In Outlook’s calendar choose “Add calendar”, "
                "“Subscribe from web”, and paste it.",
            ),
            looks="Every 3 hours or so, at times only once a day.",
            alarms="Users report that it shows none.",
            cancelled=unsure,
            called=f"{ours}. You can change it when you subscribe.",
        ),
        Guide(
            id="outlook-classic",
            name="Outlook classic for Windows",
            steps=(
                "Copy the address above.",
                "Choose “File”, “Account Settings”, “Account Settings” again, then the tab “Internet Calendars”.",
                "Choose “New”, paste the address and choose “Add”.",
                "Leave “Update Limit” ticked and choose “OK”.",
            ),
            looks="Once a day, or every 6 hours as this calendar asks.",
            alarms="Users report that it shows none.",
            cancelled=unsure,
            called=f"{ours}. You can change it when you subscribe.",
        ),
        Guide(
            id="thunderbird",
            name="Thunderbird",
            steps=(
                "Copy the address above.",
                "In the calendar, choose “New Calendar”, then “On the Network”.",
                "Leave the user name empty, paste the address under “Location” and choose “Find Calendars”.",
                "Choose “Subscribe”.",
            ),
            looks="Every 30 minutes, unless you set something else.",
            alarms="Shown, unless you turn them off in its properties.",
            cancelled=struck,
            called=f"“{file}”, the end of the address. You can rename it in its properties.",
        ),
        Guide(
            id="gnome",
            name="GNOME Calendar and Evolution",
            steps=(
                "Copy the address above.",
                "In GNOME Calendar, open “Manage Calendars”, “Add Calendar”, and paste it.",
                "Or in Evolution, choose “File”, “New”, “Calendar”, the type “On The Web”, and paste it.",
            ),
            looks="Every hour, unless you set something else.",
            cancelled=marked,
            called="As you name it when you add it.",
        ),
        Guide(
            id="android",
            name="Android, with the app ICSx5",
            links=(("Subscribe in ICSx5", webcal(address)),),
            linked=2,
            steps=(
                "Install ICSx5, from F-Droid or Google Play: Android’s own calendar cannot subscribe.",
                "Follow this link. Or copy the address above, open ICSx5, choose “+” and paste it.",
                "Choose a name and colour, and save. The dates then show in the calendar app of your phone.",
            ),
            looks="As often as you set, every 15 minutes to once a week; with “only manually” never by itself.",
            alarms="Shown, unless you tell it to ignore them.",
            cancelled=unsure,
            called=f"{ours}. You can change it when you subscribe.",
        ),
        Guide(
            id="other",
            name="Any other program",
            links=(("Subscribe with the program set up for calendars", webcal(address)),),
            steps=(
                "Follow this link. If nothing opens, copy the address above.",
                "In the program, look for “subscribe”, “from URL”, “from web” or “internet calendar”, and paste it.",
                "Do not choose “import”: that copies the dates once, and they never change.",
            ),
            looks="Some every hour, some every week; look for “refresh” in its settings. We ask for every 6 hours.",
            cancelled=unsure,
            called=f"Most take {ours}, some “{file}”.",
        ),
    )


def promises(feed: Feed) -> Iterator[str]:
    """What the feed shows in every program, a sentence each."""
    style = feed.style
    if style.tasks:
        yield "Deadlines are tasks: Thunderbird shows them in its list; Google, Outlook and iPhones show none."
    else:
        yield {
            Shape.BLOCK: "A deadline ends at its hour, and its title says the hour.",
            Shape.ALL_DAY: "A deadline takes its whole day, and its title says the hour.",
            Shape.INSTANT: "A deadline stands at its hour without any length. Some programs do not show that.",
        }[style.shape]
    if feed.tentative:
        yield "What is only known to a month, season or year is shown across it, marked “date to be confirmed”."
    else:
        yield "What is only known to a month, season or year is left out until its day is known."
    yield "What was postponed keeps its old place for 30 days, with POSTPONED before its title."
    if style.alarms:
        yield f"It has alarms, {alarm_words(style.alarms)}. Each guide above says whether that program heeds them."
    else:
        yield "It has no alarms."
    yield "It marks none of your time as busy."


def alarm_words(alarms: tuple[timedelta, ...]) -> str:
    """Alarms in words, such as "1 week and 2 hours before"."""
    told = []
    for before in alarms:
        units = (("week", 10_080), ("day", 1_440), ("hour", 60), ("minute", 1))
        minutes = before // timedelta(minutes=1)
        unit, length = next(each for each in units if not minutes % each[1])
        told.append(f"{minutes // length} {unit}{'s' if minutes > length else ''}")
    return f"{', '.join(told[:-1])}{' and ' if told[1:] else ''}{told[-1]} before"
