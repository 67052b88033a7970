"""How long to rest before the next try: longer each time, by chance, and never the last time."""

from __future__ import annotations

BASE_S, LONGEST_S = 2.0, 60.0


def rest_s(
    failures: int,
    chance: float,
    *,
    asked_s: float = 0.0,
    base_s: float = BASE_S,
    longest_s: float = LONGEST_S,
) -> float:
    """Seconds to rest after so many failures without headway (1 or more); no number is too many.

    Between half and all of ``base_s * 2**(failures - 1)``, at most ``longest_s``, where ``chance``
    from 0 to 1 falls: a thousand nodes whose hub comes back must not come back at once.
    ``asked_s`` is what the other end asked for (``Retry-After``); it is never cut short.
    """
    if failures < 1 or not 0 <= chance <= 1:
        raise ValueError("failures count from 1, chance is 0 to 1")
    # 2.0 ** 1024 overflows; any base reaches its longest well before.
    whole = min(longest_s, base_s * 2.0 ** min(failures - 1, 60))
    return asked_s + whole * (0.5 + chance / 2)
