"""STAC catalogues, searched or crawled, with our own small client.

A catalogue is hostile input: documents are bounded in size, number and depth, every address is
read once, and a catalogue on the web cannot point at a file of this machine.

pystac-client would do the same for twice the time to import (0.14 s beside 0.07) and to crawl 151
items (0.26 s beside 0.11), 14 MiB more memory, and 2 MB in seven packages beside 23 kB; and it
reads through requests, past our budget: ``python -m tests.bench.bench_sat_bytes --only catalogue``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from field_data.days import day_of
from field_data.errors import KeeperError, PersonError, PublisherError
from field_data.files import make_folder, write_atomic
from sat_ingest.ranges import Ranges
from sat_ingest.sources import Source

PAGE = 100
_MAX_PAGES, _MAX_DOCUMENTS, _MAX_DEPTH = 500, 20_000, 16
_DATED = re.compile(r"(?<!\d)(20\d\d)[-/]?(\d\d)[-/]?(\d\d)(?!\d)")
_MAX_FILE = 16 * 1024 * 1024

Bbox = tuple[float, float, float, float]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """One item as published; ``base``: the address or path that its relative links start from."""

    item: Json
    base: str


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: degrees (west, south, east, north), days since 1970 (both inclusive)."""

    bbox: Bbox
    since: int
    until: int

    @property
    def interval(self) -> str:
        """The days in STAC's words; a day more on both sides, since solar days are not UTC days."""
        ends = (datetime.fromtimestamp((d) * 86400, UTC) for d in (self.since - 1, self.until + 2))
        return "/".join(end.strftime("%Y-%m-%dT%H:%M:%SZ") for end in ends)


def is_web(address: str) -> bool:
    """Whether an address is one of the web's."""
    with suppress(ValueError):  # "http://["
        return urlsplit(address).scheme in {"http", "https"}
    return False


def resolved(href: str, base: str) -> str:
    """The address or path that ``href`` means in a document at ``base``.

    Raises:
        PublisherError: ``bad_address``: neither of the web nor a plain path, or a path in a
            document that came over the web.
    """
    with suppress(ValueError):  # no address at all: "http://[", half of a surrogate pair
        scheme = urlsplit(href).scheme
        href.encode()
        if is_web(base) and scheme in {"", "http", "https"}:
            return urljoin(base, href)
        if is_web(href):
            return href
        if not is_web(base) and scheme == "" and "\0" not in href and not href.startswith("/vsi"):
            return str(Path(base).parent / href)
    raise PublisherError("bad_address", f"{base} points at {href[:200]!r}", href=href[:200])


@dataclass(slots=True)
class Catalogue:
    """One catalogue at ``address`` (web address or path).

    ``cache``: folder for items of static catalogues, which never change under their address.
    ``notes`` collects what was odd: loops, repeated items, documents that could not be read.
    """

    address: str
    source: Source
    ranges: Ranges
    cache: Path | None = None
    notes: list[str] = field(default_factory=list)

    def items(self, query: Query) -> Iterator[Found]:
        """Items that may touch the query, each once.

        Raises:
            PublisherError: ``bad_catalogue``, or what `Ranges.document` raises for the root.
            PersonError: ``no_catalogue``: there is no such file.
        """
        root = self._read(self.address)
        search = _link(root, "search")
        known: set[tuple[str, str]] = set()
        found = self._search(search, root, query) if search else self._crawl(root, query)
        for each in found:
            name = str(each.item.get("collection", "")), str(each.item.get("id", ""))
            if name in known:
                self.notes.append(f"listed twice: {name[1]}")
                continue
            known.add(name)
            yield each

    # -- an API ---------------------------------------------------------------------------------

    def _search(self, link: Json, root: Json, query: Query) -> Iterator[Found]:
        """Pages of a search; an API that does not take POST is asked by GET."""
        body: Json = {"bbox": list(query.bbox), "datetime": query.interval, "limit": PAGE}
        if self.source.collections:
            body["collections"] = list(self.source.collections)
        if any("fields" in str(name) for name in _list(root, "conformsTo")):
            body["fields"] = {"include": self._fields(), "exclude": ["links"]}
        address = resolved(str(link.get("href", "")), self.address)
        try:
            page = self._read(address, body)
        except PublisherError as error:
            if error.details.get("status") not in {405, 501}:
                raise
            address, body = f"{address}?{urlencode(_as_parameters(body))}", {}
            page = self._read(address, body or None)
        seen = {_asked(address, body)}
        for _ in range(_MAX_PAGES):
            yield from (Found(i, address) for i in _list(page, "features") if isinstance(i, dict))
            following = self._following(page, address, body)
            if following is None:
                return
            address, body = following
            if _asked(address, body) in seen:
                self.notes.append(f"pages in a loop: {address}")
                return
            seen.add(_asked(address, body))
            page = self._read(address, body or None)
        self.notes.append(f"more than {_MAX_PAGES} pages: {address}")

    def _following(self, page: Json, address: str, body: Json) -> tuple[str, Json] | None:
        link = _link(page, "next")
        if link is None:
            return None
        target = resolved(str(link.get("href", "")), address)
        if str(link.get("method", "GET")).upper() != "POST":
            return target, {}
        more = link.get("body")
        more = more if isinstance(more, dict) else {}
        return target, {**body, **more} if link.get("merge") else more or body

    def _fields(self) -> list[str]:
        names = ["id", "collection", "bbox", "geometry", "properties.datetime"]
        wanted = ["platform", "proj:epsg", "proj:code", "grid:code", "eo:cloud_cover", "created"]
        wanted += ["s2:processing_baseline", "s2:sequence", "s2:mgrs_tile", "s2:product_uri"]
        names += [f"properties.{name}" for name in [*wanted, self.source.boa_flag] if name]
        aliases = [alias for each in self.source.bands.values() for alias in each]
        parts = ("href", "type", "eo:bands")
        return names + [f"assets.{alias}.{part}" for alias in aliases for part in parts]

    # -- a static catalogue ---------------------------------------------------------------------

    def _crawl(self, root: Json, query: Query) -> Iterator[Found]:
        """Breadth first; a document that cannot be read is noted, the others still count."""
        seen, waiting = {_normal(self.address)}, deque([(self.address, 0)])
        while waiting:
            address, depth = waiting.popleft()
            document = root if depth == 0 else self._read_noted(address)
            if document is None or not _may_hold(document, query):
                continue
            items = [document] if document.get("type") == "Feature" else document.get("features")
            for item in items if isinstance(items, list) else []:
                if isinstance(item, dict) and _touches(item, query):
                    yield Found(item, address)
            for target in self._targets(document, address, query):
                if _normal(target) in seen:
                    self.notes.append(f"read already: {target}")
                elif len(seen) >= _MAX_DOCUMENTS or depth >= _MAX_DEPTH:
                    self.notes.append(f"too many or too deep: {target}")
                else:
                    seen.add(_normal(target))
                    waiting.append((target, depth + 1))

    def _targets(self, document: Json, address: str, query: Query) -> Iterator[str]:
        for link in _list(document, "links"):
            if not isinstance(link, dict) or link.get("rel") not in ("child", "item", "items"):
                continue
            href = str(link.get("href", ""))
            if link["rel"] == "item" and not _may_be_dated(href, query):
                continue
            try:
                yield resolved(href, address)
            except PublisherError as error:
                self.notes.append(str(error))

    def _read_noted(self, address: str) -> Json | None:
        try:
            return self._read_cached(address)
        except (PublisherError, PersonError) as error:
            self.notes.append(f"{error.code}: {address}")
            return None

    def _read_cached(self, address: str) -> Json:
        if self.cache is None or not is_web(address):
            return self._read(address)
        path = self.cache / hashlib.sha256(address.encode()).hexdigest()[:32]
        if path.exists():
            return _parsed(path.read_bytes(), address)
        document = self._read(address)
        if document.get("type") == "Feature":
            make_folder(self.cache)
            write_atomic(path, json.dumps(document).encode())
        return document

    def _read(self, address: str, body: Json | None = None) -> Json:
        if is_web(address):
            sent = None if body is None else json.dumps(body, sort_keys=True).encode()
            return _parsed(self.ranges.document(address, sent), address)
        return _parsed(_file(Path(address)), address)


