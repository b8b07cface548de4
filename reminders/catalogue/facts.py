"""Events as text that can be stored and compared: equal events give equal text, and the other way round."""

from __future__ import annotations

import json
from datetime import date
from types import MappingProxyType
from typing import Any

from reminders.catalogue.dates import recall_when
from reminders.catalogue.events import Event, EventDate, Override, Repeats, Source, Status
from reminders.catalogue.recurrence import parse_recurrence


def pack(event: Event) -> str:
    """The event as canonical JSON: sorted keys, nothing that is empty, dates in their order."""
    facts = {
        "id": event.id,
        "title": event.title,
        "dates": [_pack_date(date) for date in event.dates],
        "level": event.level,
        "provider": event.provider,
        "categories": list(event.categories),
        "description": event.description,
        "link": event.link,
        "contact": event.contact,
        "source": event.source and _pack_source(event.source),
        "status": event.status.value,
        "rules": dict(event.rules),
    }
    return json.dumps(_told(facts), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def unpack(text: str) -> Event:
    """The event that `pack` made the text from."""
    facts = json.loads(text)
    return Event(
        id=facts["id"],
        title=facts["title"],
        dates=tuple(_unpack_date(date) for date in facts.get("dates", ())),
        level=facts.get("level"),
        provider=facts.get("provider", ""),
        categories=tuple(facts.get("categories", ())),
        description=facts.get("description", ""),
        link=facts.get("link", ""),
        contact=facts.get("contact", ""),
        source=_unpack_source(facts["source"]) if "source" in facts else None,
        status=Status(facts["status"]),
        rules=MappingProxyType(facts.get("rules", {})),
    )


def _told(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact not in ("", None, [], {})}


def _pack_date(date: EventDate) -> dict[str, Any]:
    return _told(
        {
            "kind": date.kind,
            "when": date.when.edtf,
            "zone": date.when.zone,
            "occurrence": date.occurrence,
            "status": date.status.value,
            "note": date.note,
            "location": date.location,
            "inferred": date.inferred,
            "repeats": date.repeats and _pack_repeats(date.repeats),
        }
    )


def _pack_repeats(repeats: Repeats) -> dict[str, Any]:
    facts = {
        "rule": repeats.rule.text,
        "except": [day.isoformat() for day in repeats.excepted],
        "changes": [
            _told(
                {
                    "on": each.on.isoformat(),
                    "when": each.when and each.when.edtf,
                    "status": each.status.value,
                    "note": each.note,
                    "location": each.location,
                }
            )
            for each in repeats.overrides
        ],
    }
    return _told(facts)


def _unpack_date(facts: dict[str, Any]) -> EventDate:
    return EventDate(
        kind=facts["kind"],
        when=recall_when(facts["when"], facts["zone"]),
        occurrence=facts.get("occurrence", ""),
        status=Status(facts["status"]),
        note=facts.get("note", ""),
        location=facts.get("location", ""),
        inferred=facts.get("inferred", ""),
        repeats=_unpack_repeats(facts["repeats"], facts["zone"]) if "repeats" in facts else None,
    )


def _unpack_repeats(facts: dict[str, Any], zone: str) -> Repeats:
    overrides = (
        Override(
            on=date.fromisoformat(each["on"]),
            when=recall_when(each["when"], zone) if "when" in each else None,
            status=Status(each["status"]),
            note=each.get("note", ""),
            location=each.get("location", ""),
        )
        for each in facts.get("changes", ())
    )
    excepted = (date.fromisoformat(day) for day in facts.get("except", ()))
    return Repeats(parse_recurrence(facts["rule"]), tuple(excepted), tuple(overrides))


def _pack_source(source: Source) -> dict[str, Any]:
    facts = {"page": source.page, "checked": source.checked.isoformat(), "quote": source.quote, "link": source.link}
    return _told(facts)


def _unpack_source(facts: dict[str, Any]) -> Source:
    checked = date.fromisoformat(facts["checked"])
    return Source(facts["page"], checked, facts.get("quote", ""), facts.get("link", ""))
