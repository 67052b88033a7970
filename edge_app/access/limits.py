"""How long people stay logged in, by role and device."""

from __future__ import annotations

from field_data.people import Role
from field_data.sessions import Limits

_HOUR_S, _DAY_S = 3600.0, 86400.0

# In a browser: who can do more is asked again sooner.
BROWSER = {
    Role.FARMER: Limits(idle_s=12 * _HOUR_S, absolute_s=30 * _DAY_S),
    Role.AGENT: Limits(idle_s=12 * _HOUR_S, absolute_s=30 * _DAY_S),
    Role.AGRONOMIST: Limits(idle_s=2 * _HOUR_S, absolute_s=7 * _DAY_S),
    Role.KEEPER: Limits(idle_s=_HOUR_S, absolute_s=_DAY_S),
}
# A tablet works away from the node for weeks; it is sent away from the people page when it is lost.
TABLET = Limits(idle_s=180 * _DAY_S, absolute_s=None)
# Nobody carries what a keeper may do around in the field.
ROLES_WITH_TABLET = frozenset({Role.AGENT, Role.AGRONOMIST})

PAIRING_S = 10 * 60.0
INVITATION_S = 7 * _DAY_S
