"""What was served last: feeds are there at once when a server starts; what becomes of files that are not right."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from reminders.web.kept import Kept
from reminders.web.reading import Edition
from reminders.web.site import Site
from tests.builders import utc
from tests.edges.site import PUBLIC, Memory, seed

NAMES = {"leadership", "deadlines", "courses"}


class Slow(Memory):
    """A store that says at once which edition it is, and takes long to read."""

    def edition(self) -> Edition:
        return self._shelf.edition


def served(memory: Memory, path: Path) -> dict[str, bytes]:
    """What a server would serve, and leaves in its files."""

    async def scenario() -> dict[str, bytes]:
        site = Site(memory, PUBLIC, "Dates", Kept(path))
        await site.start()
        await site.kept_all()
        return {name: ready.plain.body for name, ready in (await site.shown()).feeds.items()}

    return asyncio.run(scenario())


def early(memory: Memory, path: Path, *, url: str = PUBLIC) -> dict[str, bytes]:
    """What a server has at once when it starts."""

    async def scenario() -> dict[str, bytes]:
        site = Site(memory, url, "Dates", Kept(path))
        await site.start()
        found = {name: ready.plain.body for name, ready in site.early.items()}
        memory.stuck.set()
        assert (await site.shown()).feeds
        assert site.early == {}, "what is read takes the place of what was kept"
        await site.kept_all()
        return found

    return asyncio.run(scenario())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shelf.json"


def test_declared_feeds_are_there_at_once_while_the_store_is_read(path: Path) -> None:
    memory = Slow()
    before = served(memory, path)
    memory.stuck.clear()
    found = early(memory, path)
    assert set(found) == NAMES
    assert found == {name: before[name] for name in NAMES}


def test_what_is_not_of_this_edition_or_place_is_not_served(path: Path) -> None:
    memory = Slow()
    served(memory, path)
    assert early(memory, path, url="https://elsewhere.example.org") == {}
    served(memory, path)
    memory.publish(seed(), utc("2018-12-01T10:00"))
    assert early(memory, path) == {}


@pytest.mark.parametrize("name", ["shelf.json", "shelf.feeds"])
def test_damaged_files_are_not_used_and_made_anew(path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    memory = Slow()
    before = served(memory, path)
    damaged = path.with_name(name)
    whole = damaged.read_bytes()
    for bad in (b"", whole[:-1], whole.replace(b"Leadership", b"Leaderskip", 1), os.urandom(1_000)):
        damaged.write_bytes(bad)
        assert early(memory, path) in ({}, {name: before[name] for name in NAMES})
        if name == "shelf.json":
            damaged.write_bytes(bad)
            assert Kept(path).load() is None
    assert "is damaged" in caplog.text
    assert served(memory, path) == before
    assert set(early(memory, path)) == NAMES


def test_a_store_that_fails_while_it_is_read_is_tried_again_and_feeds_stay(path: Path) -> None:
    memory = Slow()
    served(memory, path)
    path.unlink()

    async def scenario() -> None:
        site = Site(memory, PUBLIC, "Dates", Kept(path))
        memory.broken = OSError("the disk is gone")
        await site.start()
        assert set(site.early) == NAMES
        with pytest.raises(OSError, match="the disk is gone"):
            await site.shown()
        assert set(site.early) == NAMES
        memory.broken = None
        assert (await site.shown()).feeds
        await site.kept_all()

    asyncio.run(scenario())
