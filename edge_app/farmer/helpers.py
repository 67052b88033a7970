"""What the farmer templates can call."""

from __future__ import annotations

from flask import Flask, request, url_for
from markupsafe import Markup, escape

from edge_app import health_words
from edge_app.advice import Texts, localise
from edge_app.answer import candidate_name
from edge_app.farmer import words
from edge_app.farmer.context import advice
from edge_app.farmer.view import when
from edge_app.i18n import request_lang, spoken
from field_data.local_sets import LocalSet
from field_data.types import Candidate, Diagnosis


def init_helpers(app: Flask) -> None:
    """Give the templates of ``app`` their filters and word lists."""
    app.jinja_env.filters.update(local=_local, spoken=spoken, when=_when)
    app.jinja_env.globals.update(
        sections=words.SECTIONS,
        faults=words.FAULTS,
        trap_faults=words.TRAP_FAULTS,
        headings=words.HEADINGS,
        sources=words.SOURCES,
        part_names=health_words.PARTS,
        part_note=health_words.note,
        has_audio=_has_audio,
        local_name=_local_name,
        crop_name=_crop_name,
        other_language=_other_language,
    )


def _local(texts: Texts) -> Markup:
    return spoken(localise(texts, request_lang()))


def _local_name(each: LocalSet) -> Markup:
    taught = Candidate(each.crop, each.condition, 0.0, local_name=each.name)
    return spoken(candidate_name(taught, advice(), request_lang()))


def _crop_name(code: str) -> Markup:
    crop = advice().crop(code)
    return _local(crop.name) if crop else escape(code)


def _when(verdict: Diagnosis) -> str:
    return when(verdict.at)


def _has_audio(card_id: str) -> bool:
    return advice().audio(card_id, request_lang()) is not None


def _other_language(lang: str) -> str:
    """This page in another language; the home page where this one has no address of its own."""
    rule = request.url_rule
    if rule is None or "GET" not in (rule.methods or ()) or "<any" not in rule.rule:
        return url_for("pages.home", lang=lang)
    return url_for(rule.endpoint, lang=lang, **(request.view_args or {}))
