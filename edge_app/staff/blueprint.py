"""The blueprint of the staff pages, ``/<lang>/staff/…``; the modules beside it add their pages."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask_babel import lazy_gettext

from edge_app.access import words
from edge_app.access.secrets import wants_passphrase
from edge_app.farmer.view import when
from edge_app.i18n import request_lang
from edge_app.languages import LANGS

blueprint = Blueprint("staff", __name__, url_prefix=f"/<any({', '.join(LANGS)}):lang>/staff")

_ROLE_NAMES = {role: lazy_gettext(name) for role, name in words.ROLES.items()}


@blueprint.url_value_preprocessor
def _take_lang(_endpoint: str | None, values: dict[str, str] | None) -> None:
    # ``request_lang`` reads it from the path; no page needs it twice.
    (values or {}).pop("lang", None)


@blueprint.url_defaults
def _add_lang(_endpoint: str, values: dict[str, str]) -> None:
    values.setdefault("lang", request_lang())


@blueprint.app_context_processor
def _helpers() -> dict[str, Any]:
    """What the staff templates can call."""
    return {
        "role_names": _ROLE_NAMES,
        "action_names": words.ACTIONS,
        "needs_passphrase": wants_passphrase,
        "when": when,
    }
