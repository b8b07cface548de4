"""The pages in a real browser: quiet, readable, usable by keyboard, without JavaScript, on small and large screens."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pytest

from tests.edges.browser import PAGES, SUBSCRIBE, opened
from tests.edges.site import TOKEN, Memory, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Scheme = Literal["light", "dark"]
EVERY_PAGE = pytest.mark.parametrize("path", PAGES)


@EVERY_PAGE
def test_a_page_loads_quietly_and_asks_nobody_else(browser: Browser, address: str, path: str) -> None:
    complaints: list[str] = []
    asked: list[str] = []
    with opened(browser, address, path) as page:
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.reload(wait_until="networkidle")
    home = urlsplit(address).netloc
    assert {urlsplit(each).netloc for each in asked if not each.startswith("data:")} == {home}
    assert any(each.endswith(".css") for each in asked)
    expected = ["the server responded with a status of 404"] if path == "/nothing" else []
    assert len(complaints) == len(expected)
    assert all(each in complaint for each, complaint in zip(expected, complaints, strict=True))


@EVERY_PAGE
def test_a_page_is_the_same_without_javascript(browser: Browser, address: str, path: str) -> None:
    with opened(browser, address, path) as page:
        usual = page.locator("body").inner_text()
    with opened(browser, address, path, java_script_enabled=False) as page:
        assert page.locator("body").inner_text() == usual
        assert page.locator("h1").is_visible()


TOO_WIDE = """width => [...document.querySelectorAll("body *")]
    .filter(each => each.getBoundingClientRect().right > width + 1)
    .filter(each => getComputedStyle(each).position !== "absolute")
    .map(each => each.outerHTML.slice(0, 100))"""


@pytest.mark.parametrize("path", [*PAGES, "/events/past"])
def test_nothing_has_to_be_scrolled_sideways(browser: Browser, address: str, path: str) -> None:
    with opened(browser, address, path) as page:
        for width in (1280, 390, 320):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(TOO_WIDE, width) == []


OUTLINE = """() => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map(each => +each.tagName[1])"""


@EVERY_PAGE
def test_headings_tell_the_order_of_the_page(browser: Browser, address: str, path: str) -> None:
    with opened(browser, address, path) as page:
        levels = page.evaluate(OUTLINE)
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert page.locator("html").get_attribute("lang") == "en-GB"
        assert page.title().endswith(" - Deadline reminders")
        assert page.title() != " - Deadline reminders"
        for landmark in ("header", "nav", "main", "footer"):
            assert page.locator(landmark).count() == 1


UNNAMED = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, iframe")]
.filter(each => {
    const label = each.labels?.[0]?.innerText || each.getAttribute("aria-label") || each.title;
    return !(label || each.innerText || "").trim() || (["INPUT", "SELECT"].includes(each.tagName) && !label);
}).map(each => each.outerHTML)"""


@EVERY_PAGE
def test_every_control_says_what_it_is(browser: Browser, address: str, path: str) -> None:
    with opened(browser, address, path) as page:
        assert page.evaluate(UNNAMED) == []
        names = page.evaluate("[...document.querySelectorAll('main a[href]')].map(a => [a.textContent.trim(), a.href])")
        ways: dict[str, set[str]] = {}
        for name, target in names:
            ways.setdefault(name, set()).add(target)
        assert [name for name, targets in ways.items() if len(targets) > 1] == [], "one name leads to two places"


CONTROLS = """() => [
    ...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary, [tabindex='0'], iframe")
].map((each, place) => { each.dataset.place = place; return place; })"""
FOCUSED = """() => {
    const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
    const outlined = style.outlineStyle !== "none" && style.outlineColor !== "rgba(0, 0, 0, 0)";
    const seen = outlined || style.boxShadow !== "none" || style.backgroundColor === "rgb(255, 235, 59)";
    return { place: at.dataset?.place ?? null, tag: at.tagName, text: at.textContent.trim().slice(0, 40),
             seen: (seen || at.tagName === "IFRAME") && box.width > 1 && box.height > 1 };
}"""


