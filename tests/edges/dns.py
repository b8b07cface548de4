"""A name server that has one answer: `python -m tests.edges.dns FILE`, the TXT record of every name there is.

Nothing but the TXT records of a DKIM key is ever asked for where it runs, on port 53 of a network of its own.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path


def answer(question: bytes, text: bytes) -> bytes:
    """The reply to a query (RFC 1035, 4.1): the text, in strings of 255 bytes."""
    end = question.index(b"\0", 12) + 5
    strings = [text[at : at + 255] for at in range(0, len(text), 255)]
    data = b"".join(bytes([len(each)]) + each for each in strings)
    header = question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
    return header + question[12:end] + b"\xc0\x0c\0\x10\0\1\0\0\0\0" + len(data).to_bytes(2, "big") + data


def main(file: str) -> None:
    """Answer until killed; says that it listens."""
    text = Path(file).read_bytes()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        print("listening", flush=True)
        while True:
            question, asker = server.recvfrom(4096)
            server.sendto(answer(question, text), asker)


if __name__ == "__main__":
    main(sys.argv[1])
