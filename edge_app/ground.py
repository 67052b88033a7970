"""What agents work with on one node: events, land, people, forms, reviews; wired once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

from edge_app.access.gate import Gate
from edge_app.field_risks import FieldRisks
from edge_app.field_water import FieldWater
from edge_app.field_windows import FieldWindows
from edge_app.forecasts import Forecasts
from edge_app.home_forms import forms_of
from edge_app.settings import MB, Settings
from edge_app.sky import Sky
from edge_app.uplink_files import Bell, forget_sealed
from edge_app.weather_desk import WeatherDesk
from edge_app.week.desk import Adviser, WeekDesk
from field_data.audit_log import AuditLog
from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.errors import KeeperError
from field_data.events import EventLog
from field_data.field_links import FieldLinks
from field_data.outbox import Outbox
from field_data.people import People
from field_data.photo_quota import limit_photos
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore
from field_data.privacy import Privacy
from field_data.registry import Registry
from field_data.retention import Retention, Rules
from field_data.review_desk import ReviewDesk
from field_data.types import Field, Instant

T = TypeVar("T")
# A folder of the home with calendars of its own.
CALENDARS = "calendars"


class Ground:
    """The ground truth of one node; pages and the tablets' API reach it through here."""

    def __init__(
        self, store: DocumentStore, photos: PhotoStore, node: str, settings: Settings | None = None
    ) -> None:
        self.store = store
        self.photos = photos
        self.node = node
        self.settings = settings or Settings()
        self.events = EventLog(store, node, photos)
        self.photo_uses = PhotoUses(store, photos)
        self.outbox = Outbox(store, self.events, self.photo_uses)
        self.bell = Bell()
        if self.settings.photo_quota_mb:
            limit = self.settings.photo_quota_mb * MB
            limit_photos(photos, limit, store, self.events, self.outbox)
        self.registry = Registry(store, self.events)
        self.sky = Sky(photos.folder.parent, self.registry, self.settings)
        self.forecasts = Forecasts(store, self.registry, self.events, self.sky)
        self.links = FieldLinks(store)
        self.forms, self.broken_forms = forms_of(photos.folder.parent)
        self.people = People(store)
        self.audit = AuditLog(store, photos.folder.parent)
        self.gate = Gate(store, self.people, self.audit)
        self.diagnoses = DiagnosisLog(store, photos)
        self.reviews = ReviewDesk(store, self.diagnoses, self.events, self.settings.shares)
        self.weather = WeatherDesk(
            photos.folder.parent, self.registry, self.events, self.settings, self._moment
        )
        self.water = FieldWater(self.registry, self.events, self.sky, self.weather)
        self.week = self._week(photos.folder.parent)
        self.privacy = Privacy(
            store, photos, self.events, self.people, self.audit, self.gate.forget_person
        )
        self.privacy.projections.append(self.registry.rebuild)
        self.privacy.elsewhere.append(self.sky.forget)
        self.privacy.elsewhere.append(lambda _subjects: forget_sealed(store, photos.folder.parent))
        self.privacy.elsewhere.append(self.forecasts.forget)
        self.privacy.elsewhere.append(self.links.forget)
        self.privacy.elsewhere.append(self.week.forget)
        self.retention = Retention(self._rules(), store, photos, self.events, self.audit)

    def daily(self) -> None:
        """What is done once a day: what is too old goes."""
        self.gate.sessions.tidy()
        self.retention.run()
        self.forecasts.daily()
        try:
            self.weather.daily()
        finally:
            self.week.daily()

    def _week(self, home: Path) -> WeekDesk:
        """Who advises on the week of a field."""
        advisers: dict[str, Adviser] = {
            "water": self.water,
            "risks": FieldRisks(self.registry, self.events, self.reviews, self.weather),
            "windows": FieldWindows(
                self.registry, self.events, self.weather, self.water, home / CALENDARS
            ),
        }
        return WeekDesk(
            self.store,
            self.registry,
            self.events,
            advisers,
            self._today,
            lambda: (
                self.registry.revision(),
                self.sky.revision(),
                self._read(self.weather.revision),
            ),
            self._moment,
        )

    def _moment(self) -> Instant:
        return self.forecasts.now()

    def _today(self, field: Field) -> date | None:
        """The day for a field; where its pictures are damaged, the clock alone is asked."""
        return self._read(lambda: self.forecasts.today(field)) or self.forecasts.today()

    def _read(self, ask: Callable[[], T]) -> T | None:
        """An answer; None from an archive that cannot be read: health tells of that."""
        try:
            return ask()
        except KeeperError:
            return None

    def _rules(self) -> Rules:
        return Rules(
            self.settings.keep_answers_days,
            self.settings.keep_observation_photos_days,
            self.settings.keep_audit_days,
        )
