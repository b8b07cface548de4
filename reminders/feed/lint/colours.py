"""Colours: by name, as RFC 7986, 5.9, wants them, and in numbers, as Apple's programs do."""

from __future__ import annotations

import re

from reminders.feed.lint.content import shown
from reminders.feed.lint.values import Parameters

_NAMES = """
aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet brown burlywood
cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson cyan darkblue darkcyan darkgoldenrod darkgray
darkgreen darkgrey darkkhaki darkmagenta darkolivegreen darkorange darkorchid darkred darksalmon darkseagreen
darkslateblue darkslategray darkslategrey darkturquoise darkviolet deeppink deepskyblue dimgray dimgrey dodgerblue
firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold goldenrod gray green greenyellow grey honeydew
hotpink indianred indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon lightblue lightcoral lightcyan
lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon lightseagreen lightskyblue lightslategray
lightslategrey lightsteelblue lightyellow lime limegreen linen magenta maroon mediumaquamarine mediumblue
mediumorchid mediumpurple mediumseagreen mediumslateblue mediumspringgreen mediumturquoise mediumvioletred
midnightblue mintcream mistyrose moccasin navajowhite navy oldlace olive olivedrab orange orangered orchid
palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru pink plum powderblue purple red
rosybrown royalblue saddlebrown salmon sandybrown seagreen seashell sienna silver skyblue slateblue slategray
slategrey snow springgreen steelblue tan teal thistle tomato turquoise violet wheat white whitesmoke yellow
yellowgreen
"""
COLOURS = frozenset(_NAMES.split())
"""The names of CSS Color Module Level 3, 4.3."""


def colour(value: str, parameters: Parameters) -> str | None:
    """The name of a colour."""
    return None if value.lower() in COLOURS else f"{shown(value)} is not the CSS name of a colour, such as steelblue"


def shade(value: str, parameters: Parameters) -> str | None:
    """A colour as numbers."""
    found = re.fullmatch(r"#[0-9A-Fa-f]{6}", value)
    return None if found else f"{shown(value)} is no colour; write it as #4682B4"
