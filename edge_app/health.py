"""How every part of the node is; a broken part is named and switches off alone."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge_app.advice import Advice
from edge_app.health_box import box_parts, clock_part, disk_part, photos_part
from edge_app.seam import Part
from edge_app.settings import Settings, read_settings
from edge_app.tls_health import certificate_part
from field_data.audit_log import AuditLog
from field_data.clock import now
from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.errors import GhallaError, KeeperError, PublisherError
from field_data.local_sets import LocalSets
from field_data.node_identity import node_id
from field_data.photos import PhotoStore
from field_data.schema import open_store
from field_data.types import Trust
from field_data.uplinks import known_hubs
from models.diagnosis import Diagnoser
from models.life import Life
from models.registry import folder_of, life_of, model_entry

STORE = "store.sqlite"
VENDOR = Path(__file__).parent / "static" / "vendor"


def set_aside(home: Path) -> list[str]:
    """Names of damaged stores that were moved aside and are still there."""
    return sorted(path.name for path in home.glob(f"{STORE}.damaged-*"))


def store_part(home: Path, log: DiagnosisLog) -> Part:
    """The document store: sound, or begun anew beside a damaged file that is still there."""
    aside = set_aside(home)
    if aside:
        return Part("store", False, "store_damaged", f"set aside, to be looked at: {aside}")
    return Part("store", True, "ok", f"{log.count()} diagnoses, {log.asked_count()} for the agent")


def model_part(model: Diagnoser | GhallaError) -> Part:
    """The leaf model: which one speaks, or why none does."""
    if isinstance(model, GhallaError):
        return Part("model", False, model.code, str(model))
    ref = model.ref
    return Part("model", True, "ok", f"{ref.name} {ref.version} ({model.variant})")


def update_part(name: str, life: Life) -> Part | None:
    """The version that was switched off by itself, and what to do; None where there is none."""
    why = life.refused.get(life.fallen) if life.fallen else None
    if why is None:
        return None
    detail = (
        f"{name} {life.fallen} was switched off: {why.reason}; {life.active} speaks. Install a "
        f"newer version, or: ghalla model activate {name} {life.fallen} --again; to keep "
        f"{life.active}: ghalla model activate {name} {life.active}"
    )
    return Part("update", False, "model_rolled_back", detail)


def model_parts(model: Diagnoser | GhallaError, name: str, life: Life) -> list[Part]:
    """The model that speaks, and the version that was switched off, if one was."""
    update = update_part(name, life)
    return [model_part(model), *([update] if update else [])]


def home_model_parts(home: Path) -> list[Part]:
    """:func:`model_parts` of a home, seen from outside."""
    from edge_app.live_model import load_model
    from edge_app.node import MODEL_FOLDER

    name, shipped = MODEL_FOLDER.name, MODEL_FOLDER.parent
    try:
        life = life_of(home, name)
    except KeeperError as error:
        return [model_part(load_model(MODEL_FOLDER)), Part("update", False, error.code, str(error))]
    return model_parts(load_model(folder_of(home, name, life.active, shipped)), name, life)


def trap_part(folder: Path) -> Part:
    """The trap counter: its files are those of its manifest."""
    found = model_entry(folder.name, folder)
    if not found["ok"]:
        return Part("traps", False, found["problem"].split(":")[0], found["problem"])
    return Part("traps", True, "ok", f"{found['name']} {found['version']}")


def audit_part(log: AuditLog, last: int | None = None) -> Part:
    """The audit log (or its ``last`` entries): the chain is whole.

    The last hash is shown so that the keeper can note it elsewhere.
    """
    chain = log.verify(last)
    if not chain.sound:
        detail = f"entry {chain.broken_at}: {chain.problem}; see: ghalla audit"
        return Part("audit", False, "audit_broken", detail)
    return Part("audit", True, "ok", f"{chain.entries} entries, last hash {chain.head[:16]}")


def advice_part(advice: Advice) -> Part:
    """The advice cards: none of them past its date (not judged while the clock is unknown)."""
    instant = now()
    today = datetime.datetime.fromtimestamp(instant.utc_s, datetime.UTC).date()
    old = [card.id for card in advice.cards if card.expires < today]
    if old and instant.trust is not Trust.UNKNOWN:
        return Part("advice", False, "advice_expired", f"to be looked at again: {', '.join(old)}")
    return Part("advice", True, "ok", f"{len(advice.cards)} cards")


def home_advice_part(home: Path) -> Part:
    """:func:`advice_part` of a home, seen from outside."""
    from edge_app.home_advice import advice_of

    try:
        return advice_part(advice_of(home))
    except PublisherError as error:
        return Part("advice", False, error.code, str(error))


def fonts_part() -> Part:
    """The Arabic and Tifinagh letters that phones may lack; pages work without them."""
    found = len(list(VENDOR.glob("*.woff2")))
    if not found:
        return Part("languages", False, "fonts_missing", "run: python -m edge_app.webassets")
    return Part("languages", True, "ok", f"{found} font files")


def forms_part(broken: Sequence[PublisherError]) -> Part | None:
    """Forms in the home's folder that were left out; None where all are sound."""
    if not broken:
        return None
    told = "; ".join(str(error) for error in broken[:3])
    more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
    return Part("forms", False, broken[0].code, f"{told}{more}; see: ghalla forms check")