@EVERY_PAGE
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(browser: Browser, address: str, path: str) -> None:
    with opened(browser, address, path) as page:
        places = [str(place) for place in page.evaluate(CONTROLS)]
        reached: list[dict[str, Any]] = []
        for _ in range(len(places) + 20):
            page.keyboard.press("Tab")
            at = page.evaluate(FOCUSED)
            if at["tag"] == "BODY":  # the end, or focus is on its way out of a frame, which is another process
                page.wait_for_timeout(200)
                at = page.evaluate(FOCUSED)
            if at["tag"] == "BODY":
                break
            reached.append(at)
        assert reached[0]["text"] == "Skip to main content"
        order = list(dict.fromkeys(at["place"] for at in reached if at["place"] is not None))
        assert order == places
        assert [at for at in reached if not at["seen"]] == []


def test_the_skip_link_leads_past_the_menu(browser: Browser, address: str) -> None:
    with opened(browser, address, "/") as page:
        page.keyboard.press("Tab")
        assert page.locator(".nhsuk-skip-link").bounding_box() is not None
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")


def test_the_list_is_narrowed_by_keyboard_alone(browser: Browser, address: str) -> None:
    with opened(browser, address, "/", java_script_enabled=False) as page:
        page.get_by_label("Level").focus()
        page.keyboard.type("Level 4")
        page.get_by_role("button", name="Show").press("Enter")
        page.wait_for_url("**/?level=4*")
        assert page.locator("main h3").all_inner_texts() == ["Elizabeth Garrett Anderson Programme"]


def test_a_click_on_an_address_selects_all_of_it_and_so_does_the_tab_key(browser: Browser, address: str) -> None:
    whole = f"{address}/feeds/leadership.ics"
    for options in ({}, {"has_touch": True}, {"java_script_enabled": False}):
        with opened(browser, address, SUBSCRIBE, **options) as page:
            text = page.locator(".address__text")
            text.tap() if "has_touch" in options else text.click()
            assert page.evaluate("getSelection().toString()") == whole
    with opened(browser, address, SUBSCRIBE) as page:
        page.keyboard.press("Tab")
        while page.evaluate("document.activeElement.id") != "address":
            page.keyboard.press("Tab")
        assert page.evaluate("getSelection().toString()") == whole
        assert page.evaluate("getComputedStyle(document.activeElement).opacity") == "1"


def test_a_guide_unfolds_by_keyboard_without_javascript(browser: Browser, address: str) -> None:
    with opened(browser, address, SUBSCRIBE, java_script_enabled=False) as page:
        page.reload()
        assert not page.get_by_text("Paste the address under “URL").is_visible()
        page.locator("#google summary").press("Enter")
        assert page.get_by_text("Paste the address under “URL").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_camera_reads_the_code_and_comes_to_this_page(browser: Browser, address: str, scheme: Scheme) -> None:
    import zxingcpp
    from PIL import Image

    with opened(browser, address, SUBSCRIBE, color_scheme=scheme) as page:
        # The whole page, as a camera sees it: the code must stand out from a dark page around it.
        (read,) = zxingcpp.read_barcodes(Image.open(BytesIO(page.screenshot(full_page=True))))
        assert read.text == address + SUBSCRIBE
        page.goto(read.text)
        assert page.get_by_role("heading", level=1).inner_text() == "Subscribe to Leadership learning"
        assert page.get_by_role("img", name="QR code").is_visible()


