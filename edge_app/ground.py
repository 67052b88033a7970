"""What agents work with on one node: events, land, people, forms, reviews; wired once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_app.access.claim import Claim
from edge_app.access.gate import Gate
from edge_app.access.pace import Pace
from edge_app.access.released import Released
from edge_app.field_risks import FieldRisks
from edge_app.field_water import FieldWater
from edge_app.field_windows import CALENDARS, FieldWindows
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

if TYPE_CHECKING:
    from edge_app.tls_keys import TlsFiles


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
        home = photos.folder.parent
        self.sky = Sky(home, self.registry, self.settings)
        self.forecasts = Forecasts(store, self.registry, self.events, self.sky)
        self.links = FieldLinks(store)
        self.weather = WeatherDesk(home, self.registry, self.events, self.settings)
        self.forms, self.broken_forms = forms_of(photos.folder.parent)
        self.people = People(store)
        self.audit = AuditLog(store, photos.folder.parent)
        self.gate = Gate(store, self.people, self.audit)
        self.diagnoses = DiagnosisLog(store, photos)
        self.reviews = ReviewDesk(store, self.diagnoses, self.events, self.settings.shares)
        self.week = self._week(store, home)
        self.privacy = Privacy(
            store, photos, self.events, self.people, self.audit, self.gate.forget_person
        )
        self.privacy.projections.append(self.registry.rebuild)
        self.privacy.elsewhere.append(self.sky.forget)
        self.privacy.elsewhere.append(lambda _subjects: forget_sealed(store, photos.folder.parent))
        self.privacy.elsewhere.append(self.forecasts.forget)
        self.privacy.elsewhere.append(self.links.forget)
        # Of the people at the door; in memory, and the same for every application of this node.
        self.pace, self.released, self.claim = Pace(), Released(), Claim()
        self.tls: TlsFiles | None = None
        self.privacy.elsewhere.append(self.week.forget)
        self.retention = Retention(self._rules(), store, photos, self.events, self.audit)

    def daily(self) -> None:
        """What is done once a day: what is too old goes."""
        self.gate.sessions.tidy()
        self.retention.run()
        self.weather.daily()
        self.forecasts.daily()
        self.week.daily()

    def _week(self, store: DocumentStore, home: Path) -> WeekDesk:
        """Who advises on the week of a field."""
        known = (self.registry, self.events)
        water = FieldWater(*known, self.sky, self.weather)
        advisers: dict[str, Adviser] = {
            "water": water,
            "risks": FieldRisks(*known, self.reviews, self.weather),
            "windows": FieldWindows(*known, self.weather, water, home / CALENDARS),
        }
        return WeekDesk(
            store, *known, advisers, self.forecasts.today, lambda: (*self._land(), self._seen())
        )

    def _land(self) -> tuple[object, object]:
        return self.registry.revision(), self.events.last_seq()

    def _seen(self) -> tuple[object, object]:
        return self.sky.revision(), self.weather.revision()

    def close(self) -> None:
        """Close the archives that were opened."""
        self.sky.close()
        self.weather.close()

    def _rules(self) -> Rules:
        return Rules(
            self.settings.keep_answers_days,
            self.settings.keep_observation_photos_days,
            self.settings.keep_audit_days,
        )
