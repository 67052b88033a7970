"""Fields from above when things change or break: never an old picture, never a broken page."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from edge_app.cli import main
from edge_app.health import check_home, forms_part
from edge_app.node import init_home
from edge_app.settings import Settings, read_settings
from edge_app.sky import Sky, View
from edge_app.sky_health import satellite_part
from field_data.errors import KeeperError, PublisherError
from field_data.people import Role
from field_data.types import Field, Instant, Trust
from sat_ingest.archive import ARCHIVE, Archive, outline_key
from sat_ingest.grid import field_grid
from sat_ingest.mercator import Tile, tiles_over
from sat_ingest.tile_cache import CACHE, TileCache
from tests.people import Staff
from tests.skies import DAY, five_fields, seen, spring, square


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path) as opened:
        yield opened


@pytest.fixture
def season(staff: Staff) -> list[Field]:
    fields = five_fields(staff)
    spring(staff, fields)
    return fields


def tile_of(field: Field) -> Tile:
    return next(tiles_over(field_grid(field.boundary), 16))


def test_a_corrected_boundary_takes_the_old_pictures_away(
    staff: Staff, season: list[Field]
) -> None:
    agent, first = staff.client(Role.AGENT), season[0]
    picture = f"/en/staff/field/{first.id}/ndvi/2025-04-20.png"
    inner = next(iter(tiles_over(field_grid(first.boundary), 18)))
    alone = f"/sky/tiles/ndvi/2025-04-20/18/{inner.x}/{inner.y}.png"
    assert agent.get(picture).status_code == agent.get(alone).status_code == 200
    moved = [list(point) for point in square(-9)]
    staff.ground.registry.correct("keeper", first.id, {"boundary": moved})
    assert agent.get(picture).status_code == 404
    assert agent.get(alone).status_code == 204


def test_the_address_of_tiles_changes_with_what_they_show(
    staff: Staff, season: list[Field]
) -> None:
    agent, tile = staff.client(Role.AGENT), tile_of(season[0])

    def edition() -> str:
        page = agent.get("/en/staff/map").get_data(as_text=True)
        found = re.search(r"0\.png\?v=(\w+)", page)
        assert found
        return found[1]

    def kept(edition: str) -> str:
        path = f"/sky/tiles/ndvi/2025-04-30/16/{tile.x}/{tile.y}.png?v={edition}"
        return agent.get(path).headers["Cache-Control"]

    first = edition()
    assert edition() == first
    assert "max-age=86400" in kept(first)
    with Archive(staff.home / ARCHIVE) as archive:
        archive.put(seen(season[0], DAY + 70, 0.5))
    assert edition() != first
    assert "no-cache" in kept(first)


def test_who_is_erased_is_erased_from_the_sky(staff: Staff, season: list[Field]) -> None:
    ground = staff.ground
    owner = ground.people.add("Fatima", Role.FARMER, "fr")
    ground.registry.correct("keeper", season[0].farm, {"owner": owner.id})
    other = ground.registry.add_farm("keeper", "another farm")
    ground.registry.correct("keeper", season[4].id, {"farm": other.id})
    ground.sky.draw_all(View("ndvi", DAY + 50), (14,))
    ground.privacy.erase("keeper", owner.id)
    with Archive(staff.home / ARCHIVE) as archive:
        assert archive.fields() == [season[4].id]
        assert archive.status().windows == 12
    with TileCache(staff.home / CACHE) as cache:
        assert cache.layers() == []
    (staff.home / ARCHIVE).write_bytes(b"broken" * 1000)
    Sky(staff.home, ground.registry).forget([season[4].id])


def test_a_tile_drawn_too_late_is_not_kept(tmp_path: Path) -> None:
    here = Tile(0, 0, 0)
    with TileCache(tmp_path / "t.mbtiles") as cache:
        cache.begin("old")
        cache.begin("new")
        cache.put("ndvi/2025-03-01", here, b"old", "old")
        assert cache.get("ndvi/2025-03-01", here) is None
        cache.put("ndvi/2025-03-01", here, b"new", "new")
        assert cache.get("ndvi/2025-03-01", here, "new") == b"new"
        assert cache.get("ndvi/2025-03-01", here, "newer") is None


def test_a_day_that_clouds_took_is_a_cross_and_a_row(staff: Staff, season: list[Field]) -> None:
    agent, field = staff.client(Role.AGENT), season[2]
    before = agent.get(f"/en/staff/field/{field.id}").get_data(as_text=True)
    with Archive(staff.home / ARCHIVE) as archive:
        archive.hide(field.id, outline_key(field.boundary), DAY + 33)
        archive.hide(field.id, "another outline", DAY + 34)
    after = agent.get(f"/en/staff/field/{field.id}").get_data(as_text=True)
    assert (before.count('class="hidden"'), after.count('class="hidden"')) == (0, 1)
    assert "03/04/2025</bdi></td><td><bdi></bdi></td><td>hidden by clouds" in after
    assert after.count("<circle") == before.count("<circle")


def spoiled(path: Path, at: int = 0) -> None:
    """Overwrite a file from a place on, as a dying disk would."""
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + b"\xaa" * (len(whole) - at))


def asked(agent: FlaskClient, field: Field) -> list[tuple[int, bool]]:
    """Status of the two pages and whether they speak of damage."""
    pages = [agent.get(p) for p in ("/en/staff/map", f"/en/staff/field/{field.id}")]
    return [(p.status_code, "are damaged" in p.get_data(as_text=True)) for p in pages]


def test_a_damaged_archive_is_named_and_the_pages_go_on(staff: Staff, season: list[Field]) -> None:
    spoiled(staff.home / ARCHIVE)
    agent = staff.client(Role.AGENT)
    assert asked(agent, season[0]) == [(200, True), (200, True)]
    assert season[0].name in agent.get("/en/staff/map").get_data(as_text=True)
    part = satellite_part(staff.home, Settings())
    assert (part.ok, part.code) == (False, "store_damaged")
    assert str(ARCHIVE) in part.detail


def test_damage_behind_the_head_is_found_by_reading_all(staff: Staff, season: list[Field]) -> None:
    spoiled(staff.home / ARCHIVE, 3 * 4096)
    assert satellite_part(staff.home, Settings(), whole=True).code == "store_damaged"
    assert [status for status, _ in asked(staff.client(Role.AGENT), season[0])] == [200, 200]


def test_a_damaged_window_hides_its_field_only(staff: Staff, season: list[Field]) -> None:
    with Archive(staff.home / ARCHIVE) as archive:
        sql = "UPDATE windows SET data=x'00', size=1 WHERE field=? AND day=?"
        archive._run(sql, season[0].id, DAY + 50)
    agent = staff.client(Role.AGENT)
    path = "/en/staff/field/{}/ndvi/2025-04-20.png"
    assert agent.get(path.format(season[0].id)).status_code == 404
    assert agent.get(path.format(season[2].id)).status_code == 200


def test_a_cache_damaged_while_it_is_open_begins_anew(tmp_path: Path) -> None:
    path, large = tmp_path / "t.mbtiles", bytes(100_000)
    with TileCache(path) as cache:
        for x in range(40):  # more than SQLite remembers
            cache.put("ndvi/2025-03-01", Tile(14, x, 0), large)
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xaa" * (size - 4096))
        assert [cache.get("ndvi/2025-03-01", Tile(14, x, 0)) for x in range(40)].count(None) > 0
        cache.put("ndvi/2025-03-01", Tile(14, 0, 0), b"again")
        assert cache.get("ndvi/2025-03-01", Tile(14, 0, 0)) == b"again"
    assert path.stat().st_size < size


def test_a_full_disk_stops_no_map(
    staff: Staff, season: list[Field], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise KeeperError("disk_full", "no room")

    for name in ("put", "begin"):
        monkeypatch.setattr(TileCache, name, full)
    agent, tile = staff.client(Role.AGENT), tile_of(season[0])
    path = f"/sky/tiles/ndvi/2025-04-30/16/{tile.x}/{tile.y}.png"
    assert agent.get(path).status_code == 200


def test_the_health_of_the_sky_is_its_age_and_size(
    staff: Staff, season: list[Field], monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(day: int, trust: Trust) -> None:
        when = Instant(day * 86_400.0, trust)
        for module in ("sky", "sky_health"):
            monkeypatch.setattr(f"edge_app.{module}.now", lambda: when)

    at(DAY + 70, Trust.NTP)
    part = satellite_part(staff.home, Settings())
    assert (part.ok, part.code) == (True, "ok")
    assert part.detail.startswith("newest picture 2025-05-05, 5 days old; 61 windows")
    assert "of 2000 MB; map tiles 0.0 of 200 MB" in part.detail
    at(DAY + 200, Trust.NTP)
    assert satellite_part(staff.home, Settings()).code == "pictures_old"
    at(DAY + 200, Trust.UNKNOWN)
    assert satellite_part(staff.home, Settings()).ok


def test_quotas_are_those_of_the_settings(staff: Staff, season: list[Field]) -> None:
    sky = Sky(staff.home, staff.ground.registry, Settings(sat_tiles_mb=1, sat_archive_mb=10))
    status = sky.status()
    assert status is not None
    assert status.quota_bytes == 10_000_000
    for day in range(0, 61):
        sky.draw_all(View("ndvi", DAY + day), (14, 15, 16))
    with TileCache(staff.home / CACHE) as cache:
        assert 0 < cache.size_bytes() <= 1_000_000
    sky.close()
    for wrong in ({"sat_tiles_mb": 0}, {"sat_archive_mb": 9}):
        with pytest.raises(KeeperError):
            Settings(**wrong)  # type: ignore[arg-type]


def test_broken_forms_are_a_part_that_needs_care(tmp_path: Path) -> None:
    init_home(tmp_path)
    assert "forms" not in {part.name for part in check_home(tmp_path)}
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "visit.toml").write_text("id = [")
    [part] = [part for part in check_home(tmp_path) if part.name == "forms"]
    assert (part.ok, part.code) == (False, "bad_form")
    assert "visit.toml" in part.detail
    assert CliRunner().invoke(main, ["check", "--home", str(tmp_path)]).exit_code == 3
    many = forms_part([PublisherError("bad_form", f"form {n}") for n in range(5)])
    assert many is not None
    assert "and 2 more" in many.detail
    assert read_settings(tmp_path).sat_tiles_mb == 200
