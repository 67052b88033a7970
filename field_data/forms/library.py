"""Which forms this node has: the newest version of each, and the older ones it still understands.

A new version may add, drop and reword; it may not give an answer's wire number to another answer,
nor turn a question into one of another type, because old records would then say something else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from field_data.errors import PersonError
from field_data.forms.definition import Form, digest_of
from field_data.forms.loading import read_form
from field_data.forms.problems import bad_form

SHIPPED = Path(__file__).parent


class Forms:
    """The forms of a node, every version that it has."""

    def __init__(self, forms: Iterable[Form]) -> None:
        """Raises PublisherError ``bad_form`` when versions contradict each other."""
        self._versions: dict[str, dict[int, Form]] = defaultdict(dict)
        for form in forms:
            if form.version in self._versions[form.id]:
                raise bad_form(form.id, f"version {form.version}", "is there twice")
            self._versions[form.id][form.version] = form
        for versions in self._versions.values():
            refuse_contradictions(list(versions.values()))

    def current(self) -> list[Form]:
        """The newest version of each form, by id."""
        return [versions[max(versions)] for _, versions in sorted(self._versions.items())]

    def versions(self, id: str) -> list[Form]:
        """Every version of a form, oldest first; none for an unknown id."""
        return [form for _, form in sorted(self._versions.get(id, {}).items())]

    def get(self, id: str, version: int | None = None) -> Form | None:
        """A form in that version, or in its newest one; None where this node has it not."""
        versions = self._versions.get(id, {})
        return versions.get(version) if version else versions.get(max(versions, default=0))

    def named(self, id: str) -> Form:
        """The newest version of a form.

        Raises:
            PersonError: ``unknown_form``.
        """
        found = self.get(id)
        if found is None:
            known = ", ".join(sorted(self._versions))
            raise PersonError("unknown_form", f"no form {id!r}; known are: {known}", form=id)
        return found

    def digest(self) -> str:
        """SHA-256 in hex over all current forms: what a tablet asks to know if it is up to date."""
        return digest_of([form.as_json() for form in self.current()])


def refuse_contradictions(versions: Iterable[Form]) -> None:
    """Refuse versions of one form that use a wire number or a question's id for two things.

    Raises:
        PublisherError: ``bad_form`` naming the version, the question and the answer.
    """
    types: dict[str, str] = {}
    keys: dict[tuple[str, int], str] = {}
    wires: dict[tuple[str, str], int] = {}
    for form in sorted(versions, key=lambda form: form.version):
        file = f"{form.id} version {form.version}"
        for q in form.questions.values():
            if types.setdefault(q.id, q.type) != q.type:
                raise bad_form(file, f"question {q.id}", f"was a {types[q.id]}, is a {q.type}")
            for choice in q.choices:
                known = keys.setdefault((q.id, choice.wire), choice.key)
                number = wires.setdefault((q.id, choice.key), choice.wire)
                if (known, number) != (choice.key, choice.wire):
                    why = f"wire {choice.wire} or choice {choice.key} meant something else before"
                    raise bad_form(file, f"question {q.id}", why)


def load_forms(*folders: Path) -> Forms:
    """The forms in these folders (``*.toml``, older versions in ``old/*.toml``).

    Raises:
        PublisherError: ``bad_form`` with the file, the place and the reason.
    """
    files = [f for folder in folders for part in (folder, folder / "old") for f in _tomls(part)]
    return Forms(read_form(file) for file in files)


def _tomls(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.toml"))


@cache
def shipped_forms() -> Forms:
    """The forms that come with Ghalla."""
    return load_forms(SHIPPED)
