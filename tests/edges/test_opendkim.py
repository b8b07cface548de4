"""OpenDKIM, which many relays verify with, agrees with our signatures.

`opendkim-testmsg` asks the name servers of the machine. So it runs in a network of its own, where the only one is ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reminders.mail.dkim import DkimSigner, record
from reminders.mail.skeleton import Composer
from tests.core.test_compose import CASE_LETTERS, TEMPLATES
from tests.core.test_dkim import ALGORITHMS, covered, key

CHECKOUT = Path(__file__).parents[2]
ALONE = """
set -eu
ip link set lo up
mount --bind "$1/resolv.conf" "$(readlink -f /etc/resolv.conf)"
exec 3< <("$2" -m tests.edges.dns "$1/record")
server=$!
trap 'kill $server' EXIT
read -r -t 20 <&3
for mail in "$1"/*.eml; do
  if opendkim-testmsg -t "$1" < "$mail" 2>"$1/why"; then echo "$(basename "$mail"): verifies"
  else echo "$(basename "$mail"): $(cat "$1/why")"; fi
done
"""
SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def verified(folder: Path) -> dict[str, str]:
    """What OpenDKIM says of each mail in the folder, where `record` is what DNS has."""
    for tool in ("opendkim-testmsg", "unshare", "ip"):
        if shutil.which(tool, path=SBIN) is None:
            if os.environ.get("REQUIRE_OPENDKIM") == "1":
                pytest.fail(f"REQUIRE_OPENDKIM=1, but there is no {tool}")
            pytest.skip(f"{tool} is not installed (opendkim-tools, util-linux, iproute2)")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    command = ["unshare", "--map-root-user", "--net", "--mount", "bash", "-c", ALONE, "-", str(folder), sys.executable]
    environment = os.environ | {"PATH": SBIN}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=CHECKOUT, env=environment)
    if done.returncode and "unshare" in done.stderr and os.environ.get("REQUIRE_OPENDKIM") != "1":
        pytest.skip(f"no network of its own can be had here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_opendkim_verifies_every_kind_of_mail_and_none_that_was_changed(algorithm: str, tmp_path: Path) -> None:
    composer = Composer(TEMPLATES, DkimSigner("example.org", "dates", key(algorithm)))
    (tmp_path / "record").write_text(record(key(algorithm)))
    expected = {}
    for case, letter in CASE_LETTERS.items():
        data = composer.compose(letter).data
        assert (b"\r\nList-Unsubscribe: " in data) == ("List-Unsubscribe" in covered(data))
        assert (b"\r\nList-Unsubscribe-Post: " in data) == ("List-Unsubscribe-Post" in covered(data))
        (tmp_path / f"{case}.eml").write_bytes(data)
        expected[f"{case}.eml"] = "verifies"
    data = composer.compose(CASE_LETTERS["moved"]).data
    for name, was, becomes in (
        ("changed-body.eml", b"has changed", b"has chanced"),
        ("changed-link.eml", b"List-Unsubscribe: <https://dates", b"List-Unsubscribe: <https://evil"),
        ("changed-post.eml", b"=One-Click", b"=Two-Click"),
    ):
        assert data.count(was)
        (tmp_path / name).write_bytes(data.replace(was, becomes))
        expected[name] = "opendkim-testmsg: dkim_eom(): Bad signature"
    assert verified(tmp_path) == expected
