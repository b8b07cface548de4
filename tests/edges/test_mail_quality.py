"""What others say of the shipped mails: SpamAssassin of the message, vnu, caniemail.com and a browser of its HTML.

SpamAssassin runs with the rules of its Debian package as they are installed, no settings of this machine or user, and
no network: neither names nor lists of addresses are looked up.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from reminders.mail.compose import compose, render
from tests.core.test_compose import CASE_LETTERS, TEMPLATES
from tests.edges.browser import without
from tests.edges.test_accessibility import MODULES, validate
from tests.flows.service import CHECKOUT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BELOW = 1.0
"""Points; many receivers take five for spam."""
FOR_OLD_PROGRAMS = (
    r"Attribute “xmlns:[vo]” not allowed here\.",  # Outlook for Windows, whose HTML is Word's
    r"CSS: “mso-[a-z-]+”: Property “mso-[a-z-]+” doesn't exist\.",
    r"The “(border|cell[a-z]+|v?align|width|bgcolor)” attribute on the “(table|td)” element is obsolete\..*",
    r"The “type” attribute for the “style” element is not needed and should be omitted\.",
    r"Trailing slash on void elements has no effect .*",  # MJML is XML
    r"Attribute “vertical-align” not allowed on element “td” at this point\.",  # MJML's own, at buttons and columns
)
"""What vnu says of markup that is there for mail programs as old as the elements; nothing else is let through."""
SPAM = b"""From: Winner <winner@example.org>\r
To: amina@example.org\r
Subject: V1AGRA - you have WON $1,000,000 !!!\r
Date: Fri, 07 Dec 2018 09:00:04 +0000\r
Message-ID: <1@example.org>\r
\r
Dear friend, I am the widow of the late president. Act now to claim the sum of US$ 5,000,000 million dollars in a\r
confidential business transaction. Cheap viagra, cialis, no prescription needed. Stop these emails.\r
XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r
"""


def points(data: bytes, home: Path) -> tuple[float, list[str]]:
    """SpamAssassin's score of a message, and the rules that gave it."""
    if shutil.which("spamassassin") is None:
        if os.environ.get("REQUIRE_SPAMASSASSIN") == "1":
            pytest.fail("REQUIRE_SPAMASSASSIN=1, but there is no spamassassin")
        pytest.skip("spamassassin is not installed")
    (home / "site").mkdir(exist_ok=True)
    # The plug-ins that need no network; `use_bayes` would depend on what this machine has learnt.
    (home / "site" / "local.cf").write_text("use_bayes 0\nuse_learner 0\ndns_available no\n")
    for each in Path("/etc/spamassassin").glob("*.pre"):
        shutil.copy(each, home / "site")
    (home / "prefs").touch()
    command = ["spamassassin", "--local", "--test-mode"]
    command += [f"--siteconfigpath={home / 'site'}", f"--prefspath={home / 'prefs'}"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"}
    done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=120, env=environment)
    report = done.stdout.decode("utf-8", "replace").rpartition("Content analysis details:")[2]
    total = re.search(r"\(\s*(-?[\d.]+) points", report)
    assert total is not None, done.stdout
    return float(total[1]), re.findall(r"^\s*-?[\d.]+ [A-Z0-9_]+", report, re.MULTILINE)


@pytest.mark.parametrize("case", CASE_LETTERS)
def test_spamassassin_finds_nothing_to_speak_of(case: str, tmp_path: Path) -> None:
    score, rules = points(compose(TEMPLATES, CASE_LETTERS[case]), tmp_path)
    assert score < BELOW, rules


def test_spamassassin_would_find_what_is_spam(tmp_path: Path) -> None:
    score, rules = points(SPAM, tmp_path)
    assert score >= 5, rules
    assert any("END_FUTURE_EMAILS" in rule for rule in rules), "the rules beyond the built-in test are in force"


def test_vnu_finds_no_error_in_the_html_of_any_mail_and_warns_of_nothing(tmp_path: Path) -> None:
    for case, letter in CASE_LETTERS.items():
        (tmp_path / f"{case}.html").write_text(render(TEMPLATES, letter).html, encoding="utf-8")
    messages = {each["message"] for each in validate(*sorted(tmp_path.iterdir()))}
    assert {each for each in messages if not any(re.fullmatch(known, each) for known in FOR_OLD_PROGRAMS)} == set()
    unused = {known for known in FOR_OLD_PROGRAMS if not any(re.fullmatch(known, each) for each in messages)}
    assert unused == set()


def test_what_mail_programs_do_not_know_is_what_the_handbook_lists(tmp_path: Path) -> None:
    if not (MODULES / "caniemail").is_dir():
        without("caniemail is not installed: `make browser`, with npm")
    for case, letter in CASE_LETTERS.items():
        (tmp_path / f"{case}.html").write_text(render(TEMPLATES, letter).html, encoding="utf-8")
    command = ["node", str(MODULES.parent / "caniemail.mjs"), *map(str, sorted(tmp_path.iterdir()))]
    unknown = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    table = (
        (CHECKOUT / "docs" / "templates.md").read_text(encoding="utf-8").partition("| used | not known to | there |")[2]
    )
    rows = [line.split("|")[1] for line in table.partition("\n\n")[0].splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`([^`]+)`", " ".join(rows))) == sorted(unknown)


CONTRAST = """() => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => channels(colour).slice(0, 3)
        .map(each => each / 255)
        .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
    const behind = element => {
        for (let each = element; each; each = each.parentElement) {
            const colour = getComputedStyle(each).backgroundColor;
            if ((channels(colour)[3] ?? 1) > 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const spoken = [...document.querySelectorAll("body *")].filter(each =>
        [...each.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim()) &&
        each.getClientRects().length);
    return Math.min(...spoken.map(each => {
        const [low, high] = [light(getComputedStyle(each).color), light(behind(each))].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    }));
}"""
"""The least contrast of any words with what is behind them, as WCAG 2 reckons it; 4.5 is asked for."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_mail_has_to_be_scrolled_sideways_or_is_light_on_light(
    browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    """`python -m tests.edges.screenshots FOLDER` makes pictures of the same, to be looked at."""
    page = browser.new_page(color_scheme=scheme)
    for case, letter in CASE_LETTERS.items():
        (tmp_path / f"{case}.html").write_text(render(TEMPLATES, letter).html, encoding="utf-8")
        page.goto((tmp_path / f"{case}.html").as_uri())
        for width in (760, 360, 320):
            page.set_viewport_size({"width": width, "height": 740})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (case, width)
        assert page.evaluate(CONTRAST) >= 4.5, case
    page.close()
