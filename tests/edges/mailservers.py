"""A real Postfix and a real Exim, each in a network of its own that leads nowhere: what they take stays in their queue.

Neither is installed; both are unpacked from their packages, and started by root alone. POSTFIX names the folder that
Postfix was unpacked to, EXIM4 the program. `within` runs a client where the server can be reached.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
NEW_NETWORK = 0x40000000  # CLONE_NEWNET of setns(2)
UNSHARE = ("unshare", "-n", "-m", "-p", "--propagation", "private", "--fork")
"""With a network, mounts and process numbers of one's own."""
PORT = 2525
POSTFIX_SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
discard unix - - n - - discard
error unix - - n - - error
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class MailServer:
    """A running server: a process in its network, and the folder with its queue."""

    process: subprocess.Popen[str]
    folder: Path

    def within(self, scenario: Coroutine[Any, Any, T]) -> T:
        return within(self.process.pid, scenario)


def isolated(name: str) -> None:
    """Skip, or fail where `name` is required, unless a network of one's own can be made here."""
    made = os.getuid() == 0 and shutil.which("unshare") is not None
    if made and subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode == 0:
        return
    if os.environ.get(f"REQUIRE_{name}") == "1":
        pytest.fail(f"REQUIRE_{name}=1, but no network of one's own can be made here")
    pytest.skip("only root, and not everywhere, can make a network of its own")


def named(variable: str, usual: str, what: str) -> Path:
    """What a variable names; without it the test is skipped, or fails when it is required."""
    found = Path(os.environ.get(variable, usual))
    if not found.exists():
        if os.environ.get(f"REQUIRE_{variable}") == "1":
            pytest.fail(f"REQUIRE_{variable}=1, but there is no {found}")
        pytest.skip(f"there is no {found}; {variable} may name {what}")
    return found


def within(pid: int, scenario: Coroutine[Any, Any, T]) -> T:
    """Run a scenario in the network of that process."""

    def run() -> T:
        with Path(f"/proc/{pid}/ns/net").open("rb") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), NEW_NETWORK):
                raise OSError(ctypes.get_errno(), "setns")
        return asyncio.run(scenario)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()


@contextmanager
def started(folder: Path, commands: Sequence[str], ports: Sequence[int], **environment: str) -> Iterator[MailServer]:
    """A process of these shell commands in a network of its own, once it listens at the ports."""
    script = " && ".join(["ip link set lo up", *commands])
    log = (folder / "output").open("w", encoding="utf-8")
    command = [*UNSHARE, "sh", "-c", script]
    with (
        log,
        subprocess.Popen(command, stdout=log, stderr=log, text=True, env={**os.environ, **environment}) as process,
    ):
        try:
            server = MailServer(process, folder)
            for _ in range(400):  # until then it is in the machine's own, where a loopback answers too
                if Path(f"/proc/{process.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink():
                    break
                time.sleep(0.05)
            assert answers(server, 1, errno.ECONNREFUSED)  # there is a loopback
            for port in ports:
                assert answers(server, port, 0), "".join(
                    path.read_text(encoding="utf-8") for path in (folder / "output", folder / "log") if path.is_file()
                )
            yield server
        finally:
            # The first process of its own numbering: with it goes every other.
            for first in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(first), signal.SIGKILL)


