"""``ghalla forms …`` and ``ghalla observations …``: what agents fill in, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import HOME, JSON, guarded
from field_data.errors import PersonError

if TYPE_CHECKING:
    from field_data.events import Event
    from field_data.forms.columns import Cell
    from field_data.forms.definition import Form
    from field_data.forms.library import Forms

_MAX_WORKBOOK = 5_000_000
_FILE = click.Path(path_type=Path, dir_okay=False)
_WITH_HOME = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="A node's folder: its own forms too.",
)


@click.group()
def forms() -> None:
    """What agents fill in: list, check and import forms, explain their columns."""


@click.group()
def observations() -> None:
    """What agents recorded."""


def _forms(home: Path | None) -> Forms:
    """The forms of a home, or those that come with Ghalla; what is unsound is said on the side."""
    from edge_app.home_forms import forms_of
    from field_data.forms.library import shipped_forms

    if home is None:
        return shipped_forms()
    found, problems = forms_of(home)
    for problem in problems:
        click.echo(f"ghalla: left out: {problem}", err=True)
    return found


@forms.command("list")
@_WITH_HOME
@JSON
def list_forms(home: Path | None, as_json: bool) -> None:
    """List the forms, their version and how many questions they ask."""

    def action() -> None:
        listed = [_summary(form) for form in _forms(home).current()]
        if as_json:
            click.echo(json.dumps(listed, ensure_ascii=False))
            return
        for each in listed:
            click.echo(
                f"{each['id']:20} version {each['version']:<4} "
                f"{each['questions']:3} questions  {each['title']['en']}"
            )

    guarded(as_json, action)


def _summary(form: Form) -> dict[str, Any]:
    return {
        "id": form.id,
        "version": form.version,
        "questions": len(form.questions),
        "title": dict(form.title),
        "digest": form.digest,
    }


@forms.command("check")
@JSON
@click.argument("file", type=_FILE)
def check(as_json: bool, file: Path) -> None:
    """Check a form's TOML file; exit code 4 when it is not sound."""

    def action() -> None:
        from edge_app.home_forms import check_form

        form = check_form(file)
        if as_json:
            click.echo(json.dumps({"ok": True, **_summary(form)}, ensure_ascii=False))
        else:
            click.echo(f"{file}: sound: {form.id} version {form.version}")

    guarded(as_json, action)


@forms.command("import")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the form: HOME/forms to use it on that node.",
)
@JSON
@click.argument("file", type=_FILE)
def import_form(as_json: bool, file: Path, out: Path) -> None:
    """Make a form of an XLSForm workbook (.xlsx)."""

    def action() -> None:
        from edge_app.home_forms import earlier_versions, write_import
        from field_data.forms.xlsform import import_xlsform

        imported = import_xlsform(_workbook(file), earlier_versions(out))
        path = write_import(imported, out)
        if as_json:
            said = {"file": str(path), "left_out": imported.left_out, **_summary(imported.form)}
            click.echo(json.dumps(said, ensure_ascii=False))
            return
        click.echo(f"{path}: {imported.form.id} version {imported.form.version}")
        for what in imported.left_out:
            click.echo(f"  left out: {what}", err=True)

    guarded(as_json, action)


def _workbook(file: Path) -> bytes:
    """The bytes of a file, as far as a workbook may be long and one more."""
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_WORKBOOK + 1)
    except OSError as error:
        raise PersonError("bad_xlsform", f"cannot read the file: {error.strerror}") from error


@forms.command("dictionary")
@_WITH_HOME
@click.option("--form", "form_id", help="Only this form.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@JSON
def data_dictionary(home: Path | None, form_id: str | None, as_csv: bool, as_json: bool) -> None:
    """Explain every column of an export: question, type, unit, range, answers, wire numbers."""

    def action() -> None:
        from field_data.forms.columns import csv_text, dictionary

        known = _forms(home)
        chosen = [known.named(form_id)] if form_id else known.current()
        entries = [entry for form in chosen for entry in dictionary(form)]
        if as_json:
            click.echo(json.dumps(entries, ensure_ascii=False))
        elif as_csv:
            lines = [list(entry.values()) for entry in entries]
            click.echo(csv_text(list(entries[0]), lines), nl=False)
        else:
            for entry in entries:
                click.echo(_explained(entry))

    guarded(as_json, action)


def _explained(entry: dict[str, Cell]) -> str:
    bounds = "" if entry["low"] is None and entry["high"] is None else _bounds(entry)
    unit = f" {entry['unit']}" if entry["unit"] else ""
    choices = f"  {entry['choices']}" if entry["choices"] else ""
    name = f"{entry['form']}.{entry['column']}"
    return f"{name:40} {entry['type']}{unit}{bounds}{choices}  {entry['label_en']}".rstrip()


def _bounds(entry: dict[str, Cell]) -> str:
    low, high = ("" if entry[end] is None else entry[end] for end in ("low", "high"))
    return f" [{low}..{high}]"


@observations.command("export")
@HOME
@click.option("--form", "form_id", required=True, help="Which form: ghalla forms list.")
@click.option("--csv", "out", type=_FILE, help="Write this CSV file instead of printing it.")
@click.option("--bom", is_flag=True, help="Begin the CSV with the mark that spreadsheets look for.")
@click.option("--exact", is_flag=True, help="Coordinates as recorded, not rounded to 0.1 degrees.")
@click.option("--private", is_flag=True, help="Also the answers that name people.")
@JSON
def export(
    home: Path,
    form_id: str,
    out: Path | None,
    bom: bool,
    exact: bool,
    private: bool,
    as_json: bool,
) -> None:
    """Export what was recorded with one form: corrections applied, erased records left out."""

    def action() -> None:
        from field_data.files import write_atomic
        from field_data.forms.columns import columns, csv_text, rows

        known = _forms(home)
        known.named(form_id)
        listed = columns(*known.versions(form_id), private=private)
        header = [column.name for column in listed]
        lines = list(rows(_recorded(home, form_id), listed, exact=exact))
        if out is not None:
            write_atomic(out, csv_text(header, lines, bom=bom).encode())
        if as_json:
            _print_json(header, lines, out)
        elif out is None:
            click.echo(csv_text(header, lines, bom=bom), nl=False)
        else:
            click.echo(f"{out}: {len(lines)} records")

    guarded(as_json, action)


def _print_json(header: Sequence[str], lines: Sequence[Sequence[Cell]], out: Path | None) -> None:
    """The records, or where they went."""
    if out is not None:
        click.echo(json.dumps({"file": str(out), "records": len(lines)}))
    else:
        click.echo(json.dumps([dict(zip(header, line, strict=True)) for line in lines]))


def _recorded(home: Path, form_id: str) -> list[Event]:
    from edge_app.health import open_events
    from field_data.events import Kind
    from field_data.forms.columns import observed

    with open_events(home) as log:
        return observed([*log.of_kind(Kind.OBSERVATION), *log.of_kind(Kind.ERASURE)], form_id)
