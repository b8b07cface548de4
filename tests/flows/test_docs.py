"""The documents hold what the program does: commands, settings, states, reasons, files by example, links."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest

from reminders.catalogue.dates import Precision
from reminders.catalogue.parse import parse_events
from reminders.cli import commands
from reminders.configuration import SCHEMAS, read_configuration
from reminders.feed.selection import Colour
from reminders.files import OTHER_VARIABLES, shipped
from reminders.jobs.health import health
from reminders.planning.audiences import COLUMNS
from reminders.planning.notices import Reason
from reminders.planning.rules import OnJoin, RuleShape, Uncertain
from reminders.planning.selections import SelectionShape
from reminders.planning.send import parse_send
from reminders.settings import described
from reminders.store.ledger import BY_HAND
from reminders.store.outbox import IN_DOUBT, OVER_LIMIT
from reminders.store.tables import STATES
from reminders.web.atom import PATH as CHANGES
from reminders.web.changes import What
from reminders.web.data import PATH as EVENTS
from reminders.web.data import SCHEMA_PATH as SCHEMA
from reminders.web.data import render, schema
from tests.builders import utc
from tests.edges.site import PUBLIC, Memory
from tests.flows.walk import SETTINGS, Walk

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
COMMON = {"--config", "--json", "--help", "--version", "-h"}
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def read(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def fences(text: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks, each with the words after its fence."""
    for indent, said, body in re.findall(r"^( *)```(\w[^\n]*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
        yield said, textwrap.dedent(f"{indent}\n{body}").lstrip("\n")


def spans(text: str) -> list[str]:
    """What stands between backticks in running text, on one line."""
    prose = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]


def table(text: str, *header: str) -> list[list[str]]:
    """The rows of the table with this header, each as its cells."""
    found = text.split("\n| " + " | ".join(header) + " |\n", 1)[1].split("\n")[1:]
    rows = []
    for line in found:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def named(rows: list[list[str]]) -> list[str]:
    """What the first cells name, without their backticks."""
    return [row[0].strip("`") for row in rows]


def typed(text: str) -> list[list[str]]:
    """The command lines of code blocks: the words after ``reminders``."""
    lines = re.findall(r"^ *(?:ExecStart=)?(?:[\w./]*/bin/)?reminders +(.*)$", text, re.MULTILINE)
    blocks = [line for line in lines if "`" not in line]
    return [shlex.split(line.partition(" > ")[0], comments=True) for line in blocks]


