"""What arrives from tablets, looked at before `EventLog.append` keeps it.

Pure but for the clock, which only decides about refusals and warnings: what is stored depends on
the draft, the forms and nothing else, so that a draft that arrives twice is the same record twice.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from field_data.bodies import plain
from field_data.clock import Clock
from field_data.errors import PersonError
from field_data.events import Draft, Event, Kind
from field_data.forms import normalising
from field_data.forms.checking import Vocabulary, check
from field_data.forms.definition import Form, Type
from field_data.forms.library import Forms
from field_data.forms.normalising import Refused
from field_data.forms.problems import FormError, Problem
from field_data.forms.shapes import MAX_VERSION
from field_data.types import Instant, Trust

MAX_PHOTOS = 24
# 2020-01-01T00:00Z: no tablet recorded anything for Ghalla before.
EARLIEST_UTC_S = 1_577_836_800.0
DAY_S = 86_400.0
_FORM_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Arrival:
    """An observation fit to be appended.

    ``unchecked`` says why no form looked at it (``unknown_form``, ``unknown_version``): it is kept
    as it came.  ``warnings`` are for whoever sent it; those about the clock are not stored.
    """

    draft: Draft
    warnings: tuple[Problem, ...] = ()
    unchecked: str = ""


def check_observation(
    draft: Draft,
    forms: Forms,
    vocabulary: Vocabulary | None = None,
    clock: Clock | None = None,
    known: Event | None = None,
) -> Arrival:
    """The draft with normalised answers; what was sent is kept as ``raw`` where it differs.

    ``known`` is the event that has the draft's id already, if one has: the same draft then gives
    that very event again, whatever forms and words the node learnt meanwhile; another one is handed
    on as it is, for `EventLog.append` to refuse.

    Raises:
        PersonError: ``bad_observation`` for a body of another shape, or those of `bodies.plain`.
        FormError: with every problem of the answers, the place and the photos.
    """
    body = _body(draft)
    if known is not None:
        same = _as_sent(known) == _as_sent(draft)
        whole = replace(draft, at=known.at, body=known.body) if same else draft
        return Arrival(whole, unchecked=str(whole.body.get("unchecked", "")))
    form = forms.get(body["form"], body["version"])
    at, warnings = _believed(draft.at, clock)
    said = {key: body[key] for key in ("form", "version", "values")}
    if form is None:
        why = "unknown_version" if forms.get(body["form"]) else "unknown_form"
        kept = {**said, "place": body.get("place"), "unchecked": why}
        return Arrival(replace(draft, at=at, body=kept), tuple(warnings), why)
    problems: list[Problem] = []
    place = _place(body.get("place"), problems, warnings)
    values = _values(form, draft, _today(draft.at, clock), vocabulary, problems, warnings)
    if problems:
        raise FormError(form.id, problems)
    raw = {} if values == body["values"] else {"raw": body["values"]}
    kept = {**said, "values": values, "place": place, **raw}
    return Arrival(replace(draft, at=at, body=kept), tuple(warnings))


def public_body(body: Mapping[str, Any], forms: Forms) -> dict[str, Any] | None:
    """The body as it may leave the node: without the answers to private questions.

    Private is what any version of the form that is here calls so.  None when the form is not here
    at all: nobody can tell what is private, so the record waits on the node.
    """
    versions = forms.versions(body["form"])
    if not versions:
        return None
    plain = dict(body)
    for key in plain.keys() & {"values", "raw"}:
        for form in versions:
            plain[key] = form.public(plain[key])
    return plain


def believed_at(event: Event) -> Instant:
    """When it happened: a tablet's time that lies after the node received it is not believed."""
    late = event.at.utc_s > event.received.utc_s + DAY_S
    if late and event.received.trust is not Trust.UNKNOWN:
        return Instant(event.at.utc_s, Trust.UNKNOWN)
    return event.at


def _body(draft: Draft) -> Mapping[str, Any]:
    """The body, which has the shape of an observation and is not too large."""
    if draft.kind is not Kind.OBSERVATION:
        raise ValueError("not an observation")
    body = draft.body
    if not isinstance(body, Mapping) or set(body) - {"form", "version", "values", "place"}:
        raise _bad("a body has form, version, values and place")
    body = plain(body)
    form, version = body.get("form"), body.get("version")
    if not isinstance(form, str) or not _FORM_ID.fullmatch(form):
        raise _bad("form is no name of a form")
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        raise _bad("version is no number of a version")
    if not isinstance(body.get("values"), Mapping):
        raise _bad("values are answers by question")
    if len(draft.photos) > MAX_PHOTOS:
        raise _bad(f"more than {MAX_PHOTOS} photos")
    if not math.isfinite(draft.at.utc_s):
        raise _bad("no moment")
    return body


def _bad(why: str) -> PersonError:
    return PersonError("bad_observation", why)


def _as_sent(draft: Draft) -> Any:
    """What the sender said, whether or not this node has normalised it."""
    body = draft.body
    values = body.get("raw", body.get("values"))
    said = (body.get("form"), body.get("version"), values, _plain_place(body.get("place")))
    who = (draft.kind, draft.subject, draft.author, draft.supersedes)
    return (*who, draft.at.utc_s, *said, list(draft.photos))


def _plain_place(place: Any) -> Any:
    try:
        return normalising.place(place, lambda *_, **__: None)
    except Refused:
        return place


def _believed(at: Instant, clock: Clock | None) -> tuple[Instant, list[Problem]]:
    if at.utc_s < EARLIEST_UTC_S:
        return Instant(at.utc_s, Trust.UNKNOWN), [Problem("", "at_too_old", {"utc_s": at.utc_s})]
    now = clock.now() if clock else None
    if now and now.trust is not Trust.UNKNOWN and at.utc_s > now.utc_s + DAY_S:
        return at, [Problem("", "at_in_future", {"utc_s": at.utc_s})]
    return at, []


def _today(at: Instant, clock: Clock | None) -> datetime.date | None:
    """The day by the node's clock, else by the tablet's; None where neither can be right."""
    now = clock.now() if clock else None
    moment = now if now and now.trust is not Trust.UNKNOWN else at
    if not EARLIEST_UTC_S <= moment.utc_s < 2 * EARLIEST_UTC_S:
        return None
    return datetime.datetime.fromtimestamp(moment.utc_s, datetime.UTC).date()


def _place(
    place: Any, problems: list[Problem], warnings: list[Problem]
) -> dict[str, float | None] | None:
    def remark(code: str, **details: Any) -> None:
        warnings.append(Problem("place", code, details))

    if place is None:
        return None
    try:
        return normalising.place(place, remark)
    except Refused as refused:
        problems.append(Problem("place", refused.code, refused.details))
        return None


def _values(
    form: Form,
    draft: Draft,
    today: datetime.date | None,
    vocabulary: Vocabulary | None,
    problems: list[Problem],
    warnings: list[Problem],
) -> dict[str, Any]:
    try:
        checked = check(form, draft.body["values"], today, vocabulary)
    except FormError as error:
        problems.extend(error.problems)
        return {}
    warnings.extend(checked.warnings)
    named = {
        sha: q.id
        for q in form.questions.values()
        if q.type is Type.PHOTO
        for sha in checked.values.get(q.id, ())
    }
    missing = [(q, sha) for sha, q in named.items() if sha not in draft.photos]
    problems.extend(Problem(q, "photo_not_sent", {"photo": sha}) for q, sha in missing)
    unnamed = [sha for sha in draft.photos if sha not in named]
    warnings.extend(Problem("", "photo_unnamed", {"photo": sha}) for sha in unnamed)
    return checked.values
