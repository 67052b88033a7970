"""The hub's pages for people: figures, map, table, record, agreement, nodes, downloads."""

from __future__ import annotations

import datetime
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from werkzeug.wrappers import Response as Answer

from field_data.errors import PersonError
from field_data.forms.definition import said as in_words
from sync.hub.app import Hub, this_hub
from sync.hub.export import FORMATS
from sync.hub.export_pictures import picture
from sync.hub.export_query import LEAST, What, Wish, filters, one, wish_of
from sync.hub.export_streams import cursor_after
from sync.hub.export_tables import cells_of, cols, forms, rows
from sync.hub.pages_drawings import HEIGHT, WIDTH, bars, sheet
from sync.hub.pages_figures import agreed, counts, nodes
from sync.hub.pages_words import count_names, init_words, request_lang, table_names
from sync.hub.people_grants import Role
from sync.hub.people_web import (
    form_token,
    let_in,
    let_out,
    must_be_known,
    must_be_own_form,
    people,
    viewer,
)

PAGES = Blueprint("pages", __name__, template_folder="templates", static_folder="static",
                  static_url_path="/look")  # fmt: skip
_ON_A_PAGE = 50
_ON_A_MAP = 2000
_ASKED = ("organisation", "region", "node", "form", "crop", "condition", "field", "since", "until")
_VENDOR = Path(__file__).parents[2] / "edge_app" / "static" / "vendor"
_LEAFLET = ("leaflet.js", "leaflet.css")
_FONTS = "fonts.css"
_POLICY = "; ".join(
    ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"]
    + [f"{kind}-src 'self'" for kind in ("img", "style", "script", "font", "connect")]
)