def command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, and the rest of them. Fails when there is none."""
    found: click.Command = commands
    rest = list(words)
    while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        assert name in found.commands, f"there is no command 'reminders {' '.join(words)}'"
        found = found.commands[name]
    return found, rest


def options(found: click.Command) -> set[str]:
    return {name for each in found.params if isinstance(each, click.Option) for name in each.opts} | {"--help", "-h"}


def does_something(found: click.Command) -> bool:
    """Whether it can be typed as it is, without a subcommand."""
    return not isinstance(found, click.Group) or found.invoke_without_command


def leaves(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    for name, each in group.commands.items():
        if isinstance(each, click.Group):
            yield from leaves(each, *path, name)
        if does_something(each):
            yield " ".join((*path, name)), each


@every_page
def test_command_lines_can_be_typed_as_they_stand(page: Path) -> None:
    lines = typed(page.read_text(encoding="utf-8"))
    assert lines or page.name in ("data.md", "design.md", "feeds.md")
    for words in lines:
        found, rest = command(words)
        assert does_something(found)
        with found.make_context(words[0], rest):  # raises what the command line would tell
            pass


@every_page
def test_commands_and_options_named_in_the_text_exist(page: Path) -> None:
    for span in spans(page.read_text(encoding="utf-8")):
        words = re.sub(r"^(\S*/bin/)?reminders ", "", span).split()
        if words[0] in commands.commands:
            found, rest = command(words)
            assert {word for word in rest if word.startswith("-")} <= options(found), span
        else:
            assert not re.match(r"(\S*/bin/)?reminders [a-z]", span), f"there is no command '{span}'"


def test_the_table_of_commands_names_every_command_with_its_options() -> None:
    rows = table(read("operating.md"), "command", "what it does")
    told = {}
    for first, _ in rows:
        name, *more = spans(first)
        found, rest = command(name.split()[1:])
        path = next(path for path, each in leaves(commands) if each is found)
        told[path] = {word for word in [*rest, *" ".join(more).split()] if word.startswith("--")}
        assert first.endswith("*") == ("--json" in options(found)), first
    assert told == {path: options(each) - COMMON for path, each in leaves(commands)}


def test_the_table_of_settings_is_that_of_the_program() -> None:
    rows = table(read("operating.md"), "key", "variable", "if left out", "what it is")
    assert [[cell.strip("`") for cell in row[:3]] + row[3:] for row in rows] == [
        [each["name"], each["variable"], each["default"], each["help"]] for each in described()
    ]


@every_page
def test_variables_named_in_the_text_exist(page: Path) -> None:
    known = OTHER_VARIABLES | {"REMINDERS_" + each["name"].upper() for each in described()}
    known |= {each["variable"] for each in described()}
    assert set(re.findall(r"REMINDERS_\w+", page.read_text(encoding="utf-8"))) <= known


def test_every_state_and_every_reason_is_explained_and_no_other() -> None:
    text = read("operating.md")
    assert sorted(named(table(text, "state", "meaning", "what to do"))) == sorted(STATES)
    reasons = [each.value for each in Reason] + [OVER_LIMIT, BY_HAND, IN_DOUBT]
    assert named(table(text, "reason", "of", "meaning")) == reasons


def test_what_health_says_is_explained(tmp_path: Path) -> None:
    text = read("operating.md")
    rows = table(text, "fault (503)", "what to do") + table(text, "warning (200)", "what to do")
    known = [re.compile(".*".join(map(re.escape, row[0].split("…"))).replace(r"\ ", " ")) for row in rows]
    with Walk(tmp_path, settings=SETTINGS + "brake_least: 1\n") as walk:
        said = [*health(walk.service, utc("2018-11-23T09:00")).faults]
        walk.course("2019-02-12")
        walk.refresh("2018-11-23T09:00")
        walk.remind("2019-01-29T09:01")
        walk.write("events/events.yaml", "events: none\n")
        with pytest.raises(Exception, match="not a list"):
            walk.refresh("2019-01-29T09:01")
        found = health(walk.service, utc("2019-01-29T10:00"))
        said += [*found.faults, *found.warnings]
    assert len(said) == 5
    assert [sentence for sentence in said if not any(each.match(sentence) for each in known)] == []


def test_a_stopping_service_has_time_for_the_message_in_hand() -> None:
    stop = re.search(r"^TimeoutStopSec=(\d+)$", read("reminders.service"), re.MULTILINE)
    assert stop and int(stop[1]) > 2 * message_deadline() + 10


def test_a_slow_relay_does_not_have_the_service_killed() -> None:
    watchdog = re.search(r"^WatchdogSec=(\d+)$", read("reminders.service"), re.MULTILINE)
    assert watchdog and int(watchdog[1]) >= 4 * message_deadline()


def message_deadline() -> float:
    return next(float(each["default"]) for each in described() if each["name"] == "message_deadline")


def test_the_unit_is_one_that_systemd_accepts_and_finds_well_shut_off(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("REQUIRE_SYSTEMD") == "1":
            pytest.fail("REQUIRE_SYSTEMD=1, but there is no systemd-analyze")
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / "reminders.service"
    unit.write_text(read("reminders.service").replace("/opt/reminders/bin/reminders", sys.executable))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert [line for line in verified.stderr.splitlines() if "reminders.service" in line] == []
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    rated = subprocess.run(command, capture_output=True, text=True, check=True)
    exposure = re.search(r"Overall exposure level for reminders.service: ([\d.]+)", rated.stdout)
    assert exposure and float(exposure[1]) <= 1.5, rated.stdout


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link
    for name in spans(text):
        if re.fullmatch(r"[a-z_]+/[a-z_/]+\.py", name):
            assert any((folder / name).exists() for folder in (ROOT, ROOT / "reminders")), name
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    made = [span.split()[1] for span in spans(text) if span.startswith("make ")]
    assert set(made) <= set(targets)


@every_page
def test_the_first_lines_for_editors_name_a_schema_that_is_shipped(page: Path) -> None:
    for said in re.findall(r"\$schema=([\w./-]+?)\.?(?=[`\s])", page.read_text(encoding="utf-8")):
        path = (shipped("config") / "events" / said).resolve()
        assert path.is_file(), said
        assert path.name.removesuffix(".schema.json") in SCHEMAS


def test_the_files_of_the_manual_for_staff_are_read_together() -> None:
    blocks = list(fences(read("events.md")))
    files = {said.split()[1]: body.encode() for said, body in blocks if " " in said}
    assert sorted(files) == ["audiences.yaml", "feeds.yaml", "level-2.csv", "rules.yaml"]
    events = {f"events/{number}.yaml": body.encode() for number, (said, body) in enumerate(blocks) if said == "yaml"}
    assert len(events) == 3
    found = read_configuration(files | events, "Europe/London")
    assert [len(each.members) for each in found.audiences] == [2, 2]
    assert len(found.rules) == 5
    assert len(found.feeds) == 1


def test_the_manual_for_staff_names_every_key_word_and_form() -> None:
    text = read("events.md")
    keys = named(table(text.split("## Who is told when")[1], "key", "what it holds"))
    assert ["id", *keys] == list(RuleShape.model_fields)
    for form in named(table(text, "write", "sent")):
        assert parse_send(form).text == form
    words = [*SelectionShape.model_fields, *get_args(Colour), *OnJoin, *Uncertain]
    words += [each.name.lower() for each in Precision if each]
    assert [word for word in words if f"`{word}`" not in text] == []
    assert ",".join(COLUMNS) in text


def test_the_first_event_of_the_readme_is_read() -> None:
    shown = {body.partition(":")[0]: body for said, body in fences((ROOT / "README.md").read_text()) if said == "yaml"}
    files = {name: (shipped("config") / name).read_bytes() for name in ("rules.yaml", "feeds.yaml")}
    files |= {"events/own.yaml": shown["events"].encode(), "audiences.yaml": shown["audiences"].encode()}
    found = read_configuration(files, "Europe/London")
    assert parse_events({"own.yaml": files["events/own.yaml"]}, "Europe/London")[0].events == found.catalogue.events
    assert [len(each.members) for each in found.audiences] == [1]


def test_the_page_of_the_data_holds_the_document_as_it_is_served() -> None:
    text = read("data.md")
    id = "having-difficult-conversations-2019"
    served = render(
        Memory().shelf(), name="Deadline reminders", public_url=PUBLIC, chosen=lambda event, _: event.id == id
    )
    (example,) = (body for said, body in fences(text) if said == "json")
    assert json.loads(example) == json.loads(served)


def test_the_page_of_the_data_explains_every_key_as_the_schema_does() -> None:
    whole = json.loads(schema())
    described: dict[str, str | None] = {}
    for prefix, name in (
        ("", ""),
        ("generated_from.", "OriginData"),
        ("events[].", "EventData"),
        ("events[].source.", "SourceData"),
        ("events[].dates[].", "DateData"),
        ("events[].dates[].repeats.", "RepeatsData"),
        ("events[].dates[].repeats.changes[].", "OverrideData"),
    ):
        properties = (whole["$defs"][name] if name else whole)["properties"]
        described |= {f"{prefix}{key}": each.get("description") for key, each in properties.items()}
    told = {row[0].strip("`"): f"{row[1]}." for row in table(read("data.md"), "key", "what it holds")}
    assert list(told) == list(described)
    assert {key: words for key, words in told.items() if described[key] not in (None, words)} == {}


def test_the_page_of_the_data_explains_every_category_of_change_in_its_order() -> None:
    assert named(table(read("data.md"), "category", "what happened")) == list(What)
    paths = named(table(read("data.md"), "address", "what it is", "type"))
    assert paths == [CHANGES, EVENTS, SCHEMA]
