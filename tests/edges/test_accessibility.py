"""What axe-core says of accessibility, and the Nu validator (vnu) of HTML and CSS: every rule, no exception."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx2
import pytest

from tests.edges.browser import PAGES, SUBSCRIBE, VARIANTS, opened, without
from tests.edges.site import TOKEN

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MODULES = Path(__file__).parent / "node" / "node_modules"
AXE, VNU = MODULES / "axe-core" / "axe.min.js", MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"
SHEETS = ["/assets/site.css", "/assets/nhsuk-frontend.css"]

# Also the rules that are off by default, of WCAG's level AAA and the experimental ones. A mail in its frame runs no
# script, so axe cannot look into it.
LOOK = """async () => {
    const rules = Object.fromEntries(axe.getRules().map(each => [each.ruleId, { enabled: true }]));
    const found = await axe.run(document, { rules, iframes: false });
    return { passed: found.passes.map(each => each.id), violations: found.violations.map(each =>
        [each.id, each.help, each.nodes.map(node => [node.html.slice(0, 200), node.failureSummary])]) };
}"""


@cache
def axe() -> str:
    if not AXE.exists():
        without("axe-core is not installed: `make browser`, with npm")
    return AXE.read_text()


LOOKS: list[tuple[int, Literal["light", "dark"]]] = [(360, "light"), (360, "dark"), (1280, "dark"), (1280, "light")]


@pytest.mark.parametrize("path", [*PAGES, *VARIANTS])
def test_axe_finds_no_violation_on_a_small_or_large_screen_light_or_dark(
    browser: Browser, address: str, path: str
) -> None:
    with opened(browser, address, path) as page:
        page.evaluate(axe())
        for width, scheme in LOOKS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(LOOK)
            assert found["violations"] == [], f"{width} px, {scheme}"
            assert {"color-contrast-enhanced", "target-size", "region"} <= set(found["passed"])


def test_axe_would_find_what_is_wrong(browser: Browser, address: str) -> None:
    with opened(browser, address, SUBSCRIBE) as page:
        page.evaluate("""() => {
            document.querySelector("label[for=address]").remove();
            document.querySelector("[role=img]").removeAttribute("aria-label");
            document.querySelector(".hint").style.color = "#999";
            document.querySelector(".lead").style.color = "#666";
        }""")
        page.evaluate(axe())
        wrong = {rule for rule, *_ in page.evaluate(LOOK)["violations"]}
    assert {"label", "role-img-alt", "color-contrast", "color-contrast-enhanced"} <= wrong


def validate(*files: Path) -> list[dict[str, Any]]:
    """All that vnu has to say, warnings too."""
    if shutil.which("java") is None:
        without("there is no Java for vnu")
    if not VNU.exists():
        without("vnu is not installed: `make browser`, with npm")
    command = [
        "java",
        "-Xss2m",
        "-jar",
        str(VNU),
        "--also-check-css",
        "--Werror",
        "--exit-zero-always",
        "--format",
        "json",
    ]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, timeout=60, check=True)
    messages: list[dict[str, Any]] = json.loads(done.stderr or done.stdout)["messages"]
    return [{"file": each.get("url", "").rpartition("/")[2], **each} for each in messages]


def test_vnu_finds_no_error_and_warns_of_nothing(address: str, tmp_path: Path) -> None:
    with httpx2.Client(base_url=address, trust_env=False) as client:
        letter = client.get("/letters/").text.partition('.eml">')[0].rpartition('href="')[2] + ".eml"
        pages = [letter if path == "letter" else path for path in [*PAGES, *VARIANTS]]
        files = [*((path, "html") for path in pages), *((path, "css") for path in SHEETS)]
        for place, (path, kind) in enumerate(files):
            answer = client.post(f"/you/{TOKEN}", data={"do": "make"}) if path == "made" else client.get(path)
            (tmp_path / f"{place:02}.{kind}").write_bytes(answer.content)
    assert validate(*sorted(tmp_path.iterdir())) == []


def test_vnu_would_find_what_is_wrong(tmp_path: Path) -> None:
    page, sheet = tmp_path / "page.html", tmp_path / "sheet.css"
    page.write_text('<!DOCTYPE html><html lang="en"><title>x</title><p><div id="a"></div><div id="a"></div></p></html>')
    sheet.write_text(".a { colour: red; }")
    said = [(each["url"].rpartition("/")[2], each["message"]) for each in validate(page, sheet)]
    assert any(file == "page.html" and "Duplicate ID" in message for file, message in said)
    assert any(file == "sheet.css" and "colour" in message for file, message in said)
