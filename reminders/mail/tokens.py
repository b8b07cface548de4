"""Access tokens for logging in to a mail server (RFC 6749), from wherever the operator has them made.

A token is a bare line, or the answer of a token endpoint as JSON (RFC 6749, 5.1): ``{"access_token": …,
"expires_in": 3599}``. It is never part of an error, and neither is what a command printed: that may hold secrets.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path

from reminders.errors import DeliveryError, Verdict, WrongUse

Tokens = Callable[[str], Awaitable[str]]
"""Gives a token; the argument is the one that was just refused, "" when none was. The same again: there is no other."""
LONGEST = 64 * 1024
"""Characters of a token, its JSON included."""
COMMAND_TIME = 30.0
"""Seconds a command may take."""
EARLY = 300.0
"""Seconds before its end at which a token is no longer begun with."""


def from_file(path: str) -> Tokens:
    """A file that another program renews: read for each log-in."""

    async def token(refused: str) -> str:
        try:
            text = await asyncio.to_thread(_start_of, path)
        except (OSError, UnicodeDecodeError) as error:
            raise _missing(f"the token file {path} cannot be read") from error
        return _read(text, f"the token file {path}")[0]

    return token


def from_command(command: str) -> Tokens:
    """What a program prints. It is run without a shell, and its token kept for as long as it says, or until refused.

    Raises WrongUse for a command that cannot be split into words.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise WrongUse(f"the token command cannot be read: {error}") from error
    if not words:
        raise WrongUse("the token command is empty")
    kept, until = "", 0.0

    async def token(refused: str) -> str:
        nonlocal kept, until
        now = asyncio.get_running_loop().time()
        if not kept or kept == refused or now >= until:
            kept, lasts = _read(await _output(words), "the token command")
            until = now + lasts - EARLY if lasts else float("inf")
        return kept

    return token


def _start_of(path: str) -> str:
    with Path(path).open(encoding="ascii") as file:
        return file.read(LONGEST + 1)


async def _output(words: list[str]) -> str:
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=nowhere, stdout=pipe, stderr=nowhere)
    except OSError as error:
        raise _missing(f"the token command cannot be run: {error.strerror}") from error
    assert process.stdout is not None  # noqa: S101  # it was asked for
    try:
        async with asyncio.timeout(COMMAND_TIME):
            printed = await process.stdout.read(LONGEST + 1)
            while len(printed) <= LONGEST and (more := await process.stdout.read(LONGEST + 1)):
                printed += more
            status = await process.wait() if len(printed) <= LONGEST else 0
    except TimeoutError as error:
        words_of = f"the token command took longer than {COMMAND_TIME:g} seconds"
        raise DeliveryError("connect", 0, words_of, Verdict.PAUSE) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status:  # of a network that is down as much as of a wrong secret, so it is not the operator who is called first
        raise DeliveryError("connect", 0, f"the token command ended with status {status}", Verdict.PAUSE)
    return printed.decode("ascii", "replace")


def _read(text: str, where: str) -> tuple[str, float]:
    """A token and the seconds it lasts (0: not said)."""
    token, lasts = text.strip(), 0.0
    if token.startswith("{") and len(text) <= LONGEST:
        try:
            answer = json.loads(token)
            token, lasts = str(answer.get("access_token", "")), float(answer.get("expires_in", 0))
        except (ValueError, TypeError) as error:
            raise _missing(f"{where} gives JSON that is no answer of a token endpoint") from error
        if not token and isinstance(said := answer.get("error"), str) and said.replace("_", "").isalnum():
            raise _missing(f"{where} gives no token: {said[:60]}")
    if not token or len(text) > LONGEST or not token.isascii() or not token.isprintable() or " " in token:
        raise _missing(f"{where} gives no token")
    return token, lasts


def _missing(what: str) -> DeliveryError:
    return DeliveryError("connect", 0, what, Verdict.FAULT)
