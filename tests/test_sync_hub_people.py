"""People of the hub: who gets in, and that nobody sees what no grant of theirs shows."""

from __future__ import annotations

import io
import itertools
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from edge_app.cli import main
from field_data.errors import PersonError
from field_data.ids import new_id
from sync.hub.app import Hub, create_hub, hub_of
from sync.hub.export import FORMATS
from sync.hub.export_query import What
from sync.hub.people import People
from sync.hub.people_grants import Grant, Role
from sync.hub.people_tables import AUDIT, ENDED, PEOPLE, TOKENS
from tests.hub_records import PASSWORD, Records, client_of, everything
from tests.hubs import settings_in

PLACES = [(org, region) for org in ("CoopA", "CoopB") for region in ("North", "South")]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    made = create_hub(settings_in(tmp_path_factory.mktemp("hub")))
    yield made
    hub_of(made).database.close()


@pytest.fixture(scope="module")
def marks(app: Flask) -> dict[tuple[str, str], list[str]]:
    """A full set of records at each place; what must be in no answer about another one."""
    records, found = Records(hub_of(app)), {}
    for number, (org, region) in enumerate(PLACES):
        mark = f"MARK{number}X"
        node = records.node(org, region, name=f"{mark} node", health={"version": mark})
        shots = [records.photo(node, 10 * number + each) for each in range(2)]
        ids = [
            records.scouting(node, mark, photos=shots[:1], subject=f"{mark}-field"),
            records.harvest(node, author=mark),
            records.field(node, subject=f"{mark}-field"),
            records.review(node, f"{mark}-plant", "a", crop=mark, photos=shots[1:]),
            records.review(node, f"{mark}-plant", "b", crop=mark),
        ]
        gone = records.scouting(node, mark)
        records.erase(gone)
        found[org, region] = [mark, node, *shots, *ids, gone]
    return found


def text_of(client: FlaskClient, url: str) -> str:
    """Everything that the answer says, whatever its form; a refusal says nothing of records."""
    answer = client.get(url)
    assert answer.status_code in (200, 403, 404), (url, answer.status_code, answer.data[:300])
    data = answer.data
    if data[:4] == b"PAR1":
        return str(pq.read_table(io.BytesIO(data)).to_pylist())
    if data[:4] == b"PK\x03\x04":
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = archive.namelist()
        return " ".join([*names, *(archive.read(n).decode("latin-1") for n in names)])
    return str(data, "latin-1")


def urls(ids: list[str], photo: str) -> dict[str, list[str]]:
    """Every address that says something of records, by endpoint; ``ids`` are everybody's."""
    tables = [str(what) for what in What]
    record = ids[0]
    return {
        "ogc.landing": ["/ogc/"],
        "ogc.conformance": ["/ogc/conformance"],
        "ogc.api": ["/ogc/api"],
        "ogc.collections": ["/ogc/collections"],
        "ogc.collection": [f"/ogc/collections/{t}" for t in tables],
        "ogc.items": [f"/ogc/collections/{t}/items" for t in tables],
        "ogc.item": [f"/ogc/collections/{t}/items/{id}" for t in tables
                     for id in (*ids, f"{record}.{photo}")],
        "pull.dictionary": [f"/export/{t}.dictionary.json" for t in tables],
        "pull.export": [f"/export/{t}.{f.ending}" for t in tables for f in FORMATS.values()],
        "pull.pull": [f"/pull/{t}" for t in tables],
        "pages.login": ["/login"],
        "pages.overview": ["/"],
        "pages.map": ["/map"],
        "pages.records": [f"/records?what={t}" for t in tables],
        "pages.record": [f"/records/{id}" for id in ids],
        "pages.photo": [f"/records/{record}/photos/{photo}"],
        "pages.agreement": ["/agreement"],
        "pages.health": ["/nodes"],
        "pages.downloads": ["/downloads"],
    }  # fmt: skip


def test_every_address_is_looked_at(app: Flask) -> None:
    rules = [r for r in app.url_map.iter_rules() if r.endpoint.split(".")[0] in
             ("ogc", "pull", "pages") and "GET" in (r.methods or ())]  # fmt: skip
    assert {r.endpoint for r in rules} - {"pages.static", "pages.vendor"} == {*urls(["x"], "y")}


_places = st.sets(st.sampled_from([*PLACES, ("CoopA", "*"), ("*", "South")]), max_size=2)


