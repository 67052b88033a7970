"""The people who work with a node, and what each role may be asked to do.

Names stay on the node.  What a person proves themselves with is kept as an opaque string, made and
read by the roof.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tinydb import where
from tinydb.table import Document

from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.ids import new_id, short_code

TABLE = "people"
MOST_NAME_LETTERS = 80
_MOST_TYPED = 1000


class Role(StrEnum):
    """What a person does here; one each."""

    FARMER = "farmer"
    AGENT = "agent"
    AGRONOMIST = "agronomist"
    KEEPER = "keeper"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone known to this node: ``id`` is pseudonymous and travels, ``name`` stays here."""

    id: str
    name: str
    role: Role
    lang: str = "ar"
    active: bool = True

    @property
    def code(self) -> str:
        """Six letters to log in with instead of the name; no secret."""
        return short_code(self.id)


class People:
    """The people of a node, in ``store``.  Nobody is ever removed: events name them by id."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._people = store.table(TABLE)
        for field in ("id", "key", "code", "role"):
            store.index(TABLE, field)

    def add(self, name: str, role: Role, lang: str = "ar", secret: str | None = None) -> Person:
        """Add a person, active; ``secret`` is an opaque hash.

        Raises:
            PersonError: ``bad_name``, or ``name_taken`` by another active person.
        """
        person = Person(new_id(), tidy_name(name), role, lang)
        with self._store.transaction():
            self._refuse_taken(person.name)
            if self._people.contains(where("code") == person.code):
                return self.add(name, role, lang, secret)
            self._people.insert(_row(person, secret))
        return person

    def meet(self, id: str, name: str) -> Person:
        """The person of an id that was made up elsewhere: if nobody has it yet, a farmer without
        a secret, called ``name`` as far as a name can be that, with the code where it is taken."""
        with self._store.transaction():
            known = self.get(id)
            if known is not None:
                return known
            person = Person(id, _usable(name), Role.FARMER, "ar")
            if not person.name or self.named(person.name) is not None:
                person = replace(person, name=f"{person.name} {person.code}".strip())
            self._people.insert(_row(person, None))
        return person

    def get(self, id: str) -> Person | None:
        """The person of that id, active or not."""
        row = self._people.get(where("id") == id)
        return None if row is None else _person(row)

    def all(self) -> list[Person]:
        """Everybody who was not erased, first added first."""
        return [_person(row) for row in self._people.all() if row["key"]]

    def named(self, login: str) -> Person | None:
        """The active person of that name or code, however it is written."""
        for field, key in (("key", name_key(login)), ("code", name_key(login).upper())):
            for row in self._people.search(where(field) == key) if key else ():
                if row["active"]:
                    return _person(row)
        return None

    def keepers(self) -> list[Person]:
        """The active keepers."""
        rows = self._people.search(where("role") == str(Role.KEEPER))
        return [_person(row) for row in rows if row["active"]]

    def secret(self, id: str) -> str | None:
        """The hash of the person's secret, None where there is none yet."""
        row = self._people.get(where("id") == id)
        return None if row is None else row["secret"]

    def set_secret(self, id: str, secret: str | None) -> None:
        """Keep another hash, or none: the person then cannot log in."""
        self._change(id, secret=secret)

    def rename(self, id: str, name: str) -> Person:
        """Give another name.  Raises PersonError as :meth:`add`, or ``unknown_person``."""
        tidy = tidy_name(name)
        with self._store.transaction():
            self._refuse_taken(tidy, but=id)
            return self._change(id, name=tidy, key=name_key(tidy))

    def change_role(self, id: str, role: Role) -> Person:
        """Give another role.  Raises PersonError ``last_keeper`` or ``unknown_person``."""
        with self._store.transaction():
            if role is not Role.KEEPER:
                self._refuse_last_keeper(id)
            return self._change(id, role=str(role))

    def set_lang(self, id: str, lang: str) -> Person:
        """Remember the person's language.  Raises PersonError ``unknown_person``."""
        return self._change(id, lang=lang)

    def deactivate(self, id: str) -> Person:
        """Let the person in no longer.  Raises PersonError ``last_keeper``, ``unknown_person``."""
        with self._store.transaction():
            self._refuse_last_keeper(id)
            return self._change(id, active=False)

    def reactivate(self, id: str) -> Person:
        """Let the person in again.  Raises PersonError ``name_taken``, ``unknown_person``."""
        with self._store.transaction():
            person = self._known(id)
            self._refuse_taken(person.name, but=id)
            return self._change(id, active=True)

    def erased(self, id: str) -> bool:
        """Whether the person was forgotten already."""
        person = self.get(id)
        return person is not None and not person.name

    def erase(self, id: str) -> None:
        """Forget name and secret for good; only the id stays, which then means nobody.

        Raises PersonError ``last_keeper``, ``unknown_person``.
        """
        with self._store.transaction():
            self._refuse_last_keeper(id)
            self._change(id, name="", key="", secret=None, active=False)

    def _change(self, id: str, **fields: Any) -> Person:
        with self._store.transaction():
            self._people.update(fields, where("id") == id)
            return self._known(id)

    def _known(self, id: str) -> Person:
        person = self.get(id)
        if person is None:
            raise PersonError("unknown_person", f"nobody here has the id {id}", id=id)
        return person

    def _refuse_taken(self, name: str, but: str = "") -> None:
        other = self.named(name)
        if other is not None and other.id != but:
            raise PersonError("name_taken", "another person here is called like that")

    def _refuse_last_keeper(self, id: str) -> None:
        if [keeper.id for keeper in self.keepers()] == [id]:
            raise PersonError("last_keeper", "the node must have a keeper: make another one first")


def tidy_name(name: str) -> str:
    """A name in one line, in Unicode's composed form; raises PersonError ``bad_name``."""
    tidy = " ".join(unicodedata.normalize("NFC", name).split())
    seen = [c for c in tidy if unicodedata.category(c)[0] != "C"]
    if not seen or len(tidy) > MOST_NAME_LETTERS or len(seen) != len(tidy):
        raise PersonError("bad_name", "a name has 1 to 80 letters, in one line")
    return tidy


def _usable(name: str) -> str:
    """What `tidy_name` lets pass of a name, with room for a code behind it; maybe nothing."""
    seen = (c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C")
    return " ".join("".join(seen).split())[: MOST_NAME_LETTERS - 10].strip()


def name_key(name: str) -> str:
    """What a name is found by: the same for large and small letters, wide and narrow forms."""
    start = name[:_MOST_TYPED]  # what is longer is no name, and must not cost time
    return " ".join(unicodedata.normalize("NFKC", start).casefold().split())


def _row(person: Person, secret: str | None) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "key": name_key(person.name),
        "code": person.code,
        "role": str(person.role),
        "lang": person.lang,
        "active": person.active,
        "secret": secret,
    }


def _person(row: Document) -> Person:
    return Person(row["id"], row["name"], Role(row["role"]), row["lang"], row["active"])
