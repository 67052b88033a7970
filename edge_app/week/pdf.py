"""The week of a village as a PDF to print and hang up: pictures, sentences, a strip of seven days.

Needs the extra ``[sheet]`` (fpdf2, uharfbuzz: Arabic letters take their joined forms and lines run
from the right) and the fonts that ``python -m edge_app.webassets`` makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_app.advice import Advice, localise
from edge_app.i18n import direction, plain
from edge_app.pictures import STATIC
from edge_app.week.view import Day, ItemView, WeekView
from field_data.errors import KeeperError

if TYPE_CHECKING:
    from fpdf import FPDF

LANGS = ("ar", "fr", "en")
FONTS = STATIC / "vendor"
_FAMILY, _LATIN = "sheet", "sheetlatin"
_FACES = {
    _FAMILY: {"": "sheet-arabic-400.ttf", "B": "sheet-arabic-700.ttf"},
    _LATIN: {"": "sheet-latin-400.ttf", "B": "sheet-latin-700.ttf"},
}
# Millimetres on A4.
_MARGIN, _WIDE, _BOTTOM = 15.0, 180.0, 282.0
_PICTURE, _GAP, _LINE = 17.0, 4.0, 6.5
_BOX, _BOX_TALL = 8.0, 9.0
_HEAD = 10.0
_GREEN, _SOFT, _RULE = (31, 92, 58), (99, 85, 63), (200, 190, 170)


class Sheet:
    """One village's sheet in one language; right to left where that reads so."""

    def __init__(self, lang: str, advice: Advice) -> None:
        """Raises KeeperError ``sheet_extra_missing`` or ``fonts_missing``."""
        self._lang, self._advice = lang, advice
        self._rtl = direction(lang) == "rtl"
        self._pdf = _opened(lang, self._rtl)

    def write(self, village: str, views: Sequence[WeekView]) -> bytes:
        """The sheet of these fields, in their order."""
        self._pdf.set_title(f"{plain('This week')} {village}".strip())
        self._pdf.add_page()
        self._heading(village, views)
        for view in views:
            self._field(view)
        advice = plain("This is advice, you decide. Go by what you see in the field.")
        self._said(f"{advice} {plain('not yet reviewed by an agronomist')}.", small=True)
        return bytes(self._pdf.output())

    def _heading(self, village: str, views: Sequence[WeekView]) -> None:
        day = next((view.told.as_of for view in views if view.told.as_of), None)
        parts = [plain("This week"), village, f"{day:%d/%m/%Y}" if day else ""]
        self._text(" · ".join(filter(None, parts)), size=18, bold=True, colour=_GREEN)
        self._pdf.ln(3)

    def _field(self, view: WeekView) -> None:
        """One field, never torn apart by the end of a page."""
        rows = [self._tall(each) for each in view.items]
        tall = _HEAD + sum(rows) + (0 if rows else _LINE) + _LINE * len(view.data) + 4
        if self._pdf.get_y() + tall > _BOTTOM:
            self._pdf.add_page()
        self._rule()
        crop = self._advice.crop(view.crop) if view.crop else None
        name = localise(crop.name, self._lang).text if crop else ""
        parts = [view.field.name or view.field.id[:6], name, f"{view.field.area_ha:.1f} ha"]
        self._text(" · ".join(filter(None, parts)), size=13, bold=True)
        for view_of_data in view.data:
            self._said(view_of_data.text.text, small=True)
        for each in view.items:
            self._item(each)
        if not view.items:
            known = view.told.as_of is not None
            nothing = plain("Nothing to do for this field this week.")
            self._said(nothing if known else plain("This box does not know what day it is."))
        self._pdf.ln(2)

    def _item(self, view: ItemView) -> None:
        pdf, top = self._pdf, self._pdf.get_y() + 1
        x = _MARGIN + _WIDE - _PICTURE if self._rtl else _MARGIN
        icon = STATIC / "icons" / "ui" / f"{view.picture}.svg"
        pdf.image(icon, x=x, y=top, w=_PICTURE, h=_PICTURE)
        pdf.set_y(top)
        self._text(view.text.text, size=12, indent=_PICTURE + _GAP)
        if view.more:
            self._text(view.more.text, size=10, indent=_PICTURE + _GAP, colour=_SOFT)
        if view.days:
            self._strip(view.days)
        pdf.set_y(max(pdf.get_y(), top + _PICTURE) + 2)

    def _tall(self, view: ItemView) -> float:
        """How many millimetres an item takes."""
        wide = _WIDE - _PICTURE - _GAP
        self._pdf.set_font(_FAMILY, "", 12)
        told: Any = self._pdf.multi_cell(wide, _LINE, view.text.text, dry_run=True, output="LINES")
        lines = len(told)
        text = _LINE * (lines + bool(view.more)) + (_BOX_TALL + 3 if view.days else 0)
        return 3 + max(_PICTURE, text)

    def _strip(self, days: Sequence[Day]) -> None:
        """Seven boxes, today first; those that the item is about are filled."""
        pdf, y = self._pdf, self._pdf.get_y() + 1
        for place, day in enumerate(days):
            along = _PICTURE + _GAP + place * (_BOX + 1)
            x = _MARGIN + _WIDE - along - _BOX if self._rtl else _MARGIN + along
            pdf.set_fill_color(*(_GREEN if day.on else (255, 255, 255)))
            pdf.set_draw_color(*_RULE)
            pdf.rect(x, y, _BOX, _BOX_TALL, style="DF")
            pdf.set_text_color(*((255, 255, 255) if day.on else _SOFT))
            pdf.set_font(_FAMILY, "B", 8)
            pdf.set_xy(x, y + 0.5)
            pdf.cell(_BOX, 4, day.letter, align="C")
            pdf.set_font(_FAMILY, "", 8)
            pdf.set_xy(x, y + 4.5)
            pdf.cell(_BOX, 4, str(day.number), align="C")
        pdf.set_text_color(0, 0, 0)
        pdf.set_y(y + _BOX_TALL + 1)

    def _said(self, text: str, *, small: bool = False) -> None:
        self._text(text, size=9 if small else 12, colour=_SOFT if small else (0, 0, 0))

    def _text(
        self,
        text: str,
        *,
        size: int,
        bold: bool = False,
        indent: float = 0.0,
        colour: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        pdf = self._pdf
        pdf.set_font(_FAMILY, "B" if bold else "", size)
        pdf.set_text_color(*colour)
        pdf.set_x(_MARGIN if self._rtl else _MARGIN + indent)
        align = "R" if self._rtl else "L"
        pdf.multi_cell(
            _WIDE - indent, _LINE * max(1.0, size / 12), text, align=align, new_x="LMARGIN"
        )
        pdf.set_text_color(0, 0, 0)

    def _rule(self) -> None:
        y = self._pdf.get_y()
        self._pdf.set_draw_color(*_RULE)
        self._pdf.line(_MARGIN, y, _MARGIN + _WIDE, y)
        self._pdf.ln(1.5)


def _opened(lang: str, rtl: bool) -> FPDF:
    try:
        import uharfbuzz  # noqa: F401 (fpdf2 needs it for joined letters)
        from fpdf import FPDF
    except ImportError as error:
        message = "printing needs the extra [sheet]: pip install 'ghalla[sheet]'"
        raise KeeperError("sheet_extra_missing", message) from error
    pdf = FPDF(format="A4")
    pdf.set_margins(_MARGIN, _MARGIN)
    pdf.set_auto_page_break(True, 297 - _BOTTOM)
    pdf.set_creator("Ghalla")
    pdf.set_lang(lang)
    for family, styles in _FACES.items():
        for style, file in styles.items():
            _add(pdf, family, style, FONTS / file)
    pdf.set_fallback_fonts([_LATIN], exact_match=True)
    shaping: dict[str, Any] = {"direction": "rtl", "script": "arab"} if rtl else {}
    pdf.set_text_shaping(True, language=lang, **shaping)
    return pdf


def _add(pdf: FPDF, family: str, style: str, file: Path) -> None:
    if not file.is_file():
        message = "the fonts are not built: python -m edge_app.webassets"
        raise KeeperError("fonts_missing", message)
    pdf.add_font(family, style, file)
