"""The captive portal: a page that says where the box is, and lets the telephone go.

Telephones ask a known address whether a network is the internet.  Until somebody on the telephone
says "stay", they are led to a page that only says: open this address in your browser.  After that
they are given the answer they want, so that they keep the Wi-Fi and ask no more.  A login window of
a telephone cannot take photos well and forgets everything: nothing else happens in it.
"""

from __future__ import annotations

from flask import (
    Blueprint,
    Flask,
    Response,
    make_response,
    redirect,
    render_template,
    request,
)
from flask_babel import force_locale, gettext
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import box, ground
from edge_app.access.nearness import plain_address
from edge_app.appliance.network import NAME
from edge_app.farmer.portal_probes import PROBES
from edge_app.languages import LANGS
from edge_app.staff.qr import qr

blueprint = Blueprint("portal", __name__)
ADDRESS = f"http://{NAME}"
PAGE = "/portal"


def init_portal(app: Flask) -> None:
    """Answer what telephones ask, on a box; everywhere else nothing changes."""
    app.before_request(_lead)


def is_foreign(host: str) -> bool:
    """Whether ``host`` (with or without a port) is a name of the internet, not one of this box."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    bare = name.strip("[]").rstrip(".").lower()
    own = bare == "localhost" or bare.endswith(".local") or "." not in bare
    return not own and not plain_address(bare)


def _lead() -> AnyResponse | None:
    if box() is None or not is_foreign(request.host):
        return None
    expected = PROBES.get(request.path)
    if expected and plain_address(request.remote_addr) in ground().released:
        response = make_response(expected.body, expected.status)
        response.mimetype = expected.kind
        return response
    return redirect(ADDRESS + PAGE, 302)


@blueprint.get(PAGE)
def page() -> Response:
    """Where the box is, in every language at once: a login window tells no language."""
    ground()
    stays = plain_address(request.remote_addr) in ground().released
    text = render_template(
        "portal.html",
        said=[_words(lang) for lang in LANGS],
        address=ADDRESS,
        picture=qr(ADDRESS),
        stays=stays,
    )
    return make_response(text)


def _words(lang: str) -> dict[str, str]:
    """What the page says in one language; empty where that would borrow another's sentence."""
    with force_locale(lang):
        said = {
            "open": gettext("Open this address in your browser:"),
            "stay": gettext("Stay in this Wi-Fi"),
            "why": gettext("This Wi-Fi is not the internet. Your telephone keeps its own data."),
        }
    own = {name: "" if text.startswith("<span") else text for name, text in said.items()}
    return {"lang": lang, **own}


@blueprint.post(PAGE)
def stay() -> AnyResponse:
    """Somebody has read it: the telephone is told what it wants to hear."""
    ground().released.add(plain_address(request.remote_addr))
    return redirect(PAGE, 303)
