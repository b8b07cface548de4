"""The benchmarks, in a form so small that their figures mean nothing: that they still run, and what they print."""

from __future__ import annotations

import json
import os

import pytest

from benchmarks import servers
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.figure import SMALL, Figure, Missing, Series, in_turns


@pytest.mark.parametrize("name", ["start", "render", "refresh", "deliver", "delivery", "feeds"])
def test_a_benchmark_still_measures_what_the_product_does(name: str) -> None:
    found = [each for each in BENCHMARKS[name](SMALL) if not isinstance(each, Missing)]
    if not found and os.environ.get("REQUIRE_SMTP_SINK") != "1":
        pytest.skip("what it is compared with is not installed")
    assert found
    for figure in found:
        assert len(figure.series.values) >= SMALL.rounds
        assert min(figure.series.values) > 0
        assert figure.yardstick is None or (figure.ratio is not None and figure.ratio > 0)


def test_the_command_prints_figures_with_yardstick_target_and_machine(capsys: pytest.CaptureFixture[str]) -> None:
    main(["render", "--small"])
    printed = capsys.readouterr().out
    assert "cores" in printed.splitlines()[0]
    assert "\nrender\n  drawing and stamping 60 entries\n" in printed
    assert " x icalendar building the same calendar and to_ical(): " in printed
    assert "  target below 5 ms: " in printed
    assert printed.rstrip().splitlines()[-1].startswith(("0 of 1 targets met; ", "1 of 1 targets met; "))


def test_the_command_prints_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["render", "--small", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["machine"]["cores"] >= 1
    drawing, joining = printed["figures"]["render"]
    assert (drawing["below"], drawing["met"]) == (None, None)
    assert joining["below"] == 5.0
    assert joining["met"] is (joining["median"] < 5.0)


def test_an_unknown_name_is_wrong_use_and_the_known_ones_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lode"])
    assert ended.value.code == 2
    assert "no benchmark lode: write any of start, load, render" in capsys.readouterr().err


def test_the_ratio_is_of_each_round_with_its_own_yardstick() -> None:
    # The machine was four times as slow in the second round, and both had to bear it.
    figure = Figure(Series("mine", "s", (2.0, 8.0, 3.0)), Series("theirs", "s", (1.0, 4.0, 3.0)))
    assert figure.ratio == 2.0


def test_the_first_round_only_warms_up() -> None:
    mine, theirs = iter([9.0, 1.0, 2.0]), iter([9.0, 3.0, 4.0])
    assert in_turns(2, lambda: next(mine), lambda: next(theirs)) == [(1.0, 2.0), (3.0, 4.0)]


@pytest.mark.parametrize(("seconds", "word"), [(0.9, "met"), (1.0, "MISSED"), (1.1, "MISSED")])
def test_a_missed_target_is_a_printed_word(seconds: float, word: str) -> None:
    figure = Figure(Series("a command", "s", (seconds,)), below=1.0)
    assert list(figure.words())[1].endswith(f"  target below 1 s: {word}")


@pytest.mark.parametrize(("mine", "word"), [(31.0, "met"), (30.0, "met"), (29.0, "MISSED")])
def test_a_target_may_be_a_ratio(mine: float, word: str) -> None:
    figure = Figure(Series("ours", "answers/s", (mine,)), Series("theirs", "answers/s", (100.0,)), ratio_at_least=0.3)
    assert list(figure.words())[2].endswith(f"  target at least 0.3 x: {word}")
    assert figure.facts()["met"] is figure.met is (word == "met")


def test_a_tool_that_is_not_here_is_named_and_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(servers, "SBIN", "/nowhere")
    main(["feeds", "--small"])
    printed = capsys.readouterr().out
    assert "  not measured: what needs wrk, which is not here: apt install wrk\n" in printed
    assert "from a store just opened\n" in printed
