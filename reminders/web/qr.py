"""An address as a picture for the camera of a phone."""

from __future__ import annotations

from functools import lru_cache

import segno
from markupsafe import Markup

QUIET_ZONE = 4
"""Modules of white around the code (ISO/IEC 18004): without them a camera loses it on a dark page."""


def draw(address: str) -> Markup:
    """The QR code of an address as an ``<svg>`` to be put into a page, dark on white whatever the page's colours.

    It has no size of its own and no style: both are the style sheet's. "" for an address of more than 2,331 bytes,
    which no code holds.
    """
    try:
        code = segno.make_qr(address, error="m", boost_error=False)
    except segno.DataOverflowError:
        return Markup()
    return Markup(code.svg_inline(border=QUIET_ZONE, dark="#000", light="#fff", omitsize=True))  # noqa: S704  # drawn, not typed


drawn = lru_cache(maxsize=256)(draw)
"""The same, drawn once: not for addresses that are a secret, which nothing shall remember."""