def check_home(home: Path) -> list[Part]:
    """Every part of a home, seen from outside: works beside a running server and after a crash.

    Nothing is made, moved or mended here; a store of an older layout is brought to the present one.

    Raises:
        KeeperError: ``no_home``, ``bad_settings``, or the store's own.
    """
    from edge_app.home_forms import forms_of
    from edge_app.node import TRAP_FOLDER
    from edge_app.sky_health import satellite_part
    from edge_app.weather_health import weather_part

    settings = read_settings(home)
    parts = [
        *home_model_parts(home),
        trap_part(TRAP_FOLDER),
        clock_part(now()),
        home_advice_part(home),
        fonts_part(),
        satellite_part(home, settings, whole=True),
        weather_part(home, settings, whole=True),
        *filter(None, [forms_part(forms_of(home)[1])]),
    ]
    try:
        with open_store(store_of(home), set_aside=False) as documents:
            store = store_part(home, DiagnosisLog(documents, PhotoStore(home / "photos")))
            parts.append(audit_part(AuditLog(documents, home)))
            parts += _hub_parts(home, documents, settings)
    except KeeperError as error:
        if error.code == "no_home":
            raise
        store = Part("store", False, error.code, str(error))
    taken = PhotoStore(home / "photos").total_bytes()
    box = [disk_part(home, settings), *box_parts(home, settings)]
    rarer = [photos_part(taken, settings), certificate_part(home, settings)]
    return [store, *box, *filter(None, rarer), *parts]


def _hub_parts(home: Path, documents: DocumentStore, settings: Settings) -> list[Part]:
    """The way to the hub, of a node that has one."""
    if not known_hubs(documents):
        return []
    from edge_app.ground import Ground
    from edge_app.uplink_health import hub_part

    part = hub_part(Ground(documents, PhotoStore(home / "photos"), node_id(documents), settings))
    return [part] if part else []


@contextmanager
def open_log(home: Path) -> Iterator[DiagnosisLog]:
    """The log of a home, beside a server that may be running.

    Raises:
        KeeperError: ``no_home``, ``store_damaged`` or the store's own.
    """
    with open_store(store_of(home), set_aside=False) as store:
        yield DiagnosisLog(store, PhotoStore(home / "photos"))


@contextmanager
def open_local(home: Path) -> Iterator[tuple[LocalSets, PhotoStore, str]]:
    """What a home was taught, its photos and the node's id, beside a server that may be running.

    Raises:
        KeeperError: as :func:`open_log`.
    """
    with open_store(store_of(home), set_aside=False) as store:
        photos = PhotoStore(home / "photos")
        yield LocalSets(store, photos), photos, node_id(store)


def store_of(home: Path) -> Path:
    """The store of a home that exists.

    Raises:
        KeeperError: ``no_home``.
    """
    path = home / STORE
    if not path.is_file():
        raise KeeperError("no_home", f"{home} is no home of a node: ghalla init --home {home}")
    return path