@contextmanager
def reachable() -> Iterator[Path]:
    """A folder that servers can reach under the users they run as, which pytest's own are not."""
    with TemporaryDirectory(prefix="reminders-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def answers(server: MailServer, port: int, wanted: int) -> bool:
    """Whether connecting comes to give this error within ten seconds; 0 is none."""

    async def ask() -> int:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", port))

    for _ in range(200):
        if server.process.poll() is not None:
            return False
        if server.within(ask()) == wanted:
            return True
        time.sleep(0.05)
    return False


@contextmanager
def postfix(settings: str, listeners: Mapping[int, Sequence[str]]) -> Iterator[MailServer]:
    """Postfix with these settings besides the usual ones; `listeners` are ports, each with settings of its own."""
    isolated("POSTFIX")
    root = named("POSTFIX", "/opt/postfix", "the folder that Postfix's package was unpacked to")
    with reachable() as folder:
        _write_postfix(folder, root, settings, listeners)
        command = f"exec '{root}/usr/sbin/postfix' -c '{folder}/etc' start-fg"
        with started(folder, [command], list(listeners), LD_LIBRARY_PATH=str(root / "usr/lib/postfix")) as server:
            yield server


def _write_postfix(folder: Path, root: Path, settings: str, listeners: Mapping[int, Sequence[str]]) -> None:
    programs, libraries = root / "usr/sbin", root / "usr/lib/postfix"
    for name in ("etc", "data", "queue"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "daemon")
    (folder / "etc" / "main.cf").write_text(
        f"""\
compatibility_level = 3.6
command_directory = {programs}
daemon_directory = {libraries}/sbin
shlib_directory = {libraries}
meta_directory = {root}/etc/postfix
sendmail_path = {programs}/sendmail
newaliases_path = {root}/usr/bin/newaliases
mailq_path = {root}/usr/bin/mailq
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
import_environment = LD_LIBRARY_PATH={libraries} MAIL_CONFIG
mail_owner = daemon
setgid_group = mail
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mail.example.org
mydestination =
alias_maps =
{settings}""",
        encoding="utf-8",
    )
    services = "".join(
        f"127.0.0.1:{port} inet n - n - - smtpd {' '.join(f'-o {option}' for option in options)}\n"
        for port, options in listeners.items()
    )
    (folder / "etc" / "master.cf").write_text(services + POSTFIX_SERVICES, encoding="utf-8")


def postcat(server: MailServer) -> list[str]:
    """What Postfix holds: of each message its envelope and all, as postcat prints them."""
    root = Path(os.environ.get("POSTFIX", "/opt/postfix"))
    files = sorted((server.folder / "queue" / "hold").iterdir())
    environment = {**os.environ, "LD_LIBRARY_PATH": str(root / "usr/lib/postfix")}
    command = [str(root / "usr/sbin/postcat"), "-c", str(server.folder / "etc")]
    return [
        subprocess.run([*command, str(file)], env=environment, check=True, capture_output=True, text=True).stdout
        for file in files
    ]


@contextmanager
def exim(settings: str, rules: str) -> Iterator[MailServer]:
    """Exim with these main settings and access control lists besides the usual ones."""
    isolated("EXIM4")
    binary = named("EXIM4", "/usr/sbin/exim4", "the program")
    with reachable() as folder:
        commands = [
            f"mount --bind '{folder}/passwd' /etc/passwd",
            f"mount --bind '{folder}/group' /etc/group",
            f"exec '{binary}' -C '{folder}/exim.conf' -bdf",
        ]
        _write_exim(folder, settings, rules)
        with started(folder, commands, [PORT]) as server:
            yield server


def _write_exim(folder: Path, settings: str, rules: str) -> None:
    for name in ("spool", "log"):
        (folder / name).mkdir()
        shutil.chown(folder / name, "daemon")
    user = Path("/etc/passwd").read_text(encoding="utf-8") + "Debian-exim:x:1:1::/nonexistent:/bin/false\n"
    group = Path("/etc/group").read_text(encoding="utf-8") + "Debian-exim:x:1:\n"
    (folder / "passwd").write_text(user, encoding="utf-8")
    (folder / "group").write_text(group, encoding="utf-8")
    configuration = folder / "exim.conf"
    configuration.write_text(
        f"""\
primary_hostname = mail.example.org
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/pid
daemon_smtp_ports = {PORT}
local_interfaces = 127.0.0.1
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
queue_only = true
{settings}
begin acl
{rules}
begin routers
""",
        encoding="utf-8",
    )
    configuration.chmod(0o644)


def spooled(server: MailServer) -> list[str]:
    """What Exim has taken: of each message its envelope and header, as they lie in the spool."""
    folder = server.folder / "spool" / "input"
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*-H"))] if folder.exists() else []
