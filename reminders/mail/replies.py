"""What a mail server's reply means for the message, and for those behind it: a table, and how it is read.

Replies are told apart by the phase they came in, their code (RFC 5321, 4.2), their enhanced status code (RFC 3463) and,
where servers say two different things with the same numbers, their words. A refusal that is about us - who sends,
from where, how often - concerns every message, whichever recipient it happened to meet; only what is about the
recipient or the message may end the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reminders.errors import Verdict

PAUSE, FAULT, FINAL, RETRY, DOUBT = Verdict.PAUSE, Verdict.FAULT, Verdict.FINAL, Verdict.RETRY, Verdict.DOUBT
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\d)")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Of two that fit, the first counts.

    `phases` are names of phases with blanks between; `code` ("0": no reply came) and `status` are patterns in which
    ``?`` is one digit and ``*`` anything, also nothing. `words` is a regular expression to be found in the reply,
    whatever its case. `source` is who says so.
    """

    phases: str
    code: str
    status: str
    verdict: Verdict
    source: str
    words: str = ""

    def fits(self, phase: str, code: int, reply: str) -> bool:
        return (
            phase in self.phases.split()
            and fnmatchcase(str(code), self.code)
            and fnmatchcase(enhanced(reply), self.status)
            and re.search(self.words, reply, re.IGNORECASE) is not None
        )


ANY = "mail rcpt data dot"
LATER = "rcpt data dot"
BEGUN = "data dot"
RELAYING = r"relay(ing)?( access)? (denied|not (permitted|allowed)|prohibited)|unable to relay|not permitted to relay"
OF_US = r"(sender address|client host|client address|helo command) rejected|sender verify|verification failed for <"
TOO_FAST = r"too much mail from|too many (recipients|messages|connections) from|rate.?limit|(sending|sender) rate"

