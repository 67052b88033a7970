"""OGC API – Features of the hub with GDAL, a client nobody here wrote; the pull by cursor."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from sync.hub.api_openapi import CONFORMANCE
from sync.hub.app import create_hub, hub_of
from sync.hub.export_query import Cursor, What, Wish
from sync.hub.pages_figures import counts
from sync.hub.people_grants import Role
from sync.hub.settings import HubSettings
from tests.hub_records import MAY_S, Records, client_of, everything, token_for
from tests.hubs import Postgres, settings_in
from tests.serving import listening

ITEMS = "/ogc/collections/observations/items"


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    made = settings_in(tmp_path)
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        made = HubSettings(server.new_database(), made.blobs, spare_bytes=0)
    app = create_hub(made)
    yield app
    hub_of(app).database.close()


@pytest.fixture
def records(app: Flask) -> Records:
    return Records(hub_of(app))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return client_of(app, everything())


def features(client: FlaskClient, url: str) -> list[dict[str, Any]]:
    """All features, page by page as ``next`` leads."""
    found = []
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.data
        assert answer.mimetype == "application/geo+json"
        page = answer.get_json(force=True)
        assert page["numberReturned"] == len(page["features"])
        found += page["features"]
        links = {link["rel"]: link["href"] for link in page["links"]}
        parts = urlsplit(links.get("next", ""))
        url = f"{parts.path}?{parts.query}" if parts.path else ""
    return found


def test_only_what_stands_is_a_feature(records: Records, client: FlaskClient) -> None:
    node = records.node("Coop", "Gharb")
    stands = records.scouting(node)
    old, gone, twice = (records.scouting(node) for _ in range(3))
    records.change(old, superseded=True)
    records.erase(gone)
    records.change(twice, same_as="0:1")
    assert [each["id"] for each in features(client, ITEMS)] == [stands]
    for id in (old, gone, twice, "nonsense", f"{node}.0.99", f"{node}.0.1'--"):
        assert client.get(f"{ITEMS}/{id}").status_code == 404
    one = client.get(f"{ITEMS}/{stands}").get_json(force=True)
    assert one["geometry"] == {"type": "Point", "coordinates": [-7.5, 33.5]}
    assert one["properties"]["place_precision_m"] == 8.0
    assert one["properties"]["at_utc"] == "2026-05-01T09:00:00.000Z"


def test_a_clock_that_is_far_off_breaks_no_list(records: Records, client: FlaskClient) -> None:
    node = records.node("Coop", "Gharb")
    records.scouting(node)
    records.scouting(node, at_s=1e300)
    records.scouting(node, at_s=-1e300)
    collections = client.get("/ogc/collections").get_json()["collections"]
    assert collections[0]["extent"]["temporal"]["interval"] == [[None, None]]
    assert len(features(client, ITEMS)) == 3
    total, by = counts(records.hub.database, Wish(What.OBSERVATIONS), [everything()])
    assert (total, by["week"]) == (3, [("2026-04-27", 1)])


def test_a_coarse_place_says_so(records: Records, client: FlaskClient) -> None:
    node = records.node("Coop", "Gharb")
    id = records.scouting(node, lon=-7.495, lat=33.505, coarse=True)
    said = client.get(f"{ITEMS}/{id}").get_json(force=True)["properties"]
    assert (said["coarse"], said["place_precision_m"]) == (True, 1000.0)


def test_filters_find_what_they_should(records: Records, client: FlaskClient) -> None:
    node, other = records.node("Coop", "Gharb"), records.node("Coop", "Souss")
    here = records.scouting(node, "LYPES", "PHYTIN", -7.5, 33.5, at_s=MAY_S)
    there = records.scouting(other, "TRZAX", "healthy", -9.5, 30.4, at_s=MAY_S + 5 * 86_400)
    west = records.scouting(other, "TRZAX", "PUCCST", 179.9, -16.0, at_s=MAY_S + 9 * 86_400)
    nowhere = records.harvest(node, at_s=MAY_S + 86_400)
    asked = {
        "bbox=-8,33,-7,34": [here],
        "bbox=-10,30,0,-7,34,900": [here, there],
        "bbox=170,-20,-170,0": [west],
        "bbox=-180,-90,180,90": [here, there, west],
        "datetime=2026-05-01": [here],
        "datetime=2026-05-01T08:00:00Z": [here],
        "datetime=2026-05-02/2026-05-06": [there, nowhere],
        "datetime=../2026-05-02": [here, nowhere],
        "datetime=2026-05-06/..": [there, west],
        "crop=TRZAX&condition=healthy": [there],
        "crop=TRZAX": [there, west, nowhere],
        "region=Souss": [there, west],
        f"node={node}&form=scouting": [here],
        "crop=' OR 1=1 --".replace(" OR 1=1 --", ""): [],
    }
    for query, ids in asked.items():
        assert sorted(f["id"] for f in features(client, f"{ITEMS}?{query}")) == sorted(ids), query
    yields = features(client, "/ogc/collections/yields/items")
    assert [(f["id"], f["properties"]["t_ha"]) for f in yields] == [(nowhere, 2.5)]


@pytest.mark.parametrize(
    "query",
    [
        "bbox=1,2,3", "bbox=a,b,c,d", "bbox=-200,0,1,1", "bbox=0,50,1,40", "bbox=nan,0,1,1",
        "bbox=-1e400,0,1,1", "datetime=yesterday", "datetime=2026-05-02/2026-05-01",
        "datetime=../..", "datetime=2026-13-01", "limit=0", "limit=-1", "limit=ten",
        "limit=%D9%A1", "after=x", "after=W10", "after=WyJvYnNlcnZhdGlvbnMiLCIxIl0",
        "crop=' OR 1=1; DROP TABLE events --", "crop=%00", "colour=red", "crop=A&crop=B", "f=html",
        "datetime=9999999999999999999999",
    ],
)  # fmt: skip
def test_bad_parameters_are_refused_with_the_reason(
    records: Records, client: FlaskClient, query: str
) -> None:
    records.scouting(records.node("Coop", "Gharb"))
    answer = client.get(f"{ITEMS}?{query}")
    assert answer.status_code == 400
    said = answer.get_json()
    assert said["code"] in ("bad_parameter", "bad_cursor")
    assert said["description"]
    assert len(records.all()) == 1


def test_a_cursor_of_one_table_is_none_of_another(client: FlaskClient) -> None:
    for text in (Cursor(5).text(What.REVIEWS), Cursor(1 << 70).text(What.OBSERVATIONS),
                 Cursor(1, "a\0b").text(What.OBSERVATIONS)):  # fmt: skip
        assert client.get(f"/pull/observations?after={text}").status_code == 400
    assert client.get(f"/pull/reviews?after={Cursor(5).text(What.REVIEWS)}").status_code == 200


@pytest.mark.parametrize("what", list(What))
def test_pages_hold_each_feature_once(records: Records, client: FlaskClient, what: What) -> None:
    node = records.node("Coop", "Gharb")
    shots = [records.photo(node, seed) for seed in range(3)]
    for _ in range(4):
        records.scouting(node, photos=shots, arrival=7)  # they came in one batch
        records.harvest(node)
        records.field(node)
        records.review(node, "plant", "a")
    all_of_it = [each["id"] for each in features(client, f"/ogc/collections/{what}/items")]
    assert len(all_of_it) == {"observations": 8, "photos": 12}.get(what, 4)
    for limit in (1, 3, 100_000):
        paged = features(client, f"/ogc/collections/{what}/items?limit={limit}")
        assert [each["id"] for each in paged] == all_of_it
    for id in all_of_it[:2]:
        assert client.get(f"/ogc/collections/{what}/items/{id}").get_json(force=True)["id"] == id


def test_the_api_describes_itself_truly(records: Records, client: FlaskClient) -> None:
    records.scouting(records.node("Coop", "Gharb"))
    landing = client.get("/ogc/").get_json()
    for link in landing["links"]:
        answer = client.get(urlsplit(link["href"]).path)
        assert answer.status_code == 200
        assert answer.content_type.split(";")[0] == link["type"].split(";")[0]
    assert client.get("/ogc/conformance").get_json()["conformsTo"] == list(CONFORMANCE)
    document = json.loads(client.get("/ogc/api").data)
    validate(document)
    for path, verbs in document["paths"].items():
        assert "get" in verbs
        if "{" not in path:
            assert client.get(f"/ogc{path}").status_code == 200, path
    for each in client.get("/ogc/collections").get_json()["collections"]:
        for link in each["links"]:
            assert client.get(urlsplit(link["href"]).path).status_code == 200
    box = client.get("/ogc/collections/observations").get_json()["extent"]["spatial"]["bbox"]
    assert box == [[-7.5, 33.5, -7.5, 33.5]]
    assert client.get("/ogc/collections/secrets/items").get_json()["code"] == "not_found"


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with listening(app) as address:
        yield address


def _ogr(address: str, token: str, *words: str, basic: bool = False) -> str:
    login = ["GDAL_HTTP_USERPWD", f"qgis:{token}"] if basic else \
        ["GDAL_HTTP_HEADERS", f"Authorization: Bearer {token}"]  # fmt: skip
    command = ["ogrinfo", "--config", *login, "-ro", f"OAPIF:{address}/ogc", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "ERROR" not in done.stderr, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("basic", [False, True])
def test_gdal_opens_it(app: Flask, records: Records, address: str, basic: bool) -> None:
    node = records.node("Coop", "Gharb")
    for number in range(25):
        records.scouting(node, lon=-7.5 - number / 100)
        records.harvest(node)
    records.field(node)
    token = token_for(hub_of(app), everything(Role.READER))
    listed = _ogr(address, token, basic=basic)
    assert all(f": {what}" in listed for what in What)
    layer = _ogr(address, token, "observations", "-al", "-where", "crop = 'LYPES'",
                 "-spat", "-7.605", "33", "-7.4", "34", "-oo", "PAGE_SIZE=7")  # fmt: skip
    assert "Feature Count: 11" in layer
    assert "at_utc (DateTime)" in layer
    assert "place_precision_m (Real)" in layer
    assert "POINT (-7.5 33.5)" in layer
    assert "POLYGON ((-7.5 33.5" in _ogr(address, token, "fields", "-al")


# --- the pull by cursor ---------------------------------------------------------------------


class Copy:
    """A client that follows the cursor."""

    def __init__(self, client: FlaskClient, what: str) -> None:
        self.client, self.what, self.cursor = client, what, ""
        self.kept: dict[str, dict[str, Any]] = {}

    def follow(self, limit: int) -> None:
        more = True
        while more:
            after = f"&after={self.cursor}" if self.cursor else ""
            said = self.client.get(f"/pull/{self.what}?limit={limit}{after}").get_json()
            for each in said["records"]:
                if each.get("deleted"):
                    whole = [id for id in self.kept if f"{id}.".startswith(f"{each['id']}.")]
                    for id in whole:
                        del self.kept[id]
                else:
                    self.kept[each["id"]] = each
            self.cursor, more = said["cursor"], said["more"]


_steps = st.lists(
    st.tuples(st.sampled_from(["add", "photo", "harvest", "erase", "correct", "twice", "revise",
                               "withdraw", "follow"]), st.integers(0, 30)),
    max_size=30,
)  # fmt: skip


@settings(max_examples=15, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(steps=_steps, limit=st.integers(1, 4))
def test_who_follows_the_cursor_misses_nothing(
    app: Flask, client: FlaskClient, steps: list[tuple[str, int]], limit: int
) -> None:
    records = Records(hub_of(app), arrival=max((r.arrival for r in Records(hub_of(app)).all()),
                                               default=0))  # fmt: skip
    node = records.node("Coop", "Gharb")
    shots = [records.photo(node, seed) for seed in range(2)]
    copies = [Copy(client, what) for what in ("observations", "yields", "photos")]
    ids: list[str] = []
    for step, at in steps:
        if step == "add":
            ids.append(records.scouting(node))
        elif step == "photo":
            ids.append(records.scouting(node, photos=shots))
        elif step == "harvest":
            ids.append(records.harvest(node))
        elif step == "follow":
            copies[at % 3].follow(limit)
        elif ids:
            id = ids[at % len(ids)]
            change: dict[str, dict[str, Any]] = {
                "erase": {"rev": 255, "body": {}, "photos": [], "form": "", "lon": None},
                "correct": {"superseded": True},
                "twice": {"same_as": "0:1"},
                "revise": {"lon": -7.495},
                "withdraw": {"photos": [], "rev": 1},
            }
            stands = next(r for r in records.all() if f"{r.node}.0.{r.seq}" == id).rev < 255
            if stands:
                records.change(id, **change[step])
    for copy in copies:
        copy.follow(limit)
        there = features(client, f"/ogc/collections/{copy.what}/items?limit=1000")
        assert copy.kept == {each["id"]: each for each in there}
