"""The forms of one node: those that come with it or in bundles, and those in its home's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from field_data.errors import PersonError, PublisherError
from field_data.files import make_folder, write_atomic
from field_data.forms.definition import Form
from field_data.forms.library import SHIPPED, Forms, load_forms, shipped_forms
from field_data.forms.loading import read_form
from field_data.forms.xlsform import Imported
from sync.slots import Slots

FOLDER = "forms"


def forms_of(
    home: Path, bundled: Sequence[Path] | None = None
) -> tuple[Forms, list[PublisherError]]:
    """The forms of a home; a file that is not sound is left out and named, the others work on.

    ``bundled``: the folders of bundles; None for those in use.
    """
    good, problems = list(_shipped()), []
    brought = Slots(home).in_use("forms") if bundled is None else bundled
    for file in [file for folder in (*brought, home / FOLDER) for file in _files(folder)]:
        try:
            form = read_form(file)
            Forms([*good, form])
        except PublisherError as error:
            problems.append(error)
        else:
            good.append(form)
    return Forms(good), problems


def _shipped() -> list[Form]:
    forms = shipped_forms()
    return [version for form in forms.current() for version in forms.versions(form.id)]


def _files(folder: Path) -> list[Path]:
    """Older versions first, so that the newer one is blamed for what it changes."""
    return [*sorted((folder / "old").glob("*.toml")), *sorted(folder.glob("*.toml"))]


def check_form(file: Path) -> Form:
    """A form's file, also beside the versions in its folder and those that come with Ghalla.

    Raises:
        PublisherError: ``bad_form``.
    """
    form = read_form(file)
    Forms([*(f for f in _others(file) if (f.id, f.version) != (form.id, form.version)), form])
    return form


def _others(file: Path) -> list[Form]:
    folder = file.parent
    beside = [] if folder.resolve() == SHIPPED.resolve() else _shipped()
    return [*beside, *(read_form(old) for old in sorted((folder / "old").glob("*.toml")))]


def earlier_versions(folder: Path) -> list[Form]:
    """The forms in a folder and its ``old``, every version, beside those of Ghalla.

    Raises:
        PublisherError: ``bad_form``.
    """
    own = load_forms(folder)
    return [v for form in own.current() for v in own.versions(form.id)] + _shipped()


def write_import(imported: Imported, folder: Path) -> Path:
    """Write an imported form; the version that it replaces goes to ``old`` first.

    Raises:
        PersonError: ``form_taken`` when it would replace a form that comes with Ghalla.
        KeeperError: ``disk_full``.
    """
    form = imported.form
    if shipped_forms().get(form.id):
        raise PersonError("form_taken", f"Ghalla has a form {form.id}: give yours another form_id")
    make_folder(folder)
    path = folder / f"{form.id}.toml"
    before = read_form(path) if path.is_file() else form
    if before.version != form.version:
        make_folder(folder / "old")
        write_atomic(folder / "old" / f"{form.id}-{before.version}.toml", path.read_bytes())
    write_atomic(path, imported.toml.encode())
    return path
