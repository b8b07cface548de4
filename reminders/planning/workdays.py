"""Working days: Monday to Friday without the bank holidays of a UK nation.

Nations are ``ENG``, ``WLS``, ``SCT`` and ``NIR``. Bank holidays are known up to 2100, as announced or as the law lets
one foresee; after that only the weekends are left out.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import date, timedelta
from functools import cache

NATIONS = ("ENG", "WLS", "SCT", "NIR")


def step(day: date, count: int, nation: str = "ENG") -> date:
    """The working day so many after `day` (negative: before); `day` itself is never counted, working day or not."""
    direction = timedelta(days=1 if count > 0 else -1)
    left = abs(count)
    while left:
        day += direction
        left -= works(day, nation)
    return day


def works(day: date, nation: str = "ENG") -> bool:
    """Whether `day` is a working day."""
    return day.weekday() < 5 and day not in _holidays(nation)


@cache
def _holidays(nation: str) -> Container[date]:
    from holidays import country_holidays  # 0.1 s that only rules with working days need

    if nation not in NATIONS:
        raise ValueError(f"no nation of the UK: {nation}")
    return country_holidays("GB", subdiv=nation)
