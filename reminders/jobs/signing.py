"""The key that mails are signed with, from the file the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reminders.errors import WrongUse
from reminders.settings import Settings

if TYPE_CHECKING:
    from reminders.mail.dkim import DkimSigner


def signer(settings: Settings, config: Path) -> DkimSigner | None:
    """What signs every mail (DKIM), or None while no key is set. Raises `WrongUse` when the key is of no use.

    A relative path of the key is relative to the folder that holds the config, as that of the data is.
    """
    if not settings.dkim_key_file:
        return None
    try:
        from reminders.mail import dkim
    except ImportError as error:
        raise WrongUse(
            "dkim_key_file is set, but the package cryptography is not installed: pip install 'reminders[dkim]'"
        ) from error
    file = config.resolve().parent / settings.dkim_key_file
    try:
        key = dkim.read_key(file.read_bytes())
    except OSError as error:
        raise WrongUse(f"dkim_key_file {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise WrongUse(f"dkim_key_file {file}: {error}") from error
    domain = settings.dkim_domain or settings.mail_from.rpartition("@")[2]
    return dkim.DkimSigner(domain, settings.dkim_selector, key)
