"""How the service stands, for those who watch it: `/healthz` is it alive, `/readyz` does it do its work.

Whoever restarts what does not answer asks the first. What makes the second red, such as a relay that is down, no
restart mends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reminders.web.reading import Reader

LOG = logging.getLogger(__name__)
FIELDS = {"Cache-Control": "no-store", "Vary": "Accept"}


def routes(reader: Reader, stalled: Callable[[], str]) -> list[Route]:
    """Both addresses. `stalled` says what stands still in this process; "" while nothing does."""

    async def healthz(request: Request) -> Response:
        words = stalled()
        return _answer(request, {"ok": not words, "faults": [words] if words else []})

    async def readyz(request: Request) -> Response:
        try:
            facts = dict(await asyncio.to_thread(reader.health))
        except Exception:
            LOG.exception("the health of the service cannot be found out")
            facts = {"ok": False, "faults": ["The database cannot be read."]}
        return _answer(request, facts)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _answer(request: Request, facts: Mapping[str, object]) -> Response:
    """JSON for programs; for a browser, which says that it would like a page, the same in words."""
    status = 200 if facts.get("ok") is True else 503
    if "text/html" in request.headers.get("accept", ""):
        return PlainTextResponse("".join(f"{line}\n" for line in _lines(facts)), status, headers=FIELDS)
    return JSONResponse(facts, status, headers=FIELDS)


def _lines(facts: Mapping[str, object]) -> Iterator[str]:
    yield "All is well." if facts.get("ok") is True else "Not well."
    for name, mark in (("faults", "Fault"), ("warnings", "Warning")):
        sentences = facts.get(name)
        if isinstance(sentences, list):
            yield from (f"{mark}: {sentence}" for sentence in sentences)
    counts = facts.get("outbox")
    if isinstance(counts, Mapping):
        yield "Outbox: " + (", ".join(f"{number} {state}" for state, number in counts.items() if number) or "empty")
