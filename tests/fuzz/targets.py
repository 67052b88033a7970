"""The parsers, what each is begun with, and what it may answer: a value, or an error of ours."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from field_data.errors import GhallaError


@dataclass(frozen=True, slots=True)
class Target:
    """``read`` takes any bytes; ``seeds`` are sound ones; ``share`` of all cases is its own."""

    name: str
    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    share: float = 1.0
    # Errors of the parser's own that its callers know.
    answers: tuple[type[Exception], ...] = ()

    def run(self, data: bytes) -> bool:
        """Whether it was let in; any other exception than its answers is a fault, and goes on."""
        try:
            self.read(data)
        except Exception as error:
            if isinstance(error, (GhallaError, *self.answers)):
                return False
            raise
        return True


def _photo(data: bytes) -> object:
    from models import preprocess

    return preprocess.decode(data, 64)


def _photos() -> list[bytes]:
    import cv2
    import numpy as np

    picture = np.arange(48 * 40 * 3, dtype=np.uint8).reshape(48, 40, 3)
    kinds = (".jpg", ".png", ".webp")
    return [cv2.imencode(kind, picture)[1].tobytes() for kind in kinds]


def _rendition(data: bytes) -> object:
    from models import preprocess

    return preprocess.jpeg_of(data)


def _renditions() -> list[bytes]:
    from models.renditions import view

    jpeg = _photos()[0]
    return [view(jpeg), jpeg]


@cache
def _batch() -> Any:
    from tests.scouting_rounds import scouting_batch

    return scouting_batch(4)


def _wire(data: bytes) -> object:
    from sync.dictionaries import dictionary
    from sync.wire import decode

    return decode(data, _batch().stream.node, dictionary(1))


def _wires() -> list[bytes]:
    from sync.dictionaries import dictionary
    from sync.wire import encode

    return [encode(_batch(), dictionary(1)), encode(_batch(), dictionary(0))]


def _columns(data: bytes) -> object:
    """A payload that was rightly packed and signed; only its columns are made up."""
    from tests.hostile_segments import outcome, resigned

    return outcome(resigned(data))


def _column_seeds() -> list[bytes]:
    from tests.hostile_segments import BARE, payload_of

    return [BARE, payload_of([1, [2, 3], "x"]), *_wires()[1:]]


def _receipt(data: bytes) -> object:
    from sync import receipts

    return receipts.decode(data)


def _receipts() -> list[bytes]:
    from sync import receipts
    from sync.types import Receipt

    node = _batch().stream.node
    return [receipts.encode(Receipt("hub", node, 0, 7, photos=("ab" * 32,), time_s=3.0))]


def _bundle(data: bytes) -> object:
    from sync.bundle_file import read_head

    return read_head(io.BytesIO(data)).manifest


def _bundles() -> list[bytes]:
    from tests.bundling import bundle

    with tempfile.TemporaryDirectory() as folder:
        return [bundle(Path(folder)).read_bytes()]


def _root(data: bytes) -> object:
    from field_data.errors import PublisherError
    from sync.roots import parse_signed

    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PublisherError("bad_root", str(error)) from error
    return parse_signed(said)


def _roots() -> list[bytes]:
    from tests.bundling import signed_root

    return [json.dumps(signed_root().as_json()).encode()]


def _authorization(data: bytes) -> object:
    from sync.requests import read_authorization

    return read_authorization(data.decode("latin-1"))


def _authorizations() -> list[bytes]:
    from sync.requests import authorization
    from tests.hostile_segments import KEY

    return [authorization(KEY, "a" * 26, "hub", "POST", "/v1/x", 1, "0" * 64).encode()]


def _boundaries(data: bytes) -> object:
    from field_data.boundary_files import read_boundaries

    return read_boundaries(data)


def _boundary_files() -> list[bytes]:
    from tests.boundary_files import RINGS, geojson, kml, placemark, polygon, zipped

    plain = kml(placemark("a", RINGS[0]))
    return [geojson(polygon(RINGS[0])), plain, zipped({"doc.kml": plain})]


def _workbook(data: bytes) -> object:
    from field_data.forms.workbooks import read_workbook

    return read_workbook(data)


def _workbooks() -> list[bytes]:
    from tests.workbooks import row, workbook

    return [workbook([row("integer", "a"), row("text", "b")])]


def _form(data: bytes) -> object:
    from field_data.forms.loading import parse_form

    return parse_form(data, "fuzz")


def _forms() -> list[bytes]:
    from field_data import forms

    folder = Path(forms.__file__).parent
    return [(folder / f"{name}.toml").read_bytes() for name in ("irrigation", "soil")]


def _expression(data: bytes) -> object:
    from field_data.forms.expressions import parse

    return parse(data.decode("utf-8", "replace"))


def _expressions() -> list[bytes]:
    told = "round(if(measured == 'mm', depth * area * 10, if(answered(x), volume, hours)), 2)"
    return [told.encode(), b"a < 3 and not (b != 'x' or none)"]


def _json(data: bytes) -> object:
    from edge_app.agent.strict_json import parse

    return parse(data)


def _json_seeds() -> list[bytes]:
    return [b'{"a": [1, 2.5e3, null, true, "\\u0627"], "b": {"c": -1}}', b'["\\ud83c\\udf3e"]']


@cache
def _forms_known() -> Any:
    from field_data.forms.library import load_forms

    return load_forms()


def _observation(data: bytes) -> object:
    """A record from a tablet, as the API takes it in."""
    from edge_app.agent.strict_json import parse
    from field_data.errors import PersonError
    from field_data.events import Draft, Kind
    from field_data.observations import check_observation
    from field_data.types import Instant, Trust

    body = parse(data)
    if not isinstance(body, dict):
        raise PersonError("bad_observation", "not an object")
    field, agent, id = (letter * 26 for letter in "abc")
    at = Instant(1e9, Trust.NTP)
    return check_observation(Draft(id, Kind.OBSERVATION, field, agent, at, body), _forms_known())


def _observations() -> list[bytes]:
    values = {"day": "2026-05-01", "method": "drip", "area": 1.5, "measured": "mm", "depth": 20}
    place = {"lat": 33.5, "lon": -7.6, "accuracy_m": 5}
    return [
        json.dumps({"form": "irrigation", "version": 1, "values": values, "place": place}).encode()
    ]


def _pack(data: bytes) -> object:
    from sat_ingest.window_packs import PackSource

    source = PackSource(io.BytesIO(data))
    return [window for packed in source.fields for window in source.all_of(packed)]


def _packs() -> list[bytes]:
    from tests.test_sat_ingest_packs import packed, season

    return [packed(season(count=2))]


def _weather(data: bytes) -> object:
    """What a frame holds: its checksum would stop every change of a whole pack."""
    import zstandard

    from sat_ingest.weather.packs import places_of

    frame = zstandard.ZstdCompressor(level=1).compress(data)
    return list(places_of(b"GHALLA-WEATHER-1" + frame))


def _weathers() -> list[bytes]:
    import zstandard

    from sat_ingest.weather.packs import encode_pack
    from tests.weather_service import week

    whole = encode_pack([week(1)]).removeprefix(b"GHALLA-WEATHER-1")
    return [zstandard.ZstdDecompressor().decompress(whole), b"\0"]


def _station(data: bytes) -> object:
    from sat_ingest.weather.stations import read_station

    return read_station(data)


def _stations() -> list[bytes]:
    return [
        b"date,tavg,tmin,tmax,prcp\n2001-01-01,9,4,14,\n2001-01-03,9,,14,0.0\n",
        "fecha;tmin;tmax;prec\n2001-01-01;-1,5;10,2;Ip\n".encode("latin-1"),
    ]


def _tiff(data: bytes) -> object:
    from sat_ingest.tiff_head import read_head

    return read_head(lambda start, stop: data[start:stop].ljust(stop - start, b"\0"))


def _tiffs() -> list[bytes]:
    import numpy as np
    import rasterio

    shape = {"width": 48, "height": 40, "count": 1, "dtype": "uint16", "tiled": True}
    block = {"blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    made = []
    for more in ({}, {"BIGTIFF": "YES"}):
        where = {"crs": "EPSG:32629", "transform": rasterio.Affine(10, 0, 4e5, 0, -10, 37e5)}
        with tempfile.NamedTemporaryFile(suffix=".tif") as file:
            with rasterio.open(
                file.name, "w", driver="GTiff", **shape, **block, **where, **more
            ) as image:
                image.write(np.zeros((1, 40, 48), np.uint16))
            made.append(Path(file.name).read_bytes())
    return made


def _scene(data: bytes) -> object:
    from sat_ingest.catalogue import Found
    from sat_ingest.scenes import UnusableError, read_scene
    from sat_ingest.sources import load_source

    try:
        item = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnusableError("bad_item", str(error)) from error
    if not isinstance(item, dict):
        raise UnusableError("bad_item", "not an object")
    return read_scene(Found(item, "https://x.example/i.json"), load_source("earth-search"))


def _scenes() -> list[bytes]:
    from tests.test_sat_ingest_scenes import ITEM

    return [json.dumps(ITEM).encode()]


def _model(data: bytes) -> object:
    from models.package import open_package

    with tempfile.NamedTemporaryFile(suffix=".ghm") as file:
        file.write(data)
        file.flush()
        with open_package(Path(file.name)) as package:
            return package.header


def _models() -> list[bytes]:
    from models.package import pack
    from tests.small_models import make_model

    with tempfile.TemporaryDirectory() as folder:
        made = make_model(Path(folder) / "model", golden=False)
        pack(made, Path(folder) / "m.ghm")
        return [(Path(folder) / "m.ghm").read_bytes()]


def _expression_errors() -> tuple[type[Exception], ...]:
    from field_data.forms.expressions import ExpressionError

    return (ExpressionError,)


def _unusable() -> tuple[type[Exception], ...]:
    from sat_ingest.scenes import UnusableError

    return (UnusableError,)


TARGETS = {
    each.name: each
    for each in (
        Target("photo", _photo, _photos, 0.5),
        Target("rendition", _rendition, _renditions, 0.3),
        Target("wire", _wire, _wires, 2.0),
        Target("columns", _columns, _column_seeds, 2.0),
        Target("receipt", _receipt, _receipts, 2.0),
        Target("bundle", _bundle, _bundles),
        Target("root", _root, _roots),
        Target("authorization", _authorization, _authorizations),
        Target("boundaries", _boundaries, _boundary_files, 1.5),
        Target("workbook", _workbook, _workbooks, 0.1),
        Target("form", _form, _forms, 0.5),
        Target("expression", _expression, _expressions, answers=_expression_errors()),
        Target("json", _json, _json_seeds),
        Target("observation", _observation, _observations),
        Target("pack", _pack, _packs),
        Target("weather", _weather, _weathers),
        Target("station", _station, _stations, 0.5),
        Target("tiff", _tiff, _tiffs),
        Target("scene", _scene, _scenes, answers=_unusable()),
        Target("model", _model, _models, 0.5),
    )
}
