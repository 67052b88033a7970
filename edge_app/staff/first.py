"""The first pages of a box: language, place, keeper, Wi-Fi, hub, and what to hand out.

Until there is a keeper anybody near may answer, but one browser at a time (`Claim`); the keeper is
made once, under a lock.  From then on the pages are the keeper's.  Every answer is kept as it
comes, so that they go on where they stopped.  No step needs JavaScript.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, abort, g, make_response, redirect, request, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import box, gate, ground, is_first_run, let_in
from edge_app.access.nearness import is_local
from edge_app.appliance.box_settings import Security, refuse_wifi
from edge_app.appliance.first_run import (
    REGIONS,
    FirstRun,
    good_name,
    keep_answers,
    read_answers,
    suggested_ssid,
)
from edge_app.appliance.layout import Layout
from edge_app.appliance.network import NAME, is_own
from edge_app.appliance.network_request import ask, confirm, on_trial, wanted_wifi
from edge_app.i18n import language_in_path, request_lang
from edge_app.languages import LANGS
from edge_app.staff.home import ENTRIES, Entry
from edge_app.staff.login import device_name, refuse_unlike
from edge_app.staff.page import page
from edge_app.staff.qr import qr
from field_data.errors import BusyError, GhallaError, PersonError
from field_data.ids import short_code
from field_data.people import Person

blueprint = Blueprint("first", __name__, url_prefix=f"/<any({', '.join(LANGS)}):lang>/first")
language_in_path(blueprint)
ENTRIES.append(Entry("first.wifi", _l("Wi-Fi of the box"), "wifi", on_box=True))
ENTRIES.append(Entry("first.hub", _l("Join a hub"), "send", on_box=True))
STEPS = ("language", "place", "keeper", "wifi", "hub", "done")
_COOKIE = "ghalla_first"
_ADDRESS = f"http://{NAME}"
# Letters of a suggested passphrase: nothing that looks like something else, on every keyboard.
_LETTERS = "abcdefghkmnprstwxyz23456789"


def init_first(app: Flask) -> None:
    """See, at every request, whether somebody came in over a Wi-Fi that is on trial."""
    app.before_request(_came_in)


def _came_in() -> None:
    layout = box()
    if layout is not None and is_own(request.remote_addr or ""):
        trial = on_trial(layout)
        if trial:
            confirm(layout, trial)


@blueprint.before_request
def _near() -> None:
    """Only on a box, and only from its own surroundings; one browser at a time."""
    if box() is None:
        abort(404)
    if not is_local(request.remote_addr):
        raise PersonError("only_near", "only from the network of the box")
    if is_first_run():
        _claim()
    elif request.endpoint in ("first.language", "first.place", "first.keeper"):
        abort(404)


def _claim() -> None:
    token = request.cookies.get(_COOKIE, "")
    if ground().claim.is_others(token):
        raise PersonError("being_set_up", "another browser is setting this box up")
    if request.method == "POST":  # who only looks holds nobody up
        g.claim = ground().claim.take(token)
        if g.claim is None:
            raise PersonError("being_set_up", "another browser was faster")


@blueprint.after_request
def _hold(response: Response) -> Response:
    if g.get("claim"):
        response.set_cookie(_COOKIE, g.claim, httponly=True, samesite="Strict")
    return response


def _home() -> Path:
    return ground().photos.folder.parent


def _answers() -> FirstRun:
    return read_answers(_home())


def _keep(**answers: str | bool) -> None:
    keep_answers(_home(), replace(_answers(), **answers))  # type: ignore[arg-type]


def _on(lang: str = "") -> AnyResponse:
    """To the step that is next."""
    step = _answers().pending(gate().needs_keeper())
    where = f"first.{step}" if step else "staff.home"
    return redirect(url_for(where, lang=lang or request_lang()), 303)


def _step(name: str, error: GhallaError | None = None, **values: object) -> Response:
    at = STEPS.index(name) + 1
    return page(f"first/{name}.html", error, at=at, steps=len(STEPS), **values)


@blueprint.get("/")
def start() -> AnyResponse:
    """Begin, or go on where it stopped."""
    return _on(_answers().lang)


@blueprint.route("/language", methods=["GET", "POST"])
def language() -> AnyResponse:
    """The language of the keeper and of the box."""
    lang = request.form.get("lang", "")
    if request.method == "GET" or lang not in LANGS:
        return _step("language")
    _keep(lang=lang)
    return _on(lang)


@blueprint.route("/place", methods=["GET", "POST"])
def place() -> AnyResponse:
    """What the box is called, and where it stands."""
    answers = _answers()
    if request.method == "GET":
        return _step("place", regions=REGIONS, answers=answers)
    name, region = request.form.get("name", "").strip(), request.form.get("region", "")
    if not good_name(name) or (region and region not in REGIONS):
        tried = replace(answers, name=name)
        return _step("place", PersonError("bad_name"), regions=REGIONS, answers=tried)
    _keep(name=name, region=region)
    return _on()


@blueprint.route("/keeper", methods=["GET", "POST"])
def keeper() -> AnyResponse:
    """Who keeps the box: name and passphrase; made once."""
    if request.method == "GET":
        return _step("keeper")
    form = request.form
    try:
        refuse_unlike(form.get("secret", ""), form.get("again", ""))
        made = gate().first_keeper(form.get("name", ""), request_lang(), form.get("secret", ""))
    except (PersonError, BusyError) as error:
        return _step("keeper", error)
    return _come_in(made)


def _come_in(person: Person) -> AnyResponse:
    response = make_response(_on())
    let_in(response, gate().open_session(person, device_name()))
    return response


@blueprint.route("/wifi", methods=["GET", "POST"])
def wifi() -> AnyResponse:
    """The name of the Wi-Fi and who may come in, or leave it as it is."""
    answers = _answers()
    if request.method == "GET":
        suggested = replace(
            answers,
            ssid=answers.ssid or suggested_ssid(answers.name),
            passphrase=answers.passphrase or _passphrase(),
        )
        return _step("wifi", answers=suggested)
    form = request.form
    if "skip" in form:
        _keep(ssid="", passphrase="", wifi=True)
        return _on()
    open_to_all = form.get("security") == Security.OPEN
    secret = "" if open_to_all else form.get("passphrase", "")
    tried = replace(answers, ssid=form.get("ssid", "").strip(), passphrase=secret)
    try:
        security = Security(form.get("security", ""))
        refuse_wifi(tried.ssid, security, secret)
    except ValueError:
        return _step("wifi", PersonError("bad_wifi_passphrase"), answers=tried)
    except PersonError as error:
        return _step("wifi", error, answers=replace(tried, security=security))
    _keep(ssid=tried.ssid, security=security, passphrase=secret, wifi=True, finished=False)
    return _on()


def _passphrase() -> str:
    letters = [secrets.choice(_LETTERS) for _ in range(12)]
    return "-".join("".join(letters[at : at + 4]) for at in range(0, 12, 4))


@blueprint.route("/hub", methods=["GET", "POST"])
def hub() -> AnyResponse:
    """The hub that this box sends to, with the code that its people gave; or none yet."""
    if request.method == "GET":
        return _step("hub")
    if "skip" not in request.form:
        try:
            _enrol(request.form.get("url", "").strip(), request.form.get("code", "").strip())
        except GhallaError as error:
            known = isinstance(error, PersonError) and error.code == "bad_code"
            return _step("hub", error if known else PersonError(_hub_word(error)))
    _keep(hub=True)
    return _on()


def _hub_word(error: GhallaError) -> str:
    return "bad_hub" if isinstance(error, PersonError) else "hub_away"


def _enrol(url: str, code: str) -> None:
    from edge_app.uplink import Uplinks
    from sync.transport import HubAddress

    Uplinks(ground()).enrol(HubAddress(url), code, _answers().name)


@blueprint.route("/done", methods=["GET", "POST"])
def done() -> AnyResponse:
    """What to hand out, and the last word: the Wi-Fi begins anew."""
    answers, layout = _answers(), box()
    if request.method == "GET" or layout is None:
        return _step("done", **_to_hand_out(answers), starting=False)
    if answers.ssid and not answers.finished:
        _ask_for(answers, layout)
    _keep(finished=True, passphrase="", ssid="")
    if not answers.ssid:
        return redirect(url_for("staff.home"), 303)
    return _step("done", **_to_hand_out(answers), starting=True)


def _ask_for(answers: FirstRun, layout: Layout) -> None:
    code, security = short_code(ground().node), Security(answers.security)
    ask(layout, wanted_wifi(answers.ssid, security, answers.passphrase, answers.lang or "fr", code))


def _to_hand_out(answers: FirstRun) -> dict[str, Any]:
    """The addresses of the box and the way into its Wi-Fi, with their pictures."""
    trust = _ADDRESS + url_for("staff.trust")
    return {
        "answers": answers,
        "wifi": qr(_joining(answers)) if answers.ssid else None,
        "address": _ADDRESS,
        "picture": qr(_ADDRESS),
        "trust": trust,
        "trust_picture": qr(trust),
        "is_open": answers.security == Security.OPEN,
    }


def _joining(answers: FirstRun) -> str:
    """What a camera reads to join a Wi-Fi; letters with a meaning of their own are escaped."""
    escaped = [
        "".join(f"\\{each}" if each in '\\;,":' else each for each in text)
        for text in (answers.ssid, answers.passphrase)
    ]
    if answers.security == Security.OPEN:
        return f"WIFI:T:nopass;S:{escaped[0]};;"
    return f"WIFI:T:WPA;S:{escaped[0]};P:{escaped[1]};;"
