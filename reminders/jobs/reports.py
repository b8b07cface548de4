"""What comes back: delivery reports and complaints, from a Maildir or a mail server, into the store.

Both ways end in `take`. Who is not proved by a signed id changes nothing.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reminders.errors import RemindersError
from reminders.jobs import leaving
from reminders.jobs.service import Service
from reminders.mail.reports import SIZE, read_report
from reminders.store import people, reports
from reminders.store.engine import TROUBLE
from reminders.store.reports import Recorded

if TYPE_CHECKING:
    from reminders.mail.listener import Listener, Take

LOG = logging.getLogger(__name__)
AT_ONCE = 500
"""How many messages of the Maildir one pass takes: mails that are due do not wait longer."""


class Unreadable(RemindersError):
    """The Maildir of the settings cannot be read; the reports in it do not count yet."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a pass found: reports that were new, and how many other messages (no reports, unproved, or known).

    `amiss` are the files that cannot be read or moved, each with why; they stay where they are.
    """

    recorded: tuple[Recorded, ...] = ()
    others: int = 0
    amiss: tuple[str, ...] = ()


def take(service: Service, data: bytes, now: datetime, recipient: str = "") -> Recorded | None:
    """Record one message, handed over to `recipient` ("" when that is not known).

    None when nothing follows from it: it is no report, names no message that is proved to be ours, or was known.
    """
    report = read_report(data)
    if report is None:
        return None
    id = next((found for text in (recipient, *report.ids) if (found := service.signed(text)) is not None), None)
    if id is None:
        return None
    with service.store.writing() as tx:
        recorded = reports.record(tx, id, report, now, limit=service.settings.bounce_limit)
        key = people.key_of(tx, recorded.subscriber) if recorded else ""
    if recorded and recorded.done == reports.UNSUBSCRIBED:
        leaving.note(service, recorded.subscriber, key, reports.COMPLAINT, now)
    return recorded


def collect(service: Service, now: datetime) -> Collected:
    """Read what is new in the Maildir of the settings, oldest first, at most `AT_ONCE`; nothing without one.

    Each message is marked as seen once it is recorded (moved to ``cur/``, flag S), whether it is a report or not;
    none is deleted. Raises `Unreadable` when there is no such folder.
    """
    if not service.settings.reports_maildir:
        return Collected()
    folder = Path(service.config.resolve().parent / service.settings.reports_maildir)
    try:
        names = sorted(each.name for each in (folder / "new").iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise Unreadable(f"reports_maildir {folder} is no Maildir that can be read ({error.strerror})") from error
    recorded: list[Recorded] = []
    amiss: list[str] = []
    others = 0
    for name in names[:AT_ONCE]:
        try:
            data = _read(folder / "new" / name)
            found = take(service, data, now)
            (folder / "new" / name).rename(folder / "cur" / f"{name.partition(':')[0]}:2,S")
        except FileNotFoundError:
            if not (folder / "cur").is_dir():
                raise Unreadable(f"reports_maildir {folder} is no Maildir: it has no folder cur/") from None
            continue  # another worker was quicker
        except OSError as error:
            amiss.append(f"{name} ({error.strerror})")
            continue
        except RemindersError:
            raise  # of the store, as the next: every message would meet it
        except TROUBLE:
            raise
        except Exception as error:  # whatever a message does to its reading, it is no other's failure
            LOG.exception("a message in the Maildir could not be understood")
            amiss.append(f"{name} ({error})")
            continue
        if found is None:
            others += 1
        else:
            recorded.append(found)
    return Collected(tuple(recorded), others, tuple(amiss))


def listener_of(service: Service, take: Take) -> Listener | None:
    """The listener of the settings; None without one. Raises `WrongUse` when what it needs is not installed."""
    if not service.settings.reports_port:
        return None
    from reminders.mail.listener import Listener  # only where it is asked for

    return Listener(service.settings.reports_port, service.takes_reports, take)


def _read(path: Path) -> bytes:
    """A file, as far as it is looked at. Raises OSError, also for what is no file and would have to be waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a file")
        return file.read(SIZE + 1)
