"""The blueprint of the staff pages, ``/<lang>/staff/…``; the modules beside it add their pages."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask_babel import lazy_gettext

from edge_app.access import words
from edge_app.access.secrets import wants_passphrase
from edge_app.farmer.view import when
from edge_app.i18n import language_in_path
from edge_app.languages import LANGS

blueprint = Blueprint("staff", __name__, url_prefix=f"/<any({', '.join(LANGS)}):lang>/staff")
language_in_path(blueprint)

_ROLE_NAMES = {role: lazy_gettext(name) for role, name in words.ROLES.items()}


@blueprint.app_context_processor
def _helpers() -> dict[str, Any]:
    """What the staff templates can call."""
    return {
        "role_names": _ROLE_NAMES,
        "action_names": words.ACTIONS,
        "needs_passphrase": wants_passphrase,
        "when": when,
    }
