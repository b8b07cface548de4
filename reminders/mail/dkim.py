"""DKIM (RFC 6376; RFC 8463 for Ed25519): a signature of the domain that mails come from, made here.

For a relay that does not sign. The bytes signed are the bytes sent: the message is 7 bit, its lines end in CRLF, and
nothing changes it afterwards. Header fields are canonicalised as `relaxed`, so that a relay may fold them anew; the
body as `simple`, which costs no more than a hash of it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from textwrap import wrap

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

SIGNED = (
    *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References", "List-Id"),
    # RFC 8058, 4: one click must lead to where we meant it to.
    *("List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted", "MIME-Version", "Content-Type"),
)
"""Fields that are signed where the message has them."""
OVERSIGNED = ("From",)
"""Signed once more than they are there, so that adding one breaks the signature (RFC 6376, 8.15)."""
SMALLEST, LARGEST = 1024, 4096
"""Bits of RSA keys that receivers must take (RFC 8301, 3.2)."""

_FIELD = re.compile(rb"\r\n(?![ \t])")
_SPACES = re.compile(rb"[ \t\r\n]+")

Key = RSAPrivateKey | Ed25519PrivateKey


class DkimSigner:
    """Signs messages for one domain with the key published under one selector; any thread may ask.

    The same message gives the same signature: neither algorithm draws lots, and no time is written into it.
    """

    def __init__(self, domain: str, selector: str, key: Key) -> None:
        algorithm = "rsa-sha256" if isinstance(key, RSAPrivateKey) else "ed25519-sha256"
        self._key = key
        self._tags = f"v=1; a={algorithm}; c=relaxed/simple; d={domain}; s={selector};"

    def __call__(self, message: bytes) -> bytes:
        """The message with its DKIM-Signature in front."""
        head, _, body = message.partition(b"\r\n\r\n")
        fields = {field.partition(b":")[0].lower(): field for field in _FIELD.split(head)}
        present = [name for name in SIGNED if name.lower().encode() in fields]
        signed = b"".join(_relaxed(fields[name.lower().encode()]) + b"\r\n" for name in present)
        names = "\r\n  ".join(wrap(": ".join((*present, *OVERSIGNED)), 72, break_on_hyphens=False))
        unsigned = f"DKIM-Signature: {self._tags}\r\n bh={_text(_hash_of(body))};\r\n h={names};\r\n b="
        signature = self._sign(signed + _relaxed(unsigned.encode()))
        return f"{unsigned}{_folded(signature)}\r\n".encode() + message

    def _sign(self, data: bytes) -> str:
        if isinstance(self._key, RSAPrivateKey):
            return _text(self._key.sign(data, PKCS1v15(), hashes.SHA256()))
        return _text(self._key.sign(hashlib.sha256(data).digest()))


def read_key(pem: bytes) -> Key:
    """A private key from PEM without a password; raises ValueError with what is wrong with it, for people."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("it is not a private key in PEM, without a password") from error
    if isinstance(key, RSAPrivateKey):
        if not SMALLEST <= key.key_size <= LARGEST:
            raise ValueError(f"an RSA key of {key.key_size} bits is not taken by all: make one of 2048")
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError("DKIM knows RSA and Ed25519 keys only")


def record(key: Key) -> str:
    """What to publish as the TXT record of ``<selector>._domainkey.<domain>``."""
    public = key.public_key()
    if isinstance(key, RSAPrivateKey):
        return f"v=DKIM1; k=rsa; p={_text(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))}"
    return f"v=DKIM1; k=ed25519; p={_text(public.public_bytes(Encoding.Raw, PublicFormat.Raw))}"


def _relaxed(field: bytes) -> bytes:
    """RFC 6376, 3.4.2, without the line end."""
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + _SPACES.sub(b" ", value).strip()


def _hash_of(body: bytes) -> bytes:
    """Of a body in the `simple` canonicalisation (RFC 6376, 3.4.3): empty lines at its end count as one line end."""
    while body.endswith(b"\r\n\r\n"):
        body = body[:-2]
    return hashlib.sha256(body if body.endswith(b"\r\n") else body + b"\r\n").digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _folded(signature: str) -> str:
    return "\r\n  ".join(signature[at : at + 72] for at in range(0, len(signature), 72))
