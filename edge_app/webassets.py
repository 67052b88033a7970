"""Build step: compile the catalogues, cut the fonts down to what the pages write, and take in the
two libraries of the tablets' app.

``python -m edge_app.webassets`` needs the extra ``[web]``, and node_modules for fonts and
libraries; without it the pages fall back to the phone's own fonts and there is no tablets' app.
``… update`` instead brings the .po files up to date with the texts in the code.
"""

from __future__ import annotations

import argparse
import io
import os
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from edge_app.languages import FALLBACK, LANGS, RTL

APP = Path(__file__).parent
CATALOGUES = APP / "translations"
VENDOR = APP / "static" / "vendor"
NODE_MODULES = APP.parent / "node_modules"
TRANSLATED = tuple(lang for lang in LANGS if lang != "en")
# The hub's pages have catalogues of their own: nothing of the node is installed there.
HUB = APP.parent / "sync" / "hub"
HUB_TRANSLATED = ("ar", "fr")

_METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]
_KEYWORDS: dict[str, Any] = {
    "_": None,
    "_l": None,
    "_mark": None,
    "gettext": None,
    "ngettext": (1, 2),
    "plain": None,
}

# Letters that later content may need: the Arabic alphabet with vowel signs, digits, the letters of
# Darija and of Persian loans; the whole Tifinagh block.
_ARABIC = {*range(0x0600, 0x0670), 0x067E, 0x0686, 0x06A4, 0x06A8, 0x06AD, 0x06AF, 0x06CC}
_TIFINAGH = set(range(0x2D30, 0x2D80))
_LAYOUT = [
    "ccmp",
    "locl",
    "isol",
    "init",
    "medi",
    "fina",
    "rlig",
    "liga",
    "calt",
    "mark",
    "mkmk",
    "kern",
]
_RANGES = {"arabic": "U+0600-06FF,U+FB50-FDFF,U+FE70-FEFF", "tifinagh": "U+2D30-2D7F"}
# What the tablets' app is served from node_modules, under the name that its scripts use.
LIBRARIES = {
    "idb.js": "idb/build/umd.js",
    "leaflet.js": "leaflet/dist/leaflet.js",
    "leaflet.css": "leaflet/dist/leaflet.css",
}
_SOURCE_MAP = b"\n//# sourceMappingURL="
_KUFI = "noto-kufi-arabic/files/noto-kufi-arabic-arabic-{weight}-normal.woff2"
_PRINTED = "noto-kufi-arabic/files/noto-kufi-arabic-{script}-{weight}-normal.woff2"
_TIFINAGH_FILE = "noto-sans-tifinagh/files/noto-sans-tifinagh-tifinagh-{weight}-normal.woff2"


