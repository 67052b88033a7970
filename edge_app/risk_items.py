"""Out of what is known of pests to come: when to look for what. Pure; codes in `field_risks`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from edge_app.risk_outlook import ModelOutlook, RiskOutlook
from field_data.days import day_of
from field_data.season_advice import AdviceItem, Confidence, Source, Topic, Urgency

WEEK = 7
# A stage whose dates are less sure than this is no help.
WIDEST_DAYS = 45
# A catch speaks for so long; after so many days without a reading the trap is asked for.
CATCH_DAYS, READ_DAYS = 10, 14


def items_of(told: RiskOutlook) -> tuple[AdviceItem, ...]:
    """All that is worth saying, the most urgent first."""
    found = [item for one in told.models if one.speaks for item in _of_model(told, one)]
    return tuple(sorted(found, key=lambda item: (-item.urgency, item.first_day or 0, item.pest)))


def source_of(one: ModelOutlook) -> Source:
    """Where a model's numbers come from."""
    main = one.model.main_source()
    return Source(main.text, main.url, one.model.reviewed)


def _of_model(told: RiskOutlook, one: ModelOutlook) -> Iterator[AdviceItem]:
    today = day_of(told.as_of)
    makers = (_infection,) if one.model.rule else (_stage, _catch, _read_trap)
    for make in makers:
        item = make(told, one, today)
        if item is not None:
            yield item


def _item(
    told: RiskOutlook, one: ModelOutlook, code: str, first: int, last: int, **more: Any
) -> AdviceItem:
    evidence = {"weather_state": told.weather_state, "diagnoses_21d": one.diagnoses}
    facts = {"model": one.model.id, **more.pop("facts")}
    if one.model.needs:
        facts["needs"] = one.model.needs
    return AdviceItem(
        field=told.field.id,
        topic=Topic.SCOUT,
        code=code,
        source=source_of(one),
        first_day=first,
        last_day=max(first, last),
        pest=one.model.pest,
        card=one.model.card(told.crop),
        form="scouting" if code in ("scout_stage", "scout_risk", "scout_trap") else one.model.form,
        facts=facts,
        evidence={k: v for k, v in {**evidence, **more.pop("evidence")}.items() if _known(v)},
        **more,
    )


def _sure(one: ModelOutlook, fair: bool) -> Confidence:
    """Never surer than the model's numbers: what nobody saw in a source is weak."""
    return Confidence.MEDIUM if fair and one.model.checked() == "seen" else Confidence.LOW


def _known(value: object) -> bool:
    return not (isinstance(value, float) and math.isnan(value))


def _urgency(one: ModelOutlook, days: int) -> Urgency:
    """By how soon; only what was seen here, or is about, must be looked for at once."""
    near = days <= 3
    if one.seen_here or one.diagnoses:
        return Urgency.NOW if near else Urgency.SOON
    return Urgency.SOON if near else Urgency.WEEK


def _stage(told: RiskOutlook, one: ModelOutlook, today: int) -> AdviceItem | None:
    """The next stage to look for whose dates touch the week that begins today."""
    for each in one.stages:
        if not each.stage.scout or each.low is None or each.day is None:
            continue  # not before the last day that is known
        # Where the end lies beyond the days known it is as far off as the beginning.
        middle = each.day
        high = each.high if each.high is not None else 2 * middle - each.low
        if each.low > today + WEEK or high < today or high - each.low > WIDEST_DAYS:
            continue
        how = one.beginning.how if one.beginning else ""
        sure = how in ("trap", "sighting")
        warmth = one.model.warmth
        return _item(
            told,
            one,
            "scout_stage",
            max(today, each.low),
            min(high, today + 2 * WEEK),
            urgency=_urgency(one, abs(middle - today)),
            confidence=_sure(one, sure),
            facts={"stage": each.stage.id, "generation": each.generation, "how": how},
            evidence={
                "warmth_dd": round(one.warmth_dd, 1),
                "stage_dd": (each.generation - 1) * one.model.generation + each.stage.total,
                "lower_c": warmth.lower_c if warmth else math.nan,
                "upper_c": warmth.upper_c if warmth else math.nan,
                "day": middle,
                "range_days": high - each.low,
            },
        )
    return None


def _catch(told: RiskOutlook, one: ModelOutlook, today: int) -> AdviceItem | None:
    trap = one.trap
    if trap is None or trap.count == 0 or today - trap.day > CATCH_DAYS:
        return None
    return _item(
        told,
        one,
        "scout_trap",
        today,
        today + 3,
        urgency=Urgency.SOON,
        confidence=Confidence.MEDIUM,
        facts={"count": trap.count, "days": trap.days, "days_ago": today - trap.day},
        evidence={"per_day": round(trap.per_day, 2)},
    )


def _read_trap(told: RiskOutlook, one: ModelOutlook, today: int) -> AdviceItem | None:
    """Ask for a trap where warmth is only counted from a date, or the last reading is old."""
    begins = one.beginning
    if begins is None or one.model.biofix is None or not one.model.biofix.traps:
        return None
    ago = today - one.trap.day if one.trap else -1
    if 0 <= ago <= READ_DAYS or (ago < 0 and today < begins.low):
        return None
    return _item(
        told,
        one,
        "scout_trap_read",
        today,
        today + WEEK,
        urgency=Urgency.WEEK,
        confidence=Confidence.LOW,
        facts={"traps": ",".join(one.model.biofix.traps), "days_ago": ago},
        evidence={},
    )


def _infection(told: RiskOutlook, one: ModelOutlook, today: int) -> AdviceItem | None:
    """Days in which an infection of before would show, else days in which one may happen."""
    likely = [each for each in one.risk if each.level >= (1 if one.seen_here else 2)]
    first, last = one.model.signs_days
    shows = [d for d in likely if d.day + first <= today + WEEK and d.day + last >= today]
    ahead = [d for d in likely if d.day >= today]
    if not likely or not (shows or ahead):
        return None
    # Of what may show now, the latest infection that already can; else the first that will.
    now = [d for d in shows if d.day + first <= today]
    cause = now[-1] if now else shows[0] if shows else ahead[0]
    phase = "signs" if shows else "infection"
    span = (cause.day + first, cause.day + last) if shows else _run(ahead)
    return _item(
        told,
        one,
        "scout_risk",
        max(today, span[0]),
        span[1],
        urgency=_urgency(one, max(0, span[0] - today)),
        confidence=_sure(one, cause.basis == "steps"),
        facts={"phase": phase, "basis": str(cause.basis), "seen": int(bool(one.seen_here))},
        evidence={
            "share": round(cause.share, 2),
            "wet_hours": cause.hours,
            "infection_day": cause.day,
        },
    )


def _run(days: list[Any]) -> tuple[int, int]:
    """The first days in a row."""
    last = days[0].day
    for _, after in itertools.pairwise(days):
        if after.day != last + 1:
            break
        last = after.day
    return days[0].day, last
