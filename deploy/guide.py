"""Make the keeper's one page: ``python deploy/guide.py [OUT]`` writes guide-ar.pdf, guide-fr.pdf.

Text is in ``docs/keeper/guide.toml``, the drawings beside it.  Chromium sets and prints the page,
with the Arabic letters of `npm ci`; it refuses a text that does not fit on one page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KEEPER = ROOT / "docs" / "keeper"
FONT = (
    ROOT / "node_modules/@fontsource/noto-kufi-arabic/files/noto-kufi-arabic-arabic-{}-normal.woff2"
)
_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")
# Chromium writes today's date into a PDF; the same text should give the same bytes.
_DATE = re.compile(rb"(/(?:Creation|Mod)Date \(D:)\d{14}")

STYLE = """
@page { size: A4; margin: 11mm 12mm; }
* { box-sizing: border-box; }
body { margin: 0; font: 10.5pt/1.4 "Kufi", "DejaVu Sans", sans-serif; color: #23332a; }
[lang=ar] { line-height: 1.55; }
header { border-bottom: 3px solid #d9a521; padding-bottom: 2mm; display: flex; align-items: center;
  gap: 4mm; }
header svg { width: 15mm; height: 15mm; }
h1 { font-size: 21pt; margin: 0; color: #1f5c3a; line-height: 1.25; }
header p { margin: 0; }
ol { list-style: none; margin: 4mm 0 0; padding: 0; display: grid; grid-template-columns: 1fr 1fr;
  gap: 3.5mm; }
li { border: 1.5px solid #d8cdb6; border-radius: 3mm; padding: 2.5mm 3.5mm; display: flex;
  gap: 3mm; min-height: 46mm; align-items: flex-start; }
li svg { width: 31mm; flex: none; }
h2 { font-size: 12.5pt; margin: 0 0 1mm; color: #1f5c3a; line-height: 1.35; }
li p { margin: 0; }
b { display: inline-block; min-width: 7mm; text-align: center; background: #1f5c3a; color: #fff;
  border-radius: 4mm; margin-inline-end: 2mm; }
footer p { margin: 3.5mm 0; font-weight: 700; }
dl { margin: 0; display: grid; grid-template-columns: repeat(3, 1fr); gap: 4mm; }
dt { font-size: 9.5pt; }
dd { margin: 0; border-bottom: 1.5px dotted #23332a; height: 9mm; }
"""


def page(lang: str, said: dict[str, Any]) -> str:
    """The page as HTML."""
    said = _kept_together(said)
    steps = "".join(
        f"<li>{_drawing(step['picture'])}<div><h2><b>{number}</b>{_isolated(step['title'])}</h2>"
        f"<p>{escape(step['text'])}</p></div></li>"
        for number, step in enumerate(said["steps"], 1)
    )
    blanks = "".join(f"<div><dt>{escape(each)}</dt><dd></dd></div>" for each in said["write"])
    logo = (ROOT / "edge_app/static/icons/logo.svg").read_text(encoding="utf-8")
    fonts = "".join(
        f"@font-face {{ font-family: Kufi; font-weight: {weight}; "
        f"src: url('{Path(str(FONT).format(weight)).as_uri()}'); unicode-range: U+0600-06FF; }}"
        for weight in (400, 700)
    )
    return f"""<!doctype html><html lang="{lang}" dir="{said["dir"]}"><meta charset="utf-8">
<title>{escape(said["title"])}</title><style>{fonts}{STYLE}</style>
<header>{logo}<div><h1>{escape(said["title"])}</h1><p>{escape(said["lead"])}</p></div></header>
<ol>{steps}</ol><footer><p>{escape(said["foot"])}</p><dl>{blanks}</dl></footer></html>"""


def _kept_together(said: Any) -> Any:
    """The same with what no line may end in: French signs and their blanks, the name Wi-Fi."""
    if isinstance(said, dict):
        return {key: _kept_together(each) for key, each in said.items()}
    if isinstance(said, list):
        return [_kept_together(each) for each in said]
    text = re.sub(r"« | (?=[»:?!;])", lambda found: found[0].replace(" ", "\u00a0"), said)
    return text.replace("Wi-Fi", "Wi\u2011Fi")


def _drawing(name: str) -> str:
    return (KEEPER / "pictures" / f"{name}.svg").read_text(encoding="utf-8")


def _isolated(title: str) -> str:
    """An address inside Arabic words keeps its own direction."""
    return re.sub(r"(http://\S+)", r'<bdi dir="ltr">\1</bdi>', escape(title))


def printed(html: str, out: Path) -> None:
    """Let Chromium print ``html``; SystemExit unless it is one page."""
    program = shutil.which("chromium") or sys.exit("guide.py: needs chromium")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "guide.html"
        source.write_text(html, encoding="utf-8")
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                   "--allow-file-access-from-files", f"--user-data-dir={folder}/profile",
                   f"--print-to-pdf={out}", source.as_uri()]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 - words of our own
    pdf = _DATE.sub(rb"\g<1>20260101000000", out.read_bytes())
    out.write_bytes(pdf)
    if (pages := len(_PAGE.findall(pdf))) != 1:
        sys.exit(f"guide.py: {out.name} has {pages} pages; shorten guide.toml")


def main() -> None:
    """Write one PDF a language."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else KEEPER
    for lang, said in tomllib.loads((KEEPER / "guide.toml").read_text(encoding="utf-8")).items():
        printed(page(lang, said), out / f"guide-{lang}.pdf")
        print(out / f"guide-{lang}.pdf")


if __name__ == "__main__":
    main()