def main() -> None:
    """Compile and cut; or update the .po files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("build", "update"), default="build")
    if parser.parse_args().what == "update":
        update_catalogues()
        return
    compile_catalogues()
    if not build_fonts():
        print(f"no fonts in {NODE_MODULES}: pages will use the phone's fonts")
    if not take_libraries():
        print(f"no libraries in {NODE_MODULES}: the tablets' app will not work")


def extract(app: Path = APP) -> Catalog:
    """Every text of the code and templates of ``app``, as an empty catalogue."""
    catalogue = Catalog(project="Ghalla", charset="utf-8")
    found = extract_from_dir(app, _METHODS, keywords=_KEYWORDS)
    for file, _line, message, _comments, _context in sorted(found, key=lambda each: each[0]):
        catalogue.add(message, locations=[(file, 0)])
    return catalogue


def read_catalogue(lang: str, app: Path = APP) -> Catalog:
    """The committed catalogue of ``lang``."""
    with _po(lang, app).open("rb") as file:
        return read_po(file, locale=lang)


def update_catalogues() -> None:
    """Add new texts to the .po files, drop old ones; no guessing of near matches."""
    for app, langs in ((APP, TRANSLATED), (HUB, HUB_TRANSLATED)):
        fresh = extract(app)
        for lang in langs:
            catalogue = read_catalogue(lang, app)
            catalogue.update(fresh, no_fuzzy_matching=True)
            catalogue.obsolete.clear()
            out = io.BytesIO()
            write_po(out, catalogue, width=100, sort_output=True, no_location=True)
            _replace(_po(lang, app), out.getvalue())


def compile_catalogues() -> None:
    """Write ``messages.mo`` beside each ``messages.po``."""
    catalogues = {lang: read_catalogue(lang) for lang in TRANSLATED}
    for lang, catalogue in catalogues.items():
        for message in _gaps(catalogue):
            message.string = _borrowed(message, lang, catalogues)
        _write_mo(catalogue, _po(lang))
    for lang in HUB_TRANSLATED:
        _write_mo(read_catalogue(lang, HUB), _po(lang, HUB))


def _write_mo(catalogue: Catalog, po: Path) -> None:
    out = io.BytesIO()
    write_mo(out, catalogue)
    _replace(po.with_suffix(".mo"), out.getvalue())


def build_fonts(source: Path = NODE_MODULES, target: Path = VENDOR) -> bool:
    """Write the subset fonts and ``fonts.css``; False when ``source`` does not have them."""
    kufi, bold = (source / "@fontsource" / _KUFI.format(weight=w) for w in (400, 700))
    tifinagh = source / "@fontsource" / _TIFINAGH_FILE.format(weight=400)
    if not all(file.is_file() for file in (kufi, bold, tifinagh)):
        return False
    from edge_app.i18n import OWN_NAMES

    letters = {ord(letter) for text in texts() for letter in text}
    names = {ord(letter) for name in OWN_NAMES.values() for letter in name}
    faces = (
        ("Ghalla Arabic", "arabic", 400, kufi, letters | _ARABIC),
        ("Ghalla Arabic", "arabic", 700, bold, letters | _ARABIC),
        ("Ghalla Tifinagh", "tifinagh", 400, tifinagh, letters | _TIFINAGH),
        # A gap in Tifinagh is filled in Arabic, so that page needs both; other pages need neither
        # for the four words of the language switch.
        ("Ghalla Names", "arabic", 400, kufi, names),
        ("Ghalla Names", "tifinagh", 400, tifinagh, names),
    )
    target.mkdir(parents=True, exist_ok=True)
    _print_fonts(source, target)
    rules = [_cut(target, *face) for face in faces]
    _replace(target / "fonts.css", "\n".join(rules).encode())
    return True


def _print_fonts(source: Path, target: Path) -> None:
    """Write the fonts of printed sheets whole, as TrueType: a PDF takes no woff2."""
    from fontTools.ttLib import TTFont

    for script in ("arabic", "latin"):
        for weight in (400, 700):
            file = source / "@fontsource" / _PRINTED.format(script=script, weight=weight)
            font = TTFont(file)
            font.flavor = None
            out = io.BytesIO()
            font.save(out)
            _replace(target / f"sheet-{script}-{weight}.ttf", out.getvalue())


def take_libraries(source: Path = NODE_MODULES, target: Path = VENDOR) -> bool:
    """Copy `LIBRARIES` without the address of their source maps; False when one is not there."""
    files = {target / name: source / place for name, place in LIBRARIES.items()}
    if not all(file.is_file() for file in files.values()):
        return False
    target.mkdir(parents=True, exist_ok=True)
    for copy, file in files.items():
        _replace(copy, file.read_bytes().partition(_SOURCE_MAP)[0])
    return True


def _cut(target: Path, family: str, script: str, weight: int, file: Path, letters: set[int]) -> str:
    """Write one subset woff2; return its ``@font-face``."""
    from fontTools import subset

    options = subset.Options(flavor="woff2", layout_features=_LAYOUT, hinting=False)
    out = io.BytesIO()
    with subset.load_font(str(file), options) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=letters)
        subsetter.subset(font)
        subset.save_font(font, out, options)
    name = f"{family.lower().replace(' ', '-')}-{script}-{weight}.woff2"
    _replace(target / name, out.getvalue())
    return (
        f'@font-face{{font-family:"{family}";font-weight:{weight};font-display:swap;'
        f'src:url("{name}") format("woff2");unicode-range:{_RANGES[script]}}}'
    )


def texts() -> Iterator[str]:
    """Every text that the pages can show."""
    for lang in TRANSLATED:
        for message in read_catalogue(lang):
            yield from _strings(message)
    for file in sorted((APP / "content").rglob("*.toml")):
        yield from _leaves(tomllib.loads(file.read_text(encoding="utf-8")))


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)


def _strings(message: Message) -> tuple[str, ...]:
    string = message.string
    return (string,) if isinstance(string, str) else tuple(string)


def _gaps(catalogue: Catalog) -> Iterable[Message]:
    return [m for m in catalogue if m.id and isinstance(m.id, str) and not m.string]


def _borrowed(message: Message, lang: str, catalogues: dict[str, Catalog]) -> str:
    """The text in the next language its readers know, marked as such."""
    for other in FALLBACK[lang][1:]:
        theirs = catalogues[other].get(message.id) if other in catalogues else None
        if theirs is not None and theirs.string:
            way = "rtl" if other in RTL else "ltr"
            return f'<span lang="{other}" dir="{way}">{theirs.string}</span>'
    return ""


def _po(lang: str, app: Path = APP) -> Path:
    return app / CATALOGUES.name / lang / "LC_MESSAGES" / "messages.po"


def _replace(file: Path, data: bytes) -> None:
    """Write all or nothing, so that a running node never reads half a file.

    What would not change stays untouched: the tablets' app takes a newer file for a new version.
    Two builds at once (tests in two processes) have a new file each.
    """
    if file.is_file() and file.read_bytes() == data:
        return
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    new.write_bytes(data)
    os.replace(new, file)  # noqa: PTH105


if __name__ == "__main__":
    main()
