"""What the pages show of a week: pictures, sentences, a strip of seven days, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask_babel import LazyString

from edge_app.advice import Advice, Localised
from edge_app.ground import Ground
from edge_app.i18n import request_lang
from edge_app.week import words
from edge_app.week.answering import choices
from edge_app.week.desk import FieldWeek
from edge_app.week.evidence import Figure, figures
from field_data.advice_log import KeptAdvice
from field_data.days import date_of, day_of
from field_data.season_advice import AdviceItem, Urgency
from field_data.types import Field

_STRIP = 7


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the strip: ``on`` where the item is about it."""

    letter: str
    number: int
    on: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item, ready to show."""

    item: AdviceItem
    text: Localised
    more: Localised | None
    picture: str
    days: tuple[Day, ...]
    dots: int
    sure: LazyString
    figures: tuple[Figure, ...]
    card: str
    audio: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about an advice of a week ago."""

    kept: KeptAdvice
    text: Localised
    picture: str
    on: date
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WeekView:
    """A field's week, ready to show; ``crop`` is an EPPO code."""

    told: FieldWeek
    crop: str | None
    items: tuple[ItemView, ...]
    data: tuple[ItemView, ...]
    others: tuple[ItemView, ...] = ()
    question: Question | None = None

    @property
    def field(self) -> Field:
        """Whose week it is."""
        return self.told.field

    @property
    def urgency(self) -> Urgency:
        """Of what is most urgent."""
        return self.told.week.urgency


class Viewer:
    """Makes views in the language of the request (or of `speaking`)."""

    def __init__(self, ground: Ground, advice: Advice) -> None:
        self._ground, self._advice = ground, advice

    def of(self, told: FieldWeek, *, ask: bool = False) -> WeekView:
        """A week as a page shows it; with ``ask`` the question that is due."""
        crop = self._crop(told.field, told.as_of)
        if told.as_of is None:
            return WeekView(told, crop, (), ())
        today, week = day_of(told.as_of), told.week

        def views(items: tuple[AdviceItem, ...]) -> tuple[ItemView, ...]:
            return tuple(self.item(each, today, crop) for each in items)

        return WeekView(
            told,
            crop,
            views(week.items),
            views(week.data),
            views(week.others),
            self._question(told.field, today, crop) if ask else None,
        )

    def item(self, item: AdviceItem, today: int, crop: str | None) -> ItemView:
        """One item on a day that counts from 1970-01-01."""
        return ItemView(
            item,
            words.sentence(item, today, lambda pest, lang: self._name(crop, pest, lang)),
            words.details(item),
            words.picture_of(item),
            _strip(item, today),
            words.DOTS[item.confidence],
            words.CONFIDENCES[item.confidence],
            tuple(figures(item.evidence)),
            item.card if any(card.id == item.card for card in self._advice.cards) else "",
            self._advice.recording(f"week.{item.code}", request_lang()) is not None,
        )

    def _question(self, field: Field, today: int, crop: str | None) -> Question | None:
        kept = self._ground.week.asks(field)
        if kept is None:
            return None
        shown = self.item(kept.item, kept.day, crop)
        on = date_of(kept.day)
        return Question(kept, shown.text, shown.picture, on, choices(kept))

    def _crop(self, field: Field, day: date | None) -> str | None:
        season = self._ground.registry.season_on(field.id, day) if day else None
        return season.crop if season else field.crop

    def _name(self, crop: str | None, pest: str, lang: str) -> str:
        return self._advice.condition_name(crop or "", pest, lang).text


def _strip(item: AdviceItem, today: int) -> tuple[Day, ...]:
    """Seven days that begin today; empty where the item has no day among them."""
    if item.first_day is None or item.last_day is None:
        return ()
    first, last = max(item.first_day, today), item.last_day
    if first >= today + _STRIP:
        return ()
    return tuple(
        Day(words.weekday_letter(day), date_of(day).day, first <= day <= max(first, last))
        for day in range(today, today + _STRIP)
    )
