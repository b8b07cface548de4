"""Every bad file, typed at the command line: its located message on standard error, and exit code 2."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.core.test_bad_files import CASES, EXPECT
from tests.flows.console import config, typed

NAMES = {"rules": "rules.yaml", "feeds": "feeds.yaml", "audiences": "audiences.yaml"}
cases = sorted(CASES.iterdir())


@pytest.mark.parametrize("case", cases, ids=lambda path: path.stem)
def test_check_names_the_place_and_exits_with_2(case: Path, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    (folder / "events").mkdir(parents=True)
    room = case.name.partition("-")[0]
    if case.is_dir():
        into = folder if room in NAMES else folder / "events"
        shutil.copytree(case, into, dirs_exist_ok=True)
    else:
        shutil.copy(case, folder / NAMES[room] if room in NAMES else folder / "events" / case.name)
    wanted = [
        match["said"].partition(": ")
        for path in ([case] if case.is_file() else sorted(case.iterdir()))
        for match in EXPECT.finditer(path.read_bytes().decode("utf-8", "replace"))
    ]
    told = typed("check", *config(folder))
    assert told.code == 2
    assert told.out == ""
    assert wanted
    for place, _, what in wanted:
        assert f"{place}: {what}" in told.err.replace("events/", "")
    as_json = typed("check", "--json", *config(folder))
    assert as_json.code == 2
    assert len(as_json.json["problems"]) >= len(wanted)