TABLE: tuple[Row, ...] = (
    # Before any message: greeting, EHLO, STARTTLS, AUTH
    Row("connect", "432", "*.7.12", FAULT, "RFC 4954, 4.6: the account has to be changed first"),
    Row("connect", "4??", "*", PAUSE, "RFC 5321, 3.1 and 4.2.1; for AUTH: RFC 4954, 4.6 (454)"),
    Row("connect", "5??", "*", FAULT, "RFC 5321, 3.1 (554, 521); for AUTH: RFC 4954, 4.6 (535)"),
    Row("connect", "0", "*", PAUSE, "nobody answered: RFC 5321, 4.5.4.1"),
    # Limits on what one account may send: over by themselves, although some are 5xx
    Row(ANY, "5??", "5.1.90", PAUSE, "Exchange Online: recipients per day"),
    Row(ANY, "5??", "5.7.23[23]", PAUSE, "Exchange Online: external recipients of the organisation"),
    Row(ANY, "5??", "5.2.25[45]", PAUSE, "Exchange Online: throttled after many refused messages"),
    Row(ANY, "5??", "*", PAUSE, "Exchange Online: 10,000 recipients a day", r"SubmissionQuotaExceeded"),
    # The sender
    Row("mail", "552", "*", FINAL, "RFC 1870, 6.1: larger than this server takes"),
    Row("mail", "5??", "*.3.4", FINAL, "RFC 3463, 3.4: too big"),
    Row("mail", "555", "*", FINAL, "RFC 5321, 4.1.1.11: a parameter this message needs"),
    Row("mail", "5??", "*.6.7", FINAL, "RFC 6531, 3.5: an address of this message"),
    Row("mail", "503", "*", PAUSE, "RFC 5321, 4.1.4: out of step; a new connection is in order"),
    Row("mail", "4??", "*", PAUSE, "RFC 5321, 4.2.1; Postfix: 450 4.7.1 too much mail"),
    Row("mail", "5??", "*", FAULT, "RFC 5321, 3.3: the sender is the same in every message"),
    Row("mail", "0", "*", PAUSE, "RFC 5321, 3.8: the connection broke"),
    # About us, said late: many servers judge client and sender only once they know the recipient
    Row(LATER, "53[0458]", "*", FAULT, "RFC 4954, 6: log-in needed or not good enough"),
    Row(LATER, "5??", "*.7.[89]", FAULT, "RFC 4954, 6: log-in not valid or too weak"),
    Row(LATER, "5??", "*.1.[78]", FAULT, "RFC 3463, 3.2: the sender's address; Exchange Online: 5.1.8 sender blocked"),
    Row(LATER, "4??", "*.1.[78]", PAUSE, "RFC 3463, 3.2: the sender's address cannot be verified at present"),
    Row(LATER, "5??", "*.7.2[0-6]", FAULT, "RFC 7372: DKIM or SPF of our domain did not pass"),
    Row(LATER, "5??", "*.7.27", FAULT, "RFC 7505, 4.2: the sender's domain takes no mail"),
    Row(LATER, "5??", "5.2.25[123]", FAULT, "Exchange Online: mailbox full, may not send as, no licence"),
    Row(LATER, "5??", "5.7.5[47]", FAULT, "Exchange: unable to relay, client not authenticated"),
    Row(LATER, "5??", "5.7.6[04]", FAULT, "Exchange: may not send as this sender, relay access denied"),
    Row(LATER, "5??", "5.7.512", FINAL, "Exchange Online: the message breaks RFC 5322"),
    Row(LATER, "5??", "5.7.5??", FAULT, "Exchange Online: the sender, address or domain is banned or not trusted"),
    Row(LATER, "5??", "5.7.7??", FAULT, "Exchange Online: mail of this organisation or address is not taken"),
    Row(BEGUN, "5??", "*", FAULT, "Exchange Online: the sending mailbox, not the recipient's", r"STOREDRV\.Submission"),
    Row(LATER, "5??", "*", FAULT, "Postfix, Exim, sendmail, Exchange: the relay does not relay for us", RELAYING),
    Row(LATER, "4??", "*", PAUSE, "Postfix (defer_unauth_destination): the same, until its operator is sure", RELAYING),
    Row(LATER, "5??", "*", FAULT, "Postfix (smtpd_delay_reject), Exim (verify = sender)", OF_US),
    Row(LATER, "4??", "*", PAUSE, "Postfix (smtpd_delay_reject), Exim (verify = sender)", OF_US),
    # The server as a whole, or how fast we are
    Row("rcpt", "421", "*", PAUSE, "RFC 5321, 4.2.3: the service is closing, whatever the recipient"),
    Row(BEGUN, "421", "*.7.*", PAUSE, "Gmail: 421 4.7.0, 4.7.28 unusual rate"),
    # The next message has to connect, and is told there whether the service is away
    Row(BEGUN, "421", "*", RETRY, "RFC 5321, 4.2.3: the connection ends, and this message was not accepted"),
    Row(LATER, "4??", "*", RETRY, "Exchange: 432 4.3.2, the recipient's mailbox is busy", r"recipient thread limit"),
    Row(LATER, "4??", "*", PAUSE, "Postfix: anvil(8) limits; Exim: ratelimit", TOO_FAST),
    Row(LATER, "4??", "*", PAUSE, "Gmail: 450 4.2.1 of the whole organisation", r"relay limit exceeded"),
    Row(LATER, "432", "*", PAUSE, "Exchange Online: three messages at a time"),
    Row(LATER, "4??", "*.3.[125]", PAUSE, "RFC 3463, 3.4: the server is full, stopped or wrongly set up"),
    Row(LATER, "451", "4.7.[56]??", PAUSE, "Exchange Online: server busy, address throttled"),
    # The recipient or the message
    Row(LATER, "503", "*", RETRY, "RFC 5321, 4.1.4: out of step, which is nobody's address; on a new connection"),
    Row("rcpt", "4??", "*", RETRY, "RFC 5321, 4.2.1; RFC 6647: greylisting"),
    Row("rcpt", "5??", "*", FINAL, "RFC 5321, 4.2.1"),
    Row("rcpt", "0", "*", RETRY, "RFC 5321, 3.8: the connection broke, and nothing was handed over"),
    Row(BEGUN, "4??", "*", RETRY, "RFC 5321, 4.2.1: not accepted, even if something was stored"),
    Row(BEGUN, "5??", "*", FINAL, "RFC 5321, 4.2.1"),
    Row("data", "0", "*", RETRY, "RFC 5321, 4.1.1.4: without the dot nothing was handed over"),
    Row("dot", "0", "*", DOUBT, "RFC 1047: no answer came, so nobody can say"),
)


def enhanced(reply: str) -> str:
    """The enhanced status code that the words of a reply begin with (RFC 2034, 4), or ""."""
    found = _STATUS.match(reply)
    return found[0] if found else ""


def judge(phase: str, code: int, reply: str) -> Row:
    """The row of the table that fits. `code` is 0 where no reply came, or one that is none (2xx and 3xx included)."""
    asked = code if 400 <= code <= 599 else 0
    return next(row for row in TABLE if row.fits(phase, asked, reply))


def verdict(phase: str, code: int, reply: str) -> Verdict:
    """What it means that a message was refused at `phase` with `code` and these words."""
    return judge(phase, code, reply).verdict
