"""What a person would write instead of this product, each as a process of its own: `python -m benchmarks.senders NAME`.

    smtplib PORT MAILS     Jinja and EmailMessage for each mail, one connection of smtplib, no outbox
    django PORT MAILS      the same through Django: its templates and `send_messages` over one connection

Both make the text and the HTML of the reminder (`TEXT` and `HTML` in the folder named by SENDERS) for each person from
a compiled template, as the product does. Printed as JSON: seconds, processor seconds, the peak of memory in MB, and
the version.
"""

from __future__ import annotations

import json
import os
import resource
import smtplib
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from benchmarks.process import peak

DUE = datetime(2030, 2, 1, 9, 30, tzinfo=UTC)
FROM = "Deadline reminders <dates@example.org>"
SUBJECT = "Course on 15 February 2030: Leadership in Practice"


def facts(number: int) -> dict[str, str]:
    """What differs from person to person."""
    return {"name": f"Person {number}", "token": f"{number:032}"}


def fields(number: int) -> dict[str, str]:
    """The fields of a mail beside From, To, Subject and Date."""
    return {
        "Message-ID": f"<{number}@example.org>",
        "Auto-Submitted": "auto-generated",
        "List-Id": "<example.org>",
        "List-Unsubscribe": f"<https://dates.example.org/unsubscribe/{number:032}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def smtplib_loop(port: int, mails: int, text: str, html: str) -> str:
    """A loop such as anybody would write."""
    from jinja2 import Environment

    plain = Environment(autoescape=False).from_string(text)  # noqa: S701  # the text part
    rich = Environment(autoescape=True).from_string(html)
    with smtplib.SMTP("127.0.0.1", port) as client:
        for number in range(mails):
            message = EmailMessage()
            message["From"] = FROM
            message["To"] = f"Person {number} <person{number:05}@example.org>"
            message["Subject"] = SUBJECT
            message["Date"] = DUE
            for name, value in fields(number).items():
                message[name] = value
            message.set_content(plain.render(facts(number)))
            message.add_alternative(rich.render(facts(number)), subtype="html")
            client.send_message(message)
    return f"Python {sys.version.split()[0]}"


def django_loop(port: int, mails: int, text: str, html: str) -> str:
    """The same as Django's documentation has it for many mails: one connection, a hundred messages at a time."""
    import django
    from django.conf import settings

    settings.configure(
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_I18N=False,
    )
    django.setup()
    from django.core.mail import EmailMultiAlternatives, get_connection
    from django.template import Context, Template

    plain, rich = Template("{% autoescape off %}" + text + "{% endautoescape %}"), Template(html)
    with get_connection() as connection:
        for start in range(0, mails, 100):
            messages = []
            for number in range(start, min(start + 100, mails)):
                message = EmailMultiAlternatives(
                    SUBJECT,
                    plain.render(Context(facts(number))),
                    FROM,
                    [f"Person {number} <person{number:05}@example.org>"],
                    headers=fields(number),
                )
                message.attach_alternative(rich.render(Context(facts(number))), "text/html")
                messages.append(message)
            connection.send_messages(messages)
    return f"Django {django.get_version()}"


SENDERS: dict[str, Callable[[int, int, str, str], str]] = {"smtplib": smtplib_loop, "django": django_loop}


def main(name: str, port: str, mails: str) -> None:
    """Send, and print what it cost."""
    folder = Path(os.environ["SENDERS"])
    text, html = ((folder / each).read_text(encoding="utf-8") for each in ("TEXT", "HTML"))
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    version = SENDERS[name](int(port), int(mails), text, html)
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found: dict[str, Any] = {"seconds": elapsed, "busy": busy, "peak": peak(), "version": version}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
