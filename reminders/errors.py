"""What can go wrong, told to people.

    RemindersError
    ├── BadInput        what somebody wrote cannot be used: every problem, each with its place
    ├── WrongUse        a command or setting cannot do what was asked
    ├── Held            something suspicious was refused; says how to release it
    └── DeliveryError   one message was not accepted (`verdict`: what that means, and for whom)

The command line prints these without a traceback; anything else that escapes is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing somebody has to mend, printed as ``file:line:column: what: write``.

    `file` is relative to the folder that was read, `line` and `column` count from 1 (0: not known).
    `what` says what is wrong; `write` says what to write instead ("" when nothing sensible can be said).
    """

    file: str
    line: int
    column: int
    what: str
    write: str = ""

    def __str__(self) -> str:
        place = self.file if not self.line else f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.what}" + (f": {self.write}" if self.write else "")


class RemindersError(Exception):
    """Base of everything that is told to a person without a traceback."""


class BadInput(RemindersError):
    """Files that cannot be used. Carries every problem found, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class WrongUse(RemindersError):
    """A command or a setting asks for what cannot be done; the message says what to do instead."""


class Held(RemindersError):
    """A change was refused because it looks like an accident; the message says how to release it."""


class Verdict(StrEnum):
    """What it means that a message was not accepted."""

    RETRY = "retry"  # this message, later
    FINAL = "final"  # this message, never
    PAUSE = "pause"  # no message for a while: the server wants fewer, or is not there
    FAULT = "fault"  # no message until an operator has mended something
    DOUBT = "doubt"  # nobody knows whether it was accepted (RFC 1047)


class DeliveryError(RemindersError):
    """The mail server did not accept one message.

    `phase` names the SMTP command that failed ("connect", "mail", "rcpt", "data", "dot"), `code` is the reply code
    (0: no reply came), `reply` the server's words, beginning with its enhanced status code (RFC 3463) if it gave one.
    """

    def __init__(self, phase: str, code: int, reply: str, verdict: Verdict) -> None:
        self.phase = phase
        self.code = code
        self.reply = reply
        self.verdict = verdict
        super().__init__(f"{phase}: {code or 'no reply'} {reply}".strip())
