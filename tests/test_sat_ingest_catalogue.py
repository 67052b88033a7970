"""Catalogues: searched by pages, crawled by links, hostile ones too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from field_data.errors import PersonError, PublisherError
from sat_ingest.catalogue import Catalogue, Query, resolved
from sat_ingest.ranges import Patience, Ranges
from sat_ingest.sources import Source, find_source, load_source, source_names
from tests.range_server import Fault, RangeServer

QUERY = Query((-8.0, 32.0, -7.9, 32.1), 19_000, 19_100)
ANY, _ = find_source("nowhere")


def item(name: str, when: str = "2022-02-01T11:00:00Z", **more: Any) -> dict[str, Any]:
    box = [-8.5, 31.5, -7.5, 32.5]
    return {"type": "Feature", "id": name, "bbox": box, "properties": {"datetime": when}} | more


@pytest.fixture
def ranges() -> Iterator[Ranges]:
    opened = Ranges(patience=Patience(attempts=3, base_s=0.001))
    yield opened
    opened.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    with RangeServer(tmp_path) as running:
        yield running


def names(catalogue: Catalogue) -> list[str]:
    return [str(found.item["id"]) for found in catalogue.items(QUERY)]


def root(server: RangeServer, *conforms: str) -> None:
    link = {"rel": "search", "href": "./search"}
    server.pages["/"] = lambda *_: {"links": [link], "conformsTo": list(conforms)}


def test_a_search_goes_from_page_to_page_and_survives_a_busy_server(
    server: RangeServer, ranges: Ranges
) -> None:
    bodies: list[dict[str, Any]] = []

    def search(_: str, body: bytes) -> dict[str, Any]:
        bodies.append(json.loads(body))
        page = bodies[-1].get("token", 0)
        link = {"rel": "next", "method": "POST", "merge": True, "href": server.url("search"),
                "body": {"token": page + 1}}  # fmt: skip
        return {"features": [item(f"i{page}")], "links": [link] if page < 2 else []}

    root(server, "https://api.stacspec.org/v1.0.0/item-search#fields")
    server.pages["/search"] = search
    server.faults.append(Fault("status", path="/search", status=429, headers={"Retry-After": "0"}))
    source = load_source("earth-search")
    assert names(Catalogue(server.url(""), source, ranges)) == ["i0", "i1", "i2"]
    assert bodies[0]["collections"] == ["sentinel-2-c1-l2a", "sentinel-2-l2a"]
    assert bodies[0]["bbox"] == list(QUERY.bbox)
    assert bodies[0]["datetime"] == "2022-01-07T00:00:00Z/2022-04-20T00:00:00Z"
    assert "assets.red.href" in bodies[0]["fields"]["include"]
    assert bodies[2]["bbox"] == bodies[0]["bbox"]


def test_a_search_by_get_where_post_is_not_known(server: RangeServer, ranges: Ranges) -> None:
    asked: list[dict[str, list[str]]] = []

    def search(path: str, _: bytes) -> dict[str, Any]:
        asked.append(parse_qs(urlsplit(path).query))
        more = [{"rel": "next", "href": "./search?page=2"}] if len(asked) == 1 else []
        return {"features": [item(f"i{len(asked)}")], "links": more}

    root(server)
    server.pages["/search"] = search
    server.faults.append(Fault("status", path="/search", status=405))
    assert names(Catalogue(server.url(""), ANY, ranges)) == ["i1", "i2"]
    assert asked[0]["bbox"] == ["-8.0,32.0,-7.9,32.1"]
    assert asked[1] == {"page": ["2"]}


def test_pages_in_a_loop_and_repeated_items_are_told(server: RangeServer, ranges: Ranges) -> None:
    links = [{"rel": "next", "href": "./search?page=1"}]
    root(server)
    server.pages["/search"] = lambda *_: {"features": [item("same")], "links": links}
    catalogue = Catalogue(server.url(""), ANY, ranges)
    assert names(catalogue) == ["same"]
    assert any("loop" in note for note in catalogue.notes)
    assert any("listed twice" in note for note in catalogue.notes)


def write(folder: Path, name: str, document: Any) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path)


def static(folder: Path) -> str:
    """A catalogue with a loop, a repeat, a broken child, and an item outside the days."""
    links = [{"rel": "child", "href": "./a/collection.json"}, {"rel": "child", "href": "gone.json"}]
    write(folder, "a/collection.json", {"type": "Collection", "links": [
        {"rel": "item", "href": "i1.json"},
        {"rel": "item", "href": "../a/i1.json"},
        {"rel": "item", "href": "late.json"},
        {"rel": "child", "href": "../catalog.json"},
        {"rel": "items", "href": "../list.json"},
    ]})  # fmt: skip
    write(folder, "a/i1.json", item("i1"))
    write(folder, "a/late.json", item("late", "2023-02-01T11:00:00Z"))
    write(folder, "list.json", {"type": "FeatureCollection", "features": [item("i2"), 7]})
    return write(folder, "catalog.json", {"type": "Catalog", "links": links})


@pytest.mark.parametrize("web", [False, True])
def test_a_static_catalogue_is_crawled_once(server: RangeServer, ranges: Ranges, web: bool) -> None:
    path = static(server.folder)
    catalogue = Catalogue(server.url("catalog.json") if web else path, ANY, ranges)
    assert sorted(names(catalogue)) == ["i1", "i2"]
    assert sum("read already" in note for note in catalogue.notes) == 2
    assert any("gone.json" in note for note in catalogue.notes)
    assert len(server.asked) == (6 if web else 0)


def test_items_are_asked_for_once_ever(server: RangeServer, ranges: Ranges, tmp_path: Path) -> None:
    static(server.folder)
    for expected in (6, 4):
        server.asked.clear()
        catalogue = Catalogue(server.url("catalog.json"), ANY, ranges, tmp_path / "cache")
        assert sorted(names(catalogue)) == ["i1", "i2"]
        assert len(server.asked) == expected


def test_items_called_by_another_day_are_not_read(server: RangeServer, ranges: Ranges) -> None:
    called = {"S2A_20220201T110000.json": True, "2022/02/03/i.json": True, "plain.json": True,
              "S2A_20210201_N0500_20220207T1.json": True, "S2A_20210201.json": False,
              "2019-02-01/i.json": False, "20229999.json": True}  # fmt: skip
    for name in called:
        write(server.folder, name, item(name))
    links = [{"rel": "item", "href": name} for name in called]
    write(server.folder, "catalog.json", {"type": "Catalog", "links": links})
    expected = sorted(name for name, read in called.items() if read)
    assert sorted(names(Catalogue(server.url("catalog.json"), ANY, ranges))) == expected
    assert len(server.asked) == 1 + len(expected)


def test_collections_elsewhere_or_of_other_years_are_not_read(
    tmp_path: Path, ranges: Ranges
) -> None:
    def extent(box: list[float], first: str, last: str | None) -> dict[str, Any]:
        return {"spatial": {"bbox": [box]}, "temporal": {"interval": [[first, last]]}}

    here, away = [-9.0, 31.0, -7.0, 33.0], [2.0, 50.0, 4.0, 52.0]
    extents = {
        "open": extent(here, "2015-06-27T00:00:00Z", None),
        "away": extent(away, "2015-06-27T00:00:00Z", None),
        "past": extent(here, "2015-06-27T00:00:00Z", "2018-01-01T00:00:00Z"),
        "odd": {"spatial": 3},
    }
    links = []
    for name, said in extents.items():
        write(tmp_path, f"{name}/i.json", item(name))
        link = [{"rel": "item", "href": "i.json"}]
        write(tmp_path, f"{name}/c.json", {"type": "Collection", "extent": said, "links": link})
        links.append({"rel": "child", "href": f"{name}/c.json"})
    path = write(tmp_path, "catalog.json", {"type": "Catalog", "links": links})
    assert names(Catalogue(path, ANY, ranges)) == ["open", "odd"]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"3", b"{", b"[" * 100_000, b"\xff\xfe", b'{"a": NaN'], ids=repr
)
def test_what_is_no_catalogue_is_named(tmp_path: Path, ranges: Ranges, data: bytes) -> None:
    (tmp_path / "c.json").write_bytes(data)
    with pytest.raises(PublisherError) as caught:
        names(Catalogue(str(tmp_path / "c.json"), ANY, ranges))
    assert caught.value.code == "bad_catalogue"
    with pytest.raises(PersonError) as missing:
        names(Catalogue(str(tmp_path / "d.json"), ANY, ranges))
    assert missing.value.code == "no_catalogue"


def test_odd_documents_give_nothing_and_do_not_crash(tmp_path: Path, ranges: Ranges) -> None:
    for odd in ({}, {"links": 3}, {"links": [3, {"rel": "item"}, {"rel": "next", "href": 4}]},
                {"links": [{"rel": ["item"]}, {"rel": "item", "href": "http://["}]},
                {"features": {"a": 1}}, {"type": "Feature"}):  # fmt: skip
        path = write(tmp_path, "c.json", odd)
        assert len(names_or_ids(Catalogue(path, ANY, ranges))) <= 1


def names_or_ids(catalogue: Catalogue) -> list[Any]:
    return [found.item.get("id") for found in catalogue.items(QUERY)]


@pytest.mark.parametrize(
    ("href", "base"),
    [
        ("file:///etc/passwd", "https://x.example/c.json"),
        ("/vsicurl/http://x.example/a.tif", "/data/c.json"),
        ("s3://bucket/a.tif", "https://x.example/c.json"),
        ("ftp://x.example/a.tif", "/data/c.json"),
        ("http://[", "https://x.example/c.json"),
        ("//[", "/data/c.json"),
        ("half \ud800", "/data/c.json"),
    ],
)
def test_a_catalogue_cannot_point_where_it_should_not(href: str, base: str) -> None:
    with pytest.raises(PublisherError) as caught:
        resolved(href, base)
    assert caught.value.code == "bad_address"


def test_relative_links_start_from_their_document() -> None:
    assert resolved("../b/x.tif", "https://x.example/a/i.json") == "https://x.example/b/x.tif"
    assert resolved("/etc/passwd", "https://x.example/a/i.json") == "https://x.example/etc/passwd"
    assert resolved("https://y.example/x.tif", "/data/i.json") == "https://y.example/x.tif"
    assert resolved("./x.tif", "/data/a/i.json") == "/data/a/x.tif"


def test_every_source_is_found_by_name_and_by_address() -> None:
    assert source_names() == ["cdse", "earth-search", "planetary-computer"]
    for name in source_names():
        source, address = find_source(name)
        assert address == source.url
        assert find_source(address + "/") == (source, address + "/")
        assert set(source.bands) == {"blue", "green", "red", "rededge1", "nir", "swir16", "scl"}
    assert isinstance(ANY, Source)
    assert ANY.collections == ()
