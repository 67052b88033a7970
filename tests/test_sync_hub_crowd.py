"""Many nodes at once, and hubs that are killed meanwhile: short runs of two journeys."""

from __future__ import annotations

from sync.hub.settings import HubSettings
from tests.hubs import S3, Postgres, postgres, s3_server
from tests.journeys import hub_killed, reconnecting

__all__ = ["postgres", "s3_server"]


def test_two_hubs_killed_in_turn_lose_and_double_nothing(postgres: Postgres, s3_server: S3) -> None:
    settings = HubSettings(postgres.new_database(), s3_server.new_bucket(), spare_bytes=0)
    outcome = hub_killed.run(settings, nodes=3, segments=6, kills=3)
    assert outcome.sound, str(outcome)
    assert outcome.kills == 3
    assert (outcome.records, outcome.photos) == (180, 18)


def test_everybody_who_comes_back_at_once_is_served(postgres: Postgres, s3_server: S3) -> None:
    settings = HubSettings(postgres.new_database(), s3_server.new_bucket(), spare_bytes=0)
    outcome = reconnecting.run(settings, nodes=150, records=5, workers=2)
    assert outcome.sound, str(outcome)
    assert len(outcome.waited_s) == 150