@settings(max_examples=10, deadline=None)
@given(places=_places, role=st.sampled_from(Role))
def test_nobody_sees_what_no_grant_shows(
    app: Flask, marks: dict[tuple[str, str], list[str]], places: set[tuple[str, str]], role: Role
) -> None:
    client = client_of(app, *(Grant(*place, role) for place in places), name=new_id())
    mine = [each for each in marks if any(_within(each, place) for place in places)]
    foreign = [mark for place, known in marks.items() if place not in mine for mark in known]
    ids = [each for known in marks.values() for each in known if each.count(".") == 2]
    photos = [(known[4], known[2]) for known in marks.values()]
    asked = {url for id, photo in photos for found in urls([id, *ids], photo).values()
             for url in found}  # fmt: skip
    said = {url: text_of(client, url) for url in asked}
    for url, text in said.items():
        # A foreign id that was asked for may come back in the refusal, nothing else.
        leaked = [mark for mark in foreign if mark in text and mark not in url]
        assert not leaked, (url, leaked)
    for place in mine:
        mark, _, photo, _, scouting, *_ = marks[place]
        assert mark in said[f"/records/{scouting}"]
        assert mark in said["/export/observations.parquet"]
        shown = photo in said["/ogc/collections/photos/items"]
        assert shown == (role is not Role.READER)


def _within(place: tuple[str, str], granted: tuple[str, str]) -> bool:
    return all(g in (p, "*") for p, g in zip(place, granted, strict=True))


def test_strangers_and_ended_tokens_get_nothing(app: Flask) -> None:
    stranger = app.test_client()
    assert stranger.get("/ogc/collections").status_code == 401
    assert stranger.get("/pull/reviews").headers["WWW-Authenticate"].startswith("Basic ")
    assert stranger.get("/map?crop=X").headers["Location"] == "/login?next=/map?crop%3DX"
    people = People(hub_of(app).database)
    people.add("Brief")
    token = people.new_token("Brief", "qgis")
    basic = ("anything", token)
    assert stranger.get("/ogc/", auth=basic).status_code == 200
    with hub_of(app).database.reading() as db:
        kept = db.execute(select(TOKENS.c.sha256)).scalars().all()
    assert all(token not in each for each in kept)
    assert people.revoke_token(people.tokens("Brief")[0]["sha256"]) == 1
    assert stranger.get("/ogc/", auth=basic).status_code == 401
    past = People(hub_of(app).database, lambda: time.time() - 400 * 86_400)
    assert people.of_token(past.new_token("Brief", "old")) is None
    fresh = people.new_token("Brief", "again")
    people.revoke("Brief")
    assert people.of_token(fresh) is None


def _token_of(page: bytes) -> str:
    found = re.search(rb'name="form_token" value="(\w+)"', page)
    assert found
    return found[1].decode()


def _log_in(client: FlaskClient, name: str, password: str, **more: str) -> int:
    form = {"name": name, "password": password, "form_token": _token_of(client.get("/login").data)}
    return client.post("/login", data=form | more).status_code


def test_a_session_needs_the_password_its_own_forms_and_ends(app: Flask) -> None:
    people = People(hub_of(app).database)
    person = people.add("Zineb", PASSWORD)
    client = app.test_client()
    form = {"name": "Zineb", "password": PASSWORD}
    assert client.post("/login", data=form).status_code == 400  # another site's form
    assert _log_in(client, "Zineb", "not that one at all") == 403
    assert _log_in(client, "zineb ", PASSWORD, next="//evil.example/") == 303
    assert client.get("/").status_code == 200
    assert client.post("/downloads/token", data={"purpose": "x"}).status_code == 400
    page = client.get("/downloads").data
    made = client.post("/downloads/token", data={"purpose": "x", "form_token": _token_of(page)})
    found = re.search(rb'id="token">(ghalla_[\w-]+)<', made.data)
    assert found
    mine = people.of_token(found[1].decode())
    assert mine is not None
    assert mine.id == person.id
    assert found[1] not in client.get("/downloads").data  # shown once
    people.set_password("Zineb", "another olive 42 tree")
    assert client.get("/").status_code == 302
    with hub_of(app).database.reading() as db:
        secrets = db.execute(select(PEOPLE.c.secret).where(PEOPLE.c.id == person.id)).scalar_one()
        logins = db.execute(select(AUDIT.c.action).where(AUDIT.c.person == person.id)).scalars()
    assert secrets.startswith("$argon2id$")
    assert "login" in logins.all()


def test_out_is_out_also_for_who_copied_the_cookie(app: Flask) -> None:
    People(hub_of(app).database).add("Rachid", PASSWORD)
    client, thief = app.test_client(), app.test_client()
    assert _log_in(client, "Rachid", PASSWORD) == 303
    cookie = client.get_cookie("ghalla_hub_session")
    assert cookie is not None
    thief.set_cookie("ghalla_hub_session", cookie.value)
    assert thief.get("/").status_code == 200
    token = _token_of(client.get("/downloads").data)
    assert client.post("/logout", data={"form_token": token}).status_code == 303
    assert client.get("/").status_code == thief.get("/").status_code == 302
    assert _log_in(client, "Rachid", PASSWORD) == 303
    assert client.get("/").status_code == 200
    with hub_of(app).database.reading() as db:
        kept = db.execute(select(ENDED.c.sha256)).scalars().all()
    assert len(kept) == 1
    assert len(kept[0]) == 64


