"""The receiving end of the harnesses: a mail server in a process of its own, that is fast and forgets nothing.

    python -m tests.harness.peer FILE [--slow 0.1] [--slow-at DOT] [--hold DATA] [--fault RCPT "451 4.7.1 later"]

It prints its port at 127.0.0.1. Each message it takes is a line of JSON in FILE, written before it is acknowledged, so
that it outlives whoever sent it; so are connections made, and those cut, with the step they had come to. The answer to
a dot names the Message-ID. `--hold` keeps back one answer, the first at that step, until a line comes on stdin.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.flows.service import CHECKOUT

STEPS = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT")
EXTENSIONS = b"250-peer.example.org\r\n250-SIZE 10485760\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
LARGEST = 1 << 24


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that was accepted: to whom, what it is called and about, and the SHA-256 of its bytes."""

    recipients: tuple[str, ...]
    message_id: str
    subject: str
    digest: str


@dataclass
class Peer:
    """The running server, and its file as far as it was read."""

    process: subprocess.Popen[str]
    port: int
    file: Path
    messages: list[Kept] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    made: int = 0
    _read: int = 0

    def look(self) -> None:
        """Read what is new in the file.

        That is `messages`, how many connections were `made`, the steps at which some were `cut`, and the step `held`.
        """
        with self.file.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        for line in new.splitlines():
            told = json.loads(line)
            if "cut" in told:
                self.cut.append(told["cut"])
            elif "made" in told:
                self.made += 1
            elif "held" in told:
                self.held.append(told["held"])
            else:
                self.messages.append(Kept(tuple(told["to"]), told["id"], told["subject"], told["digest"]))

    def go(self) -> None:
        """Give the answer that is held back."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def peer(file: Path, *options: str) -> Iterator[Peer]:
    """A server for as long as the block runs."""
    file.touch()
    command = [sys.executable, "-m", "tests.harness.peer", str(file), *options]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            yield Peer(process, int(process.stdout.readline()), file)
        finally:
            process.kill()


class _Server:
    def __init__(self, given: argparse.Namespace) -> None:
        self.slow: float = given.slow
        self.slow_at: Sequence[str] = given.slow_at
        self.hold: str = given.hold
        self.faults: list[tuple[str, str]] = [(step, reply) for step, reply in given.fault]
        self.go = asyncio.Event()
        self.file = os.open(given.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.chance = random.Random(given.seed)

    def note(self, **facts: Any) -> None:
        os.write(self.file, json.dumps(facts).encode() + b"\n")

    async def answer(self, step: str, usual: bytes) -> bytes:
        """What to say at this step, once it is time to."""
        if step in self.slow_at and self.slow:
            await asyncio.sleep(self.chance.uniform(0, self.slow))
        if step == self.hold:
            self.hold = ""
            self.note(held=step)
            await self.go.wait()
        for fault in self.faults:
            if fault[0] == step:
                self.faults.remove(fault)
                return fault[1].encode() + b"\r\n"
        return usual

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state = ["CONNECT"]
        self.note(made=1)
        try:
            await self._talk(reader, writer, state)
        except (OSError, EOFError):  # whoever was killed says no goodbye
            self.note(cut=state[0])
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: list[str]) -> None:
        writer.write(await self.answer("CONNECT", b"220 peer.example.org ESMTP\r\n"))
        to: list[str] = []
        while True:
            line = await reader.readuntil(b"\r\n")
            verb = line[:4].upper()
            word = line.decode("utf-8", "replace")
            match verb:
                case b"EHLO" | b"HELO":
                    state[0], reply = "EHLO", await self.answer("EHLO", EXTENSIONS)
                case b"MAIL":
                    to = []
                    state[0], reply = "MAIL", await self.answer("MAIL", b"250 2.1.0 OK\r\n")
                case b"RCPT":
                    state[0], reply = "RCPT", await self.answer("RCPT", b"250 2.1.5 OK\r\n")
                    if reply.startswith(b"250"):
                        to.append(word[word.index("<") + 1 : word.rindex(">")])
                case b"DATA":
                    state[0], reply = "DATA", await self.answer("DATA", b"354 go on\r\n")
                    if reply.startswith(b"354"):
                        writer.write(reply)
                        data = await reader.readuntil(b"\r\n.\r\n")
                        state[0], reply = "DOT", await self.answer("DOT", self.keep(to, data[:-3]))
                case b"QUIT":
                    writer.write(b"221 2.0.0 bye\r\n")
                    return
                case b"RSET" | b"NOOP":
                    reply = b"250 2.0.0 OK\r\n"
                case _:
                    reply = b"502 5.5.1 not known here\r\n"
            writer.write(reply)

    def keep(self, to: list[str], data: bytes) -> bytes:
        head = data.partition(b"\r\n\r\n")[0]
        found = re.search(rb"(?im)^message-id:\s*(<[^>]+>)", head)
        about = re.search(rb"(?im)^subject:((?:[^\r\n]|\r\n[ \t])*)", head)
        id = found[1].decode() if found else ""
        subject = " ".join(about[1].decode("ascii", "replace").split()) if about else ""
        self.note(to=to, id=id, subject=subject, digest=hashlib.sha256(data).hexdigest())
        return f"250 2.0.0 kept {id}\r\n".encode()


async def _main(given: argparse.Namespace) -> None:
    server = _Server(given)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=LARGEST, backlog=1000)
    print(listening.sockets[0].getsockname()[1], flush=True)

    over = asyncio.Event()

    def release() -> None:
        if sys.stdin.readline():
            server.go.set()
        else:
            over.set()  # whoever started it is gone

    asyncio.get_running_loop().add_reader(sys.stdin, release)
    await over.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where accepted messages are kept")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds that answers take at most, each by chance")
    parser.add_argument("--slow-at", nargs="+", choices=STEPS, default=STEPS[2:], help="which answers")
    parser.add_argument("--hold", choices=STEPS, default="", help="the step at which the first answer is held back")
    parser.add_argument("--fault", nargs=2, metavar=("STEP", "REPLY"), action="append", default=[], help="once each")
    parser.add_argument("--seed", type=int, default=1, help="of the slowness")
    return parser.parse_args()


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        runner.run(_main(_arguments()))
