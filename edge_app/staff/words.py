"""Every word the staff pages choose by a code: roles, actions of the audit log."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from field_data.people import Role

ROLES: dict[Role, LazyString] = {
    Role.FARMER: _l("farmer"),
    Role.AGENT: _l("agent"),
    Role.AGRONOMIST: _l("agronomist"),
    Role.KEEPER: _l("keeper of the box"),
}
