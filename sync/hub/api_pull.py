"""Downloads by URL, streamed, and the pull of what changed since a cursor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import BoundedSemaphore, Lock

from flask import Blueprint, Response, abort, jsonify, request

from field_data.errors import NetworkError
from sync.hub.api_common import address, asked_of, guarded, what_of
from sync.hub.app import this_hub
from sync.hub.export import BY_ENDING, chunks
from sync.hub.export_query import LEAST, Cursor, What, wish_of
from sync.hub.export_streams import cursor_after, feature
from sync.hub.export_tables import about, batches, cols
from sync.hub.people_grants import Role
from sync.hub.people_web import must_be_known, people

PULL = Blueprint("pull", __name__)
guarded(PULL)
_USUAL = "1000"
# Whoever reads slowly holds a connection to the database as long: most of a process's eight
# (`sync.hub.database`) are left to what nodes bring.
_TURNS = BoundedSemaphore(3)


def _there(name: str) -> What:
    what = what_of(name) or abort(404, "no such table")
    must_be_known(LEAST.get(what, Role.READER))
    return what


@PULL.get("/export/<name>.dictionary.json")
def dictionary(name: str) -> Response:
    """What the columns of an export mean, its licence and the consent it rests on."""
    what = _there(name)
    return jsonify(about(wish_of(what, asked_of(what, "since", "until"))))


@PULL.get("/export/<name>.<ending>")
def export(name: str, ending: str) -> Response:
    """A whole table as a file, sent while it is read."""
    what = _there(name)
    kind = BY_ENDING.get(ending)
    if kind is None or not kind.fits(what):
        abort(404, f"no such format; there are: {', '.join(BY_ENDING)}")
    wish = wish_of(what, asked_of(what, "since", "until"))
    person = must_be_known()
    detail = {"what": str(what), "format": ending, "query": request.query_string.decode()[:500]}
    people().note(person.id, "export", detail)
    turn = _Turn()
    try:
        made = chunks(this_hub(), wish, person.grants, kind)
        answer = Response(_begun(made, turn), mimetype=kind.mimetype)
    except BaseException:
        turn.end()
        raise
    answer.call_on_close(turn.end)
    answer.headers["Content-Disposition"] = f'attachment; filename="{what}.{ending}"'
    about_it = address(f"/export/{what}.dictionary.json", request.args)
    answer.headers["Link"] = f'<{about_it}>; rel="describedby"; type="application/json"'
    return answer


class _Turn:
    """One of the downloads that a process makes at a time; raises ``busy`` when all are taken."""

    def __init__(self) -> None:
        if not _TURNS.acquire(blocking=False):
            raise NetworkError("busy", "other downloads are on the way: try again in a minute")
        self._lock, self._ended = Lock(), False

    def end(self) -> None:
        """Let another one begin; saying so twice changes nothing."""
        with self._lock:
            if not self._ended:
                self._ended = True
                _TURNS.release()


def _begun(made: Iterator[bytes], turn: _Turn) -> Iterator[bytes]:
    """The pieces; the first is made now, so that what cannot begin is still a refusal."""
    first = next(made, b"")

    def rest() -> Iterator[bytes]:
        try:
            yield first
            yield from made
        finally:
            turn.end()

    return rest()


@PULL.get("/pull/<name>")
def pull(name: str) -> Response:
    """What came, changed or went since ``after``: keep ``cursor``, ask again with it.

    ``more`` says that there is more at once.  A client that goes on so misses nothing; what is
    ``deleted`` must go from every copy (of photos: all whose id begins with that id).
    """
    what = _there(name)
    said = {"limit": _USUAL} | asked_of(what, "limit", "after")
    wish = replace(wish_of(what, said), changes=True)
    records, after = [], wish.after or Cursor(0)
    columns = cols(wish)[:-1]
    for batch in batches(this_hub().database, wish, must_be_known().grants):
        for place, row in zip(batch.geometry, batch.rows(), strict=True):
            gone = {"id": row[0], "deleted": True}
            records.append(gone if row[-1] else feature(columns, place, row[:-1]))
        after = cursor_after(batch.last)
    more = len(records) == wish.limit
    return jsonify({"records": records, "cursor": after.text(what), "more": more})
