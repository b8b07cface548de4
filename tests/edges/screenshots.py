"""Pictures of the shipped mails, to be looked at: `python -m tests.edges.screenshots FOLDER`.

Of each mail of tests/cases/mails: in a wide window and on a phone 360 pixels wide, each light and dark.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tests.edges.browser import chromium

MAILS = Path(__file__).parents[1] / "cases" / "mails"
WINDOWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 760, "height": 900}},
    "dark": {"viewport": {"width": 760, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
    "phone-dark": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "color_scheme": "dark"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the pictures go, PNG")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name, window in WINDOWS.items():
            page = browser.new_context(**window).new_page()
            for mail in sorted(MAILS.glob("*.html")):
                page.goto(mail.as_uri())
                page.screenshot(path=folder / f"{mail.stem}.{name}.png", full_page=True)
                print(folder / f"{mail.stem}.{name}.png")


if __name__ == "__main__":
    main()
