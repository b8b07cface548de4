"""Servers to compare with, each a process of its own on one core; and wrk, which asks them from another core."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figure import Missing
from benchmarks.process import environment, started

TOOLS = {
    "wrk": "apt install wrk",
    "nginx": "apt install nginx-light (it need not run as a service)",
    "radicale": "apt install radicale, or pip install radicale==3.* in an environment of its own whose bin/ is on PATH",
    "taskset": "apt install util-linux",
}
SBIN = "/usr/sbin"
"""Where Debian has nginx, which is not on everybody's PATH."""

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    open_file_cache max=100;
    gzip_static on;
    types {{ text/calendar ics; }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
    }}
}}
"""
RADICALE = """
[server]
hosts = 127.0.0.1:{port}
max_content_length = 100000000
[auth]
type = none
[rights]
type = from_file
file = {folder}/rights
[storage]
filesystem_folder = {folder}/collections
[logging]
level = error
"""
EVERYTHING = "[all]\nuser: .*\ncollection: .*\npermissions: RrWw\n"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: what it is called, its process, and its address without a path."""

    name: str
    pid: int
    address: str


@dataclass(frozen=True, slots=True)
class Rate:
    """Answers in a second of the clock, and in one of the server's processor time.

    The second is what a core gives that the server has to itself, and is hardly moved by what else the machine does.
    """

    clock: float
    processor: float


def missing(*tools: str) -> list[Missing]:
    """Those of the tools that this machine does not have."""
    return [Missing(tool, TOOLS[tool]) for tool in tools if program(tool) is None]


def program(tool: str) -> str | None:
    """Where a tool is."""
    return shutil.which(tool) or shutil.which(tool, path=SBIN)


def cores() -> tuple[int, int]:
    """A core for servers and one for wrk; the same, where there is only one."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[-1]


def on_core(core: int, *command: str) -> list[str]:
    """The command, kept to one core."""
    return [str(program("taskset")), "-c", str(core), *command]


@contextmanager
def nginx(folder: Path, files: Mapping[str, bytes]) -> Iterator[Server]:
    """An nginx of our own that serves these files."""
    (folder / "files").mkdir(parents=True)
    for name, data in files.items():
        (folder / "files" / name).write_bytes(data)
    port, configuration = _free_port(), folder / "nginx.conf"
    # Started by root it would serve as another user, who may not look into this folder.
    user = "user root;\n" if os.getuid() == 0 else ""
    configuration.write_text(user + NGINX.format(folder=folder, port=port), encoding="utf-8")
    command = on_core(
        cores()[0], str(program("nginx")), "-p", str(folder), "-e", f"{folder}/nginx.log", "-c", str(configuration)
    )
    with started(command, log=folder / "nginx.err") as process:
        _listening(port)
        yield Server("nginx", process.pid, f"http://127.0.0.1:{port}")


@contextmanager
def radicale(folder: Path, calendar: bytes) -> Iterator[Server]:
    """A Radicale that holds the events of a calendar as the collection /bench/all."""
    folder.mkdir()
    port, configuration = _free_port(), folder / "radicale.conf"
    configuration.write_text(RADICALE.format(folder=folder, port=port), encoding="utf-8")
    (folder / "rights").write_text(EVERYTHING, encoding="utf-8")
    command = on_core(cores()[0], str(program("radicale")), "--config", str(configuration))
    with started(command, log=folder / "radicale.err") as process:
        _listening(port)
        address = f"http://127.0.0.1:{port}"
        ask("MKCOL", f"{address}/bench/")
        status, _, answer = ask("PUT", f"{address}/bench/all", {"Content-Type": "text/calendar"}, calendar)
        assert status == 201, (status, answer)
        yield Server("Radicale", process.pid, address)


def ask(
    method: str, url: str, fields: Mapping[str, str] | None = None, body: bytes | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """One request; the status, the header fields in small letters, and the body as it came."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=120)
    try:
        connection.request(method, parts.path, body, dict(fields or {}))
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, data


def rate(server: Server, path: str, fields: Mapping[str, str], *, seconds: int, connections: int) -> Rate:
    """What wrk gets answered with 2xx or 3xx. Raises AssertionError when there is any other answer, or none."""
    given = [part for name, value in fields.items() for part in ("-H", f"{name}: {value}")]
    asking = [str(program("wrk")), "-t1", f"-c{connections}", f"-d{seconds}s", *given, server.address + path]
    before = _busy(server.pid)
    done = subprocess.run(on_core(cores()[1], *asking), check=True, capture_output=True, text=True, env=environment())
    busy = _busy(server.pid) - before
    printed = done.stdout
    assert "Non-2xx" not in printed, printed
    count, second = re.search(r"(\d+) requests in", printed), re.search(r"Requests/sec: +([\d.]+)", printed)
    assert count is not None, printed
    assert second is not None, printed
    assert int(count[1]), f"{server.name} answered nothing in {seconds} s"
    return Rate(float(second[1]), int(count[1]) / max(busy, 0.01))


def _busy(pid: int) -> float:
    """Seconds that a process has been on a processor; Linux counts in hundredths."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def _listening(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until, f"nobody listens on port {port}"
            time.sleep(0.05)
        else:
            return