SMALL = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary, code")]
    .filter(each => each.offsetParent && !each.closest(".nhsuk-skip-link"))
    .filter(each => !(getComputedStyle(each).display === "inline"  // part of a sentence
        && [...each.parentElement.childNodes].some(node => node.nodeType === 3 && node.data.trim())))
    .map(each => [each, (each.closest(".date--link") ?? each).getBoundingClientRect()])
    .filter(([each, box]) => box.height < 44 || box.width < 44)
    .map(([each, box]) => `${box.width}x${box.height} ${each.outerHTML.slice(0, 100)}`)"""


@EVERY_PAGE
def test_whatever_is_to_be_tapped_is_large_enough_for_a_thumb(browser: Browser, address: str, path: str) -> None:
    with opened(browser, address, path) as page:
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(SMALL) == []


def test_a_whole_card_of_the_list_leads_to_its_event(browser: Browser, address: str) -> None:
    with opened(browser, address, "/", width=360) as page:
        card = page.locator(".date--link").first
        box = card.bounding_box()
        assert box is not None
        card.click(position={"x": box["width"] - 20, "y": box["height"] - 10})
        page.wait_for_url("**/events/*")


CONTRAST = r"""() => {
    const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const over = (color, under) => {  // what a colour is on top of another, as red, green, blue
        pen.fillStyle = `rgb(${under.join()})`; pen.fillRect(0, 0, 1, 1);
        pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = color => color.map(each => each / 255)
        .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, channel) => sum + each * [0.2126, 0.7152, 0.0722][channel], 0);
    const behind = each => {
        const chain = [];
        for (let up = each; up; up = up.parentElement) chain.unshift(getComputedStyle(up).backgroundColor);
        return chain.reduce((under, color) => over(color, under), [255, 255, 255]);
    };
    const ratio = each => {
        const paper = behind(each), ink = over(getComputedStyle(each).color, paper);
        const [low, high] = [light(paper), light(ink)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const written = each => ["INPUT", "SELECT"].includes(each.tagName)
        || [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const found = [...document.querySelectorAll("body *")].filter(written).filter(each => each.tagName !== "OPTION")
        .map(each => [ratio(each), each.outerHTML.slice(0, 120)]);
    return { texts: found.length, faint: found.filter(([value]) => value < 4.5) };
}"""


@EVERY_PAGE
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser: Browser, address: str, path: str, scheme: Scheme) -> None:
    with opened(browser, address, path, color_scheme=scheme) as page:
        found = page.evaluate(CONTRAST)
        assert found["faint"] == []
        assert found["texts"] > 5
        for control in page.locator("main a:visible, main button:visible").all()[:8]:
            for state in (control.hover, control.focus):
                state()
                assert page.evaluate(CONTRAST)["faint"] == []


def test_dark_is_dark_and_light_is_light(browser: Browser, address: str) -> None:
    papers = []
    for scheme in ("light", "dark"):
        with opened(browser, address, "/", color_scheme=scheme) as page:
            papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert papers == ["rgb(240, 244, 245)", "rgb(18, 24, 28)"]


@pytest.mark.parametrize("javascript", [True, False])
def test_the_button_unsubscribes_by_post_and_looking_does_not(browser: Browser, javascript: bool) -> None:
    memory = Memory()
    methods: list[str] = []
    with visit(memory, public_url="") as client:
        address = str(client.base_url).rstrip("/")
        with opened(browser, address, f"/unsubscribe/{TOKEN}", java_script_enabled=javascript) as page:
            page.on("request", lambda request: methods.append(request.method))
            page.reload(wait_until="networkidle")
            page.wait_for_timeout(300)
            assert memory.left == {}
            page.get_by_role("button", name="Stop all mails").click()
            page.get_by_role("heading", name="You are unsubscribed").wait_for()
    assert memory.left == {TOKEN: "page"}
    assert methods.count("POST") == 1


def test_the_address_of_the_unsubscribe_page_is_told_to_nobody(browser: Browser, address: str) -> None:
    told: list[str | None] = []
    with opened(browser, address, f"/unsubscribe/{TOKEN}") as page:
        page.on("request", lambda request: told.append(request.headers.get("referer")))
        page.get_by_role("link", name="Calendars").click()
        page.get_by_role("heading", name="Calendars to subscribe to").wait_for()
    assert told
    assert {each or "" for each in told} == {""}


def test_a_mail_is_shown_in_its_frame_and_its_links_open_the_whole_page(browser: Browser, address: str) -> None:
    with opened(browser, address, "letter") as page:
        frame = page.frame_locator("iframe.letter")
        assert "14 December 2018" in frame.locator("body").inner_text()
        tops = page.frames[1].evaluate("document.querySelector('base')?.target") if len(page.frames) > 1 else None
        assert tops == "_top"