def init_pages(app: Flask) -> None:
    """Serve the pages from ``app``."""
    init_words(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(PAGES)


@PAGES.before_request
def _strangers_log_in() -> Answer | None:
    open_to_all = ("pages.login", "pages.log_in", "pages.static", "pages.vendor")
    if request.endpoint in open_to_all or viewer() is not None:
        return None
    return redirect(url_for("pages.login", next=request.full_path.rstrip("?")))


@PAGES.after_request
def _safe(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    if request.endpoint not in ("pages.static", "pages.vendor"):
        response.headers["Cache-Control"] = "no-store"
    return response


@PAGES.context_processor
def _always() -> dict[str, Any]:
    found = viewer()
    return {
        "me": found.person if found else None,
        "form_token": form_token,
        "has_fonts": (_VENDOR / _FONTS).is_file(),
        "here": request.endpoint,
        "with_lang": lambda lang: url_for(
            request.endpoint or "pages.overview",
            **{**(request.view_args or {}), **request.args.to_dict(), "lang": lang},
        ),
    }


@PAGES.get("/vendor/<path:name>")
def vendor(name: str) -> Response:
    """Leaflet and the fonts, which the node's pages use too."""
    return send_from_directory(_VENDOR, name, max_age=86_400)


# --- coming in ------------------------------------------------------------------------------


@PAGES.get("/login")
def login() -> str:
    """The form."""
    return render_template("login.html", problem="", next=_own_path(request.args.get("next", "")))


@PAGES.post("/login")
def log_in() -> Answer | tuple[str, int]:
    """Begin a session."""
    must_be_own_form()
    after = _own_path(request.form.get("next", ""))
    try:
        person = people().login(request.form.get("name", ""), request.form.get("password", ""))
    except PersonError as error:
        status = 429 if error.code == "login_paused" else 403
        page = render_template("login.html", problem=error.code, next=after,
                               wait_s=error.details.get("wait_s", 0))  # fmt: skip
        return page, status
    let_in(person)
    return redirect(after, 303)


def _own_path(path: str) -> str:
    """The path when it is one of this hub, else the first page: no way out to another site."""
    own = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if own and path.isprintable() else url_for("pages.overview")


@PAGES.post("/logout")
def log_out() -> Answer:
    """End the session."""
    must_be_own_form()
    let_out()
    return redirect(url_for("pages.login"), 303)


# --- records --------------------------------------------------------------------------------


def _filter(what: What = What.OBSERVATIONS) -> tuple[Wish, dict[str, Any]]:
    """What the form of filters asks for, and what it shows again; bad words filter nothing out
    and are told."""
    said = {key: request.args.get(key, "").strip() for key in _ASKED}
    problem = ""
    try:
        wish = wish_of(what, said | {"after": request.args.get("after", "")})
    except PersonError as error:
        wish, problem = Wish(what), str(error)
    listed = nodes(this_hub().database, must_be_known().grants)
    shown_again = {
        "said": said,
        "problem": problem,
        "nodes": listed,
        "forms": {f.id: in_words(f.title, request_lang()) for f in forms().current()},
        "regions": sorted({(n["organisation"], n["region"]) for n in listed}),
        "query": {key: value for key, value in said.items() if value},
    }
    return wish, shown_again


@PAGES.get("/")
def overview() -> str:
    """Counts by node, form, crop, condition and week."""
    wish, again = _filter()
    total, by = counts(this_hub().database, wish, must_be_known().grants)
    weeks = by.pop("week")
    most = max((n for _, n in weeks), default=0)
    return render_template("overview.html", total=total, by=by, names=count_names(), weeks=weeks,
                           bars=bars(weeks), most=most, width=WIDTH, height=HEIGHT,
                           **again)  # fmt: skip


@PAGES.get("/records")
def records() -> str:
    """The latest records that fit."""
    what = next((each for each in What if each == request.args.get("what")), What.OBSERVATIONS)
    wish, again = _filter(what)
    wish = replace(wish, newest=True, limit=_ON_A_PAGE)
    found = list(rows(this_hub().database, wish, must_be_known().grants))
    after = cursor_after(found[-1]).text(what) if len(found) == _ON_A_PAGE else ""
    lines = [_line(row, what) for row in found]
    return render_template("records.html", what=what, tables=table_names(), lines=lines,
                           after=after, **again)  # fmt: skip


def _line(row: Any, what: What) -> dict[str, Any]:
    return {**cells_of(Wish(what), row), "record": f"{row.node}.{row.epoch}.{row.seq}"}


@PAGES.get("/map")
def map() -> str:
    """Where the latest records that fit lie."""
    wish, again = _filter()
    wish = replace(wish, newest=True, limit=_ON_A_MAP)
    found = rows(this_hub().database, wish, must_be_known().grants)
    points = [
        (row.lon, row.lat, bool(row.coarse), f"{row.node}.{row.epoch}.{row.seq}")
        for row in found
        if row.lon is not None and row.lat is not None
    ]
    leaflet = all((_VENDOR / name).is_file() for name in _LEAFLET)
    return render_template("map.html", sheet=sheet(points), points=points, leaflet=leaflet,
                           most=_ON_A_MAP, **again)  # fmt: skip


@PAGES.get("/records/<id>")
def record(id: str) -> str:
    """Everything that one record says, with its photos."""
    row, what = _record(id)
    wish = Wish(what, equal={"form": row.form} if forms().versions(row.form) else {})
    cells = cells_of(wish, row)
    photos = str(cells.pop("photos", "")).split()
    lines = [(_title(col), cells[col.name], col.unit) for col in cols(wish)
             if col.name in cells and col.name != "body"]  # fmt: skip
    may = must_be_known().may(LEAST[What.PHOTOS])
    here = [sha for sha in photos if _rendition(id, sha)] if may else []
    return render_template("record.html", id=id, what=table_names()[what], photos=here,
                           away=len(photos) - len(here), may=may,
                           lines=[line for line in lines if line[1] not in (None, "")])  # fmt: skip


def _title(col: Any) -> str:
    question = col.question.question if col.question else None
    title = in_words(question.label, request_lang()) if question else col.name
    choice = col.question.choice if col.question else ""
    return f"{title}: {choice}" if choice else title


def _record(id: str) -> tuple[Any, What]:
    """The standing record of that id that this person may see, else 404."""
    for what in (What.YIELDS, What.OBSERVATIONS, What.REVIEWS, What.FIELDS):
        asked = one(what, id, must_be_known().grants)
        if asked is None:
            break
        with this_hub().database.reading() as db:
            row = db.execute(asked).first()
        if row is not None:
            return row, what
    abort(404)


def _rendition(id: str, sha: str) -> str | None:
    asked = one(What.PHOTOS, f"{id}.{sha}", must_be_known().grants)
    if asked is None:
        return None
    with this_hub().database.reading() as db:
        row = db.execute(asked).first()
    return None if row is None else row.rendition


@PAGES.get("/records/<id>/photos/<sha>")
def photo(id: str, sha: str) -> Response:
    """A photo of a record, for who may see it."""
    rendition = _rendition(id, sha)
    hub: Hub = this_hub()
    data = picture(hub, id.split(".", maxsplit=1)[0], rendition) if rendition else None
    if data is None:
        abort(404)
    kind = "image/jpeg" if data.startswith(b"\xff\xd8") else "image/avif"
    return Response(data, mimetype=kind)


# --- figures --------------------------------------------------------------------------------


@PAGES.get("/agreement")
def agreement() -> str:
    """How far reviewers agree."""
    found = agreed(this_hub().database, must_be_known().grants)
    return render_template("agreement.html", found=found)


@PAGES.get("/nodes")
def health() -> str:
    """When each node was last heard, and how it is."""
    now = time.time()
    listed = [
        each | {"heard": _day_and_hour(each["heard_s"]),
                "silent_days": None if each["heard_s"] is None
                else max(0, int((now - each["heard_s"]) // 86_400))}
        for each in nodes(this_hub().database, must_be_known().grants)
    ]  # fmt: skip
    return render_template("nodes.html", nodes=listed)


def _day_and_hour(seconds: float | None) -> str:
    if seconds is None:
        return ""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")


# --- taking along ---------------------------------------------------------------------------


@PAGES.get("/downloads")
def downloads(token: str = "") -> str:
    """The tables in all formats, the addresses for programs, and tokens."""
    _, again = _filter()
    me = must_be_known()
    tables = {
        what: [kind for kind in FORMATS.values() if kind.fits(what)]
        for what in What
        if me.may(LEAST.get(what, Role.READER))
    }
    done = people().audit() if me.may(Role.KEEPER) else []
    seen = [{**each, "at": _day_and_hour(each["at_s"])} for each in done]
    query = {key: again["query"][key] for key in ("since", "until") if key in again["query"]}
    allowed = {what: {k: v for k, v in again["query"].items() if k in filters(what)} | query
               for what in What}  # fmt: skip
    return render_template("downloads.html", tables=tables, titles=table_names(), token=token,
                           tokens=people().tokens(me.name), done=seen, allowed=allowed,
                           root=request.url_root.rstrip("/"), **again)  # fmt: skip


@PAGES.post("/downloads/token")
def new_token() -> str:
    """A token, shown this once."""
    must_be_own_form()
    purpose = " ".join(request.form.get("purpose", "").split())[:80] or "?"
    return downloads(people().new_token(must_be_known().name, purpose))


@PAGES.post("/downloads/token/<start>/revoke")
def revoke_token(start: str) -> Answer:
    """End one of one's own tokens."""
    must_be_own_form()
    own = {each["sha256"] for each in people().tokens(must_be_known().name)}
    if start not in own:
        abort(404)
    people().revoke_token(start)
    return redirect(url_for("pages.downloads"), 303)
