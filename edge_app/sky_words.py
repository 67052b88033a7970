"""What the pages say of the satellite's figures."""

from __future__ import annotations

import datetime as dt

from flask_babel import LazyString, get_locale
from flask_babel import lazy_gettext as _l

from edge_app.i18n import plain, without_markup
from field_data.types import Sight
from sat_ingest.alerts import Alert, Verdict
from sat_ingest.series import Anomaly

INDICES: dict[str, LazyString] = {
    "ndvi": _l("Green cover (NDVI)"),
    "evi2": _l("Green cover, dense crops (EVI2)"),
    "msavi": _l("Green cover, bare soil (MSAVI)"),
    "ndre": _l("Leaf chlorophyll (NDRE)"),
    "ndmi": _l("Water in the leaves (NDMI)"),
    "ndwi": _l("Open water (NDWI)"),
}
ERRORS: dict[str, LazyString] = {
    "no_scenes": _l("No satellite picture of this field has arrived yet."),
    "unknown_index": _l("We do not know this map."),
    "bad_dates": _l("These dates cannot be shown."),
    "unknown_field": _l("There is nothing here. It may have been erased."),
}
SIGHTS: dict[Sight, LazyString] = {
    Sight.CLEAR: _l("clear"),
    Sight.PARTLY: _l("partly hidden"),
    Sight.HIDDEN: _l("hidden by clouds"),
    Sight.SNOW: _l("snow"),
}
_VERDICTS: dict[Verdict, LazyString] = {
    Verdict.STEADY: _l("No sudden loss between the last two clear pictures."),
    Verdict.NEIGHBOURS_TOO: _l("It lost green, and so did its neighbours: it is the season."),
    Verdict.NO_NEIGHBOURS: _l(
        "It lost green, but too few fields with the same crop are known to compare it with."
    ),
    Verdict.CLOUDY: _l("Clouds: no clear picture is new enough to judge."),
    Verdict.TOO_FEW: _l("Too few clear pictures to judge."),
}


def day_text(day: dt.date) -> str:
    """A date in figures, as people write it in Morocco."""
    return f"{day:%d/%m/%Y}"


def month_text(day: dt.date) -> str:
    """A month in the page's language, short."""
    return month_name(day, "LLL")


def month_name(day: dt.date, width: str) -> str:
    """A month as CLDR writes it (``LLL`` short, ``LLLL`` long); in Arabic as Moroccans call it."""
    from babel.dates import format_date

    lang = str(get_locale())
    return str(format_date(day, width, locale="ar_MA" if lang == "ar" else lang))


def alert_text(alert: Alert, before: dt.date, after: dt.date) -> str:
    """What happened between the two last clear pictures, taken on those days."""
    if alert.change is None or not alert.raised:
        return without_markup(str(_VERDICTS[alert.verdict]))
    change = alert.change
    values = {
        "lost": f"{-change.change:.2f}",
        "before": day_text(before),
        "after": day_text(after),
        "neighbours": f"{change.neighbours:+.2f}",
        "count": change.compared,
    }
    text = plain(
        "It lost %(lost)s between %(before)s and %(after)s. Its %(count)s neighbours changed by "
        "%(neighbours)s: go and look.",
        **values,
    )
    more = _l("A later picture agrees.") if change.confirmed else _l("Only one picture says so.")
    return f"{text} {without_markup(str(more))}"


def own_text(anomaly: Anomaly) -> str:
    """How the field stands against its own earlier seasons."""
    if anomaly.reason:
        return plain("Earlier seasons are not known well enough to compare.")
    return plain(
        "%(value)s on the last clear day; in %(count)s earlier seasons it was %(usual)s.",
        value=f"{anomaly.value:.2f}",
        count=anomaly.usual.count if anomaly.usual else 0,
        usual=f"{anomaly.usual.median:.2f}" if anomaly.usual else "",
    )


def neighbours_text(anomaly: Anomaly) -> str:
    """How the field stands against fields around with the same crop."""
    if anomaly.reason:
        return plain("No neighbours with the same crop to compare with.")
    return plain(
        "%(count)s neighbours with the same crop: %(usual)s.",
        count=anomaly.usual.count if anomaly.usual else 0,
        usual=f"{anomaly.usual.median:.2f}" if anomaly.usual else "",
    )
