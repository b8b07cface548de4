"""Header fields that every answer carries, whatever makes it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-src 'self'; "
    "frame-ancestors 'self'; base-uri 'none'"
)
"""Nothing is fetched from anybody else, and no script runs."""


def protecting(*, secure: bool) -> Headers:
    """The fields. `secure`: the site is public over https, and asks to stay so."""
    fields = [
        (b"content-security-policy", POLICY.encode()),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    ]
    return [*fields, (b"strict-transport-security", b"max-age=31536000")] if secure else fields


class Guard:
    """Adds the fields unless the answer has its own. What `ready.prepare` made has them already."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self.app = app
        self.fields = protecting(secure=secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower(), value) for name, value in message["headers"]]
                names = {name for name, _ in own}
                message["headers"] = own + [each for each in self.fields if each[0] not in names]
            await send(message)

        await self.app(scope, receive, guarded)