def test_behind_a_proxy_links_and_cookies_are_those_of_https(tmp_path: Path) -> None:
    app = create_hub(replace(settings_in(tmp_path), proxies=1))
    said = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "hub.example.org"}  # fmt: skip
    page = app.test_client().get("/login", headers=said)
    assert "; Secure" in page.headers["Set-Cookie"]
    links = client_of(app, everything()).get("/ogc/", headers=said).get_json()["links"]
    assert {link["href"].partition("/ogc")[0] for link in links} == {"https://hub.example.org"}
    hub_of(app).database.close()


@pytest.mark.parametrize("url", ["/export/observations.csv", "/pull/photos", "/ogc/collections"])
def test_no_cache_keeps_what_was_pulled(app: Flask, url: str) -> None:
    answer = client_of(app, everything(), name=f"Reader of {url}").get(url)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


def test_no_name_that_is_typed_breaks_the_login(any_hub: Hub) -> None:
    people = People(any_hub.database, itertools.count(1e6, 1e6).__next__)
    for name in ("a\0b", "\0", "x" * 5000):
        with pytest.raises(PersonError, match="no such"):
            people.login(name, PASSWORD)
    people.add("Zineb")
    assert people.new_token("Zineb", "a\0b").startswith("ghalla_")


def test_only_ones_own_path_follows_a_login(app: Flask) -> None:
    people, client = People(hub_of(app).database), app.test_client()
    people.add("Omar", PASSWORD)
    for path, then in (("//evil.example/", "/"), ("/\\evil", "/"), ("/map?crop=X", "/map?crop=X")):
        token = _token_of(client.get("/login").data)
        form = {"name": "Omar", "password": PASSWORD, "next": path, "form_token": token}
        assert client.post("/login", data=form).headers["Location"] == then


def test_wrong_passwords_cost_growing_pauses_across_processes(any_hub: Hub) -> None:
    clock = [1_000_000.0]
    one, two = (People(any_hub.database, lambda: clock[0]) for _ in range(2))
    one.add("Hind", PASSWORD)
    for turn in range(5):
        with pytest.raises(PersonError, match="no such name"):
            (one, two)[turn % 2].login("Hind", "wrong and wrong")
    with pytest.raises(PersonError) as paused:
        two.login("Hind", PASSWORD)
    assert paused.value.code == "login_paused"
    clock[0] += float(str(paused.value.details["wait_s"])) + 1
    assert two.login("Hind", PASSWORD).name == "Hind"
    with pytest.raises(PersonError, match="no such name"):
        one.login("Nobody", PASSWORD)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "my name is Hind B.", "x" * 11])
def test_weak_passwords_are_refused(any_hub: Hub, password: str) -> None:
    with pytest.raises(PersonError) as refused:
        People(any_hub.database).add("Hind B.", password)
    assert refused.value.code == "weak_password"
    assert People(any_hub.database).listed() == []


def test_people_from_the_command_line(tmp_path: Path) -> None:
    where = ["--database", f"sqlite:///{tmp_path}/hub.sqlite", "--blobs", str(tmp_path / "blobs")]

    def run(*words: str, typed: str = "", code: int = 0) -> str:
        group, verb, *rest = words
        done = CliRunner().invoke(main, ["hub", group, verb, *where, *rest], input=typed)
        assert done.exit_code == code, done.output
        return done.output

    run("person", "add", "Leila", "--password-stdin", typed=f"{PASSWORD}\n")
    run("person", "add", "leila", "--no-password", code=1)
    run("person", "grant", "Leila", "--organisation", "CoopA", "--role", "agronomist")
    assert "CoopA/*:agronomist" in run("person", "list", "--json")
    run("person", "grant", "Leila", "--organisation", "CoopA", "--take-back")
    assert "CoopA" not in run("person", "list", "--json")
    made = run("person", "token", "Leila", "--for", "qgis")
    assert made.startswith("token ghalla_")
    start = run("person", "token", "Leila", "--list").split()[1]
    assert "revoked 1" in run("person", "token", "Leila", "--revoke", start)
    run("person", "revoke", "Leila")
    assert run("person", "list", "--json").strip() == "[]"
    run("person", "revoke", "Leila", code=1)


def test_a_person_without_grants_sees_nothing(app: Flask) -> None:
    client = client_of(app, name="New")
    page = client.get("/ogc/collections/observations/items").get_json()
    assert page["features"] == []
    assert client.get("/pull/photos").status_code == 403
    assert b"Nobody has given you access" in client.get("/?lang=en").data
    full = client_of(app, everything(), name="Full")
    assert full.get("/ogc/collections/observations/items").get_json()["features"]
