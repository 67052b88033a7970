"""Records made up from the forms, to train a dictionary on: no person's, the same at each run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from field_data.days import date_of
from field_data.events import Kind
from field_data.forms.definition import Form, Question, Type
from field_data.types import Instant, Trust
from sync.columns import id_text
from sync.types import ERASED_REV, Record, RecordBatch, Stream

# 2026-02-02.
_START_S = 1_769_990_400.0
_FIRST_DAY = 20_486
_SIZES = (1, 1, 2, 3, 5, 8, 10, 15, 20, 40)
_REMARKS = (
    "Taches brunes sur les feuilles du bas",
    "Attaque plus forte près de la haie",
    "Traitement prévu demain matin",
    "Présence d'auxiliaires, coccinelles",
    "Feuilles jaunes entre les nervures",
    "Galeries dans les feuilles et les fruits",
    "Quelques plants flétris en bout de ligne",
    "Parcelle bien tenue, rien à signaler",
    "Goutte à goutte bouché par endroits",
    "Récolte commencée la semaine dernière",
    "Échantillon envoyé au laboratoire",
    "À revoir dans une semaine",
    "Même symptôme chez les voisins",
    "Grêle il y a dix jours",
    "بقع بنية على الأوراق القديمة",
    "اصفرار الأوراق في وسط الحقل",
    "الإصابة قوية قرب الطريق",
    "توجد أعداء طبيعية، دعسوقة",
    "يجب الرجوع بعد أسبوع",
    "ثمار متعفنة على الأرض",
    "نباتات ذابلة في آخر الخط",
    "لا شيء يذكر، الحقل جيد",
    "بدأ الجني في الأسبوع الماضي",
    "نفس الأعراض عند الجيران",
)
_WORDS = (
    "spinosad",
    "soufre",
    "cuivre",
    "abamectine",
    "Bacillus thuringiensis",
    "mancozèbe",
    "28",
    "5",
)
_COMMUNES = (
    "Aïn Cheggag",
    "Oulad Teïma",
    "Sidi Slimane",
    "Béni Mellal",
    "Berrechid",
    "بني ملال",
    "تادلة",
)


def sample_batches(forms: Sequence[Form], codes: Sequence[str], seed: int) -> Iterator[RecordBatch]:
    """Batches without end: mostly answered forms, sometimes land, consents, reviews, erasures.

    ``codes``: ``healthy``, crops and conditions, those that are met most first.
    """
    rng = random.Random(seed)  # noqa: S311
    while True:
        stream = Stream(_id(rng), 0, rng.randbytes(8), 0)
        seq = rng.randrange(1, 30_000)
        weights = [40 if form.id == "scouting" else 8 for form in forms]
        leading = rng.choices(forms, weights)[0]
        author, subjects = _id(rng), [_id(rng) for _ in range(8)]
        at_s = _START_S + rng.randrange(20_000_000) + rng.randrange(1000) / 1000
        records = []
        for _ in range(rng.choice(_SIZES)):
            seq += rng.choice((1, 1, 1, 1, 2))
            at_s = round(at_s + rng.uniform(20, 1200), 3)
            form = leading if rng.random() < 0.85 else rng.choice(forms)
            who = rng.choice(subjects), author
            records.append(_record(rng, seq, who, at_s, form, codes))
        sent = Instant(float(int(at_s + rng.randrange(60, 40_000))), Trust.NTP)
        yield RecordBatch(stream, seq, records[0].seq - 1, sent, tuple(records), _health(rng))


def _record(
    rng: random.Random,
    seq: int,
    who: tuple[str, str],
    at_s: float,
    form: Form,
    codes: Sequence[str],
) -> Record:
    received_s = round(at_s + rng.choice((1.5, 40_000)) + rng.random(), 3)
    moments = Instant(at_s, Trust.TABLET), Instant(received_s, Trust.NTP)
    if rng.random() < 0.85:
        photos = tuple(rng.randbytes(32).hex() for _ in range(_photos(rng, form)))
        body = _observation(rng, form, codes, photos, at_s)
        return Record(seq, Kind.OBSERVATION, *who, *moments, body, photos)
    kind = rng.choice([kind for kind in Kind if kind is not Kind.OBSERVATION])
    if kind is Kind.ERASURE and rng.random() < 0.5:
        return Record(seq, Kind.FIELD, "", "", *moments, {}, rev=ERASED_REV)
    return Record(
        seq, kind, *who, *moments, _body(rng, kind, seq, codes), coarse=rng.random() < 0.3
    )


def _observation(
    rng: random.Random, form: Form, codes: Sequence[str], photos: tuple[str, ...], at_s: float
) -> dict[str, Any]:
    place = {
        "lon": round(rng.uniform(-10, -2), 7),
        "lat": round(rng.uniform(29, 35.5), 7),
        "accuracy_m": rng.choice((3, 4.5, 5, 6.2, 8, 12, 14.755)),
    }
    values = {}
    for question in form.questions.values():
        must = question.required or question.type is Type.PHOTO
        if not question.private and question.type is not Type.NOTE and (must or rng.random() < 0.6):
            values[question.id] = _answer(rng, question, codes, photos, at_s)
    return {"form": form.id, "version": form.version, "values": values, "place": place}


def _answer(
    rng: random.Random,
    question: Question,
    codes: Sequence[str],
    photos: tuple[str, ...],
    at_s: float,
) -> Any:
    low, high = (end if end is not None else 100 for end in question.range)
    match question.type:
        case Type.CHOICE:
            return rng.choice(question.choices).key
        case Type.MULTI:
            return [each.key for each in rng.sample(question.choices, 2)]
        case Type.BOOLEAN:
            return rng.random() < 0.5
        case Type.DATE:
            return date_of(int(at_s // 86_400) - rng.choice((0, 0, 1, 5))).isoformat()
        case Type.PHOTO:
            return list(photos)
        case Type.CROP | Type.CONDITION:
            return codes[min(int(rng.expovariate(0.06)), len(codes) - 1)]
        case Type.TEXT:
            return rng.choice(_REMARKS if question.id in ("remarks", "description") else _WORDS)
        case Type.INTEGER | Type.COUNT:
            return round(low + (min(high, 200) - low) * rng.random() ** 3)
    return round(low + (min(high, 100) - low) * rng.random() ** 2, rng.choice((0, 1, 2))) or 0


def _photos(rng: random.Random, form: Form) -> int:
    asked = any(question.type is Type.PHOTO for question in form.questions.values())
    return rng.choice((1, 1, 2)) if asked else 0


def _body(rng: random.Random, kind: Kind, seq: int, codes: Sequence[str]) -> dict[str, Any]:
    match kind:
        case Kind.FARM:
            return {"commune": rng.choice(_COMMUNES), "owner": _id(rng)}
        case Kind.FIELD:
            return _field(rng, codes)
        case Kind.SEASON:
            sown = date_of(_FIRST_DAY + rng.randrange(300)).isoformat()
            crop = codes[rng.randrange(1, 12)]
            said = {"field": _id(rng), "crop": crop, "sown": sown}
            return {**said, "harvested": None, "variety": rng.choice(("", "Karim", "Achtar"))}
        case Kind.CONSENT:
            purpose = rng.choice(("location", "photos", "records"))
            lang, given = rng.choice(("ar", "fr")), rng.random() < 0.8
            return {"purpose": purpose, "wording": "2026-2", "lang": lang, "given": given}
        case Kind.REVIEW:
            label = {"crop": codes[rng.randrange(1, 20)], "condition": rng.choice(codes)}
            verdict = rng.choice(("confirm", "correct"))
            return {"verdict": verdict, **label, "round": rng.choice((1, 2)), "blind": True}
    return {"seqs": [seq - 1, seq - 2], "photos": [rng.randbytes(32).hex()]}


def _field(rng: random.Random, codes: Sequence[str]) -> dict[str, Any]:
    lon, lat = rng.uniform(-10, -2), rng.uniform(29, 35.5)
    corners = ((0, 0), (1, 0.1), (1.1, 0.9), (0.5, 1), (0, 0.8), (0, 0))
    side = rng.uniform(0.0005, 0.003)
    ring = [[round(lon + side * x, 7), round(lat + side * y, 7)] for x, y in corners]
    return {
        "farm": _id(rng),
        "boundary": ring,
        "area_ha": round(rng.uniform(0.1, 20), 4),
        "source": rng.choice(("drawn", "walked")),
        "crop": codes[rng.randrange(1, 20)],
    }


def _health(rng: random.Random) -> dict[str, Any]:
    if rng.random() < 0.7:
        return {}
    free, waiting = rng.randrange(1000, 60_000), rng.randrange(500)
    return {"version": "0.1.0", "waiting": waiting, "photos_waiting": waiting, "free_mb": free}


def _id(rng: random.Random) -> str:
    return id_text(rng.randbytes(16))
