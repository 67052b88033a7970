"""Letting people in: login, sessions, codes, and what of it is written into the audit log."""

from __future__ import annotations

import hashlib
import hmac
import secrets as random
import threading
import time
from collections.abc import Callable

from edge_app.access import secrets
from edge_app.access.limits import (
    BROWSER,
    INVITATION_S,
    PAIRING_S,
    ROLES_WITH_TABLET,
    TABLET,
)
from field_data.audit_log import NODE, STRANGER, Action, AuditLog
from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.known_devices import KnownDevices
from field_data.login_failures import LoginFailures
from field_data.one_time_codes import OneTimeCodes, Purpose
from field_data.people import People, Person, Role, name_key
from field_data.running_time import RunningTime
from field_data.sessions import Session, Sessions

_FOR_EVER_S = 1e12  # a setup code lasts until the next start
_NO_ONE = "setup"
# A page that is opened again within so long is one look.
_LOOK_S = 3600.0


class Gate:
    """Who is let in on one node."""

    def __init__(
        self,
        store: DocumentStore,
        people: People,
        audit: AuditLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._people = people
        self._audit = audit
        self._running = running = RunningTime(store, clock)
        self._looks: dict[tuple[str, str], float] = {}
        self.sessions = Sessions(store, running)
        self.codes = OneTimeCodes(store, running)
        self._failures = LoginFailures(store, running)
        self._devices = KnownDevices(store)
        self._setup_lock = threading.Lock()

    # --- name and secret ---------------------------------------------------------------------

    def login(self, login: str, secret: str, *, known: str | None = None) -> Person:
        """The person of that name (or code) and secret.

        ``known`` is what a device holds that this person has used before: strangers who try that
        name elsewhere then cost them no pause.

        Raises:
            PersonError: ``wrong_login`` (no such person, wrong secret, no longer active: not told
                apart), ``login_paused`` with ``wait_s``.
            BusyError: too many are logging in at this moment.
        """
        person = self._people.named(login)
        friend = person is not None and self._devices.knows(known, person.id)
        key = f"device {known}" if friend else person.id if person else name_key(login)
        self._refuse_paused(key, friend)
        with secrets.TURN.place():
            self._refuse_paused(key, friend)  # those before us in the queue have been counted now
            kept = self._people.secret(person.id) if person else None
            verdict = secrets.check(kept, secret)
            if not verdict.right or person is None:
                self._failures.wrong(key, box=not friend)
            else:
                self._failures.right(key)
        if not verdict.right or person is None:
            self._audit.append(STRANGER, Action.LOGIN_FAILED, person.id if person else "")
            raise PersonError("wrong_login", "name or PIN is wrong")
        if verdict.rehashed:
            self._people.set_secret(person.id, verdict.rehashed)
        return person

    def _refuse_paused(self, key: str, friend: bool) -> None:
        wait_s = self._failures.pause_s(key, box=not friend)
        if wait_s > 0:
            raise PersonError("login_paused", "too many wrong tries", wait_s=int(wait_s) + 1)

    def forgive(self, person: str) -> None:
        """Forget the wrong tries at a person's name."""
        self._failures.right(person)

    def remember_device(self, person: str) -> str:
        """What a device is given after a right login, to be known next time."""
        return self._devices.add(person)

    # --- sessions ----------------------------------------------------------------------------

    def open_session(self, person: Person, device: str) -> str:
        """Begin a browser's session; returns its token."""
        self._audit.append(person.id, Action.LOGIN, person.id)
        return self.sessions.open(person.id, device, BROWSER[person.role])

    def whose(self, token: str | None) -> tuple[Person, Session] | None:
        """The active person a token belongs to, and the session."""
        session = self.sessions.find(token) if token else None
        person = self._people.get(session.person) if session else None
        if session is None or person is None or not person.active:
            return None
        return person, session

    def end_sessions(self, actor: str, person: str, *, but: str | None = None) -> int:
        """Log a person out everywhere (but in one session) and let no code of theirs work."""
        ended = self.sessions.end_all(person, but=but)
        self.codes.revoke(person)
        self._devices.forget(person)
        self._audit.append(actor, Action.SESSION_ENDED, person, {"sessions": ended})
        return ended

    def forget_person(self, person: str) -> None:
        """Let nothing of a person who was erased open anything any more."""
        self.end_sessions(NODE, person)

    def end_session(self, actor: str, person: str, id: str) -> bool:
        """End one session of a person; False if there is none of that id."""
        ended = self.sessions.end(person, id)
        if ended:
            self._audit.append(actor, Action.SESSION_ENDED, person, {"sessions": 1})
        return ended

    def looked_at(self, session: Session, subject: str) -> None:
        """Note a look at private data, but not every reload of the page."""
        seen, now_s = (session.id, subject), self._running.now_s()
        if now_s - self._looks.get(seen, -_LOOK_S) < _LOOK_S:
            return
        self._looks = {k: at for k, at in self._looks.items() if now_s - at < _LOOK_S}
        self._looks[seen] = now_s
        self._audit.append(session.person, Action.VIEWED_PRIVATE, subject)

    # --- secrets and codes -------------------------------------------------------------------

    def change_secret(self, actor: str, person: Person, secret: str, *, but: str | None) -> None:
        """Give a person another secret; their other sessions end.

        Raises PersonError ``weak_pin``, ``weak_passphrase``; BusyError.
        """
        secrets.refuse_weak(secret, person.role, person.name)
        self._keep_secret(actor, person, secrets.hashed(secret), but)

    def _keep_secret(self, actor: str, person: Person, kept: str, but: str | None) -> None:
        self._people.set_secret(person.id, kept)
        self._failures.right(person.id)
        self._audit.append(actor, Action.SECRET_CHANGED, person.id)
        self.end_sessions(actor, person.id, but=but)

    def right_secret(self, person: Person, secret: str) -> bool:
        """Whether a person who is logged in knows their secret; wrong tries are counted."""
        key = f"again {person.id}"
        self._refuse_paused(key, friend=True)
        with secrets.TURN.place():
            right = secrets.check(self._people.secret(person.id), secret).right
            (self._failures.right if right else self._failures.wrong)(key)
        if not right:
            self._audit.append(person.id, Action.LOGIN_FAILED, person.id)
        return right

    def invite(self, actor: str, person: Person) -> str:
        """A code with which a person sets a secret of their own; for a week."""
        code = self.codes.issue(Purpose.INVITATION, person.id, INVITATION_S)
        self._audit.append(actor, Action.INVITED, person.id)
        return code

    def invited(self, code: str) -> Person | None:
        """Whom an invitation is for."""
        return self._active(self.codes.person_of(code, Purpose.INVITATION))

    def accept(self, code: str, secret: str) -> Person:
        """Use an invitation up: its person has that secret now.

        Raises PersonError ``bad_code``, ``weak_pin``, ``weak_passphrase``; BusyError.
        """
        person = self.invited(code)
        if person is None:
            raise PersonError("bad_code", "this code is wrong, used or too old")
        secrets.refuse_weak(secret, person.role, person.name)
        kept = secrets.hashed(secret)  # may be refused: the code must then still be good
        if self.codes.take(code, Purpose.INVITATION) is None:
            raise PersonError("bad_code", "this code is wrong, used or too old")
        self._keep_secret(person.id, person, kept, None)
        return person

    def pairing_code(self, actor: str, person: Person) -> str:
        """A code that logs a tablet in as that person, once, for ten minutes.

        Raises PersonError ``no_tablet_for_role``.
        """
        if person.role not in ROLES_WITH_TABLET:
            raise PersonError("no_tablet_for_role", "tablets are for agents and agronomists")
        code = self.codes.issue(Purpose.PAIRING, person.id, PAIRING_S)
        self._audit.append(actor, Action.INVITED, person.id, {"tablet": True})
        return code

    def pairing_of(self, code: str) -> Person | None:
        """Whom a pairing code is for."""
        return self._active(self.codes.person_of(code, Purpose.PAIRING))

    def pair(self, code: str, device: str) -> tuple[Person, str]:
        """Use a pairing code up; returns the person and the token of the tablet's session.

        Raises PersonError ``bad_code``.
        """
        person = self._active(self.codes.take(code, Purpose.PAIRING))
        if person is None or person.role not in ROLES_WITH_TABLET:
            raise PersonError("bad_code", "this code is wrong, used or too old")
        token = self.sessions.open(person.id, device, TABLET, tablet=True)
        self._audit.append(person.id, Action.PAIRED, person.id)
        return person, token

    def _active(self, id: str | None) -> Person | None:
        person = self._people.get(id) if id else None
        return person if person is not None and person.active else None

    # --- the first keeper --------------------------------------------------------------------

    def setup_code(self) -> str | None:
        """A new code for the first keeper; None when there is a keeper.  The old one is void."""
        if self._people.keepers():
            self.codes.revoke(_NO_ONE)
            return None
        return self.codes.issue(Purpose.SETUP, _NO_ONE, _FOR_EVER_S)

    def needs_keeper(self) -> bool:
        """Whether nobody keeps this node yet."""
        return not self._people.keepers()

    def set_up(self, code: str, name: str, lang: str, secret: str) -> Person:
        """Make the first keeper, with the code that the node printed.

        Raises PersonError ``bad_code``, ``bad_name``, ``name_taken``, ``weak_passphrase``.
        """
        right = self.codes.person_of(code, Purpose.SETUP) is not None
        return self._first_keeper(name, lang, secret, right)

    def first_keeper(self, name: str, lang: str, secret: str) -> Person:
        """Make the first keeper of a box, on whose own Wi-Fi no code is asked; as `set_up`."""
        return self._first_keeper(name, lang, secret, True)

    def _first_keeper(self, name: str, lang: str, secret: str, may: bool) -> Person:
        with self._setup_lock:
            if not may or not self.needs_keeper():
                raise PersonError("bad_code", "this code is wrong, used or too old")
            secrets.refuse_weak(secret, Role.KEEPER, name)
            keeper = self._people.add(name, Role.KEEPER, lang, secrets.hashed(secret))
            self.codes.revoke(_NO_ONE)
        self._audit.append(keeper.id, Action.SETUP, keeper.id)
        return keeper


def csrf_of(token: str) -> str:
    """What forms of a session must send along: derived from its token, so kept nowhere."""
    return hmac.new(token.encode(), b"ghalla forms", hashlib.sha256).hexdigest()


def same(one: str, two: str) -> bool:
    """Whether two texts are equal, in constant time."""
    return random.compare_digest(one.encode(), two.encode())
