"""Feeds as REDbot sees them, which looks at HTTP as a cache does: bytes, tags, times, conditions (RFC 9110)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.edges.site import PUBLIC, Memory, visit

HERE = "http://127.0.0.1"
"""The site is seen without https here, so it asks nobody to use that (which over http would be a fault)."""
FEED, SINGLE = "/feeds/leadership.ics", "/events/leadership-fellows-2019.ics"


@dataclass(frozen=True, slots=True)
class Seen:
    """What REDbot noted: sentences by note, for each level (GOOD, INFO, WARN, BAD)."""

    notes: Mapping[str, Mapping[str, str]]

    def wrong(self) -> dict[str, str]:
        return {**self.notes.get("BAD", {}), **self.notes.get("WARN", {})}


def redbot(url: str) -> Seen:
    """Look at it. Skips the test where REDbot is not installed; with REQUIRE_REDBOT=1 it fails instead."""
    program = Path(sys.prefix) / "redbot" / "bin" / "redbot"
    if not program.exists():
        if os.environ.get("REQUIRE_REDBOT") == "1":
            pytest.fail("REQUIRE_REDBOT=1, but redbot is not installed: `make redbot`")
        pytest.skip("redbot is not installed: `make redbot`")
    ran = subprocess.run([program, "-o", "har", url], capture_output=True, text=True, timeout=60, check=True)
    log = json.loads(ran.stdout)["log"]
    assert "_red_error" not in log, log["_red_error"]
    (entry,) = log["entries"]
    notes: dict[str, dict[str, str]] = {}
    for note in entry["_red_messages"]:
        notes.setdefault(note["level"], {})[note["note_id"]] = note["summary"]
    return Seen(notes)


@pytest.mark.parametrize("path", [FEED, SINGLE])
def test_redbot_finds_nothing_wrong_with_a_feed(path: str) -> None:
    with visit(Memory(), public_url=HERE) as client:
        seen = redbot(f"{client.base_url}{path}")
    assert seen.wrong() == {}
    looked_at = {"DATE_CORRECT", "CL_CORRECT", "CONNEG_GZIP_GOOD", "INM_304", "IMS_304", "FRESHNESS_FRESH"}
    assert looked_at <= seen.notes["GOOD"].keys()


def test_redbot_would_say_so() -> None:
    with visit(Memory(), public_url=PUBLIC) as client:  # says over http that only https may be used
        assert "Strict Transport Security" in " ".join(redbot(f"{client.base_url}{FEED}").wrong().values())
