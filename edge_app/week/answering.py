"""What became of an advice, told with one tap or by an agent: an observation that travels."""

from __future__ import annotations

from collections.abc import Callable

from edge_app.week.outcomes import FORM
from field_data import clock
from field_data.advice_log import KeptAdvice
from field_data.errors import PersonError
from field_data.events import Draft, Event, EventLog, Kind
from field_data.forms.library import Forms
from field_data.ids import new_id
from field_data.observations import check_observation
from field_data.season_advice import Topic
from field_data.types import Instant

# What can be tapped: the answers to the form's questions ``done`` and ``found``.
ANSWERS: dict[str, dict[str, str]] = {
    "yes": {"done": "yes"},
    "partly": {"done": "partly"},
    "no": {"done": "no"},
    "found": {"done": "yes", "found": "yes"},
    "not_found": {"done": "yes", "found": "no"},
}


def choices(kept: KeptAdvice) -> tuple[str, ...]:
    """The answers that make sense for an advice, as keys of `ANSWERS`."""
    if kept.item.topic is Topic.SCOUT:
        return ("found", "not_found", "no")
    return ("yes", "partly", "no")


def answer(
    events: EventLog,
    forms: Forms,
    kept: KeptAdvice,
    said: str,
    author: str,
    now: Callable[[], Instant] = clock.now,
) -> Event:
    """Keep what was answered about an advice; durable when this returns.

    Raises:
        PersonError: ``bad_answer`` for what cannot be tapped; those of the form.
        KeeperError: ``disk_full``.
    """
    if said not in choices(kept):
        raise PersonError("bad_answer", f"{said!r} is no answer to that")
    values = {"topic": str(kept.item.topic), "advice": kept.id, **ANSWERS[said]}
    version = forms.named(FORM).version
    body = {"form": FORM, "version": version, "values": values}
    draft = Draft(new_id(), Kind.OBSERVATION, kept.item.field, author, now(), body)
    return events.append(check_observation(draft, forms).draft).event