def _file(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise PublisherError("catalogue_too_large", f"{path} is longer than 16 MiB")
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise PersonError("no_catalogue", f"{path} is no catalogue: {error.strerror}") from error
    except OSError as error:
        raise KeeperError("unreadable", f"{path}: {error.strerror}") from error


def _parsed(data: bytes, address: str) -> Json:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PublisherError("bad_catalogue", f"{address} is no JSON document") from error
    if not isinstance(document, dict):
        raise PublisherError("bad_catalogue", f"{address} is no STAC document")
    return document


def _list(document: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _link(document: Json, rel: str) -> Json | None:
    links = (each for each in _list(document, "links") if isinstance(each, dict))
    return next((link for link in links if link.get("rel") == rel), None)


def _asked(address: str, body: Json) -> str:
    return f"{address} {json.dumps(body, sort_keys=True)}"


def _as_parameters(body: Json) -> Json:
    plain = {key: value for key, value in body.items() if key != "fields"}
    for key in ("bbox", "collections"):
        if key in plain:
            plain[key] = ",".join(map(str, plain[key]))
    if "fields" in body:
        plain["fields"] = ",".join([*body["fields"]["include"], "-links"])
    return plain


def _normal(address: str) -> str:
    return address if is_web(address) else str(Path(address).resolve())


def _touches(item: Json, query: Query) -> bool:
    """Whether an item may matter; one without a usable box is kept, `scenes` says what is wrong."""
    try:
        at = datetime.fromisoformat(item["properties"]["datetime"]).timestamp() // 86400
        inside = query.since - 1 <= at <= query.until + 1
    except (KeyError, TypeError, ValueError):
        inside = True
    box = _box(item.get("bbox"))
    return inside and (box is None or _overlap(box, query.bbox))


def _may_hold(document: Json, query: Query) -> bool:
    """Whether a collection's extent allows anything that was asked for."""
    try:
        boxes = [_box(box) for box in document["extent"]["spatial"]["bbox"]]
        first, last = document["extent"]["temporal"]["interval"][0]
        begin, end = query.interval.split("/")
        in_time = (first is None or first <= end) and (last is None or begin <= last)
    except (KeyError, TypeError, ValueError, IndexError):
        return True
    return in_time and any(box is None or _overlap(box, query.bbox) for box in boxes)


def _may_be_dated(href: str, query: Query) -> bool:
    """Whether an item's address allows one of the days: scenes are called by the day they show.

    An address without a date may be of any day; a second date is that of the processing.
    """
    found = []
    for year, month, day in _DATED.findall(href):
        with suppress(ValueError):
            found.append(day_of(date(int(year), int(month), int(day))))
    return not found or any(query.since - 1 <= each <= query.until + 1 for each in found)


def _box(value: object) -> Bbox | None:
    if not isinstance(value, list) or len(value) not in {4, 6}:
        return None
    if not all(isinstance(each, (int, float)) for each in value):
        return None
    half = len(value) // 2
    return value[0], value[1], value[half], value[half + 1]


def _overlap(a: Bbox, b: Bbox) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
