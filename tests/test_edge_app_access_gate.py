"""Coming in: secrets, pauses, sessions, one-time codes, on a clock that the test moves."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import argon2
import pytest

from edge_app.access import secrets
from edge_app.access.gate import Gate
from edge_app.access.limits import BROWSER, TABLET
from edge_app.turnstile import Turnstile
from field_data.audit_log import Action, AuditLog
from field_data.document_store import DocumentStore
from field_data.errors import BusyError, PersonError
from field_data.login_failures import OF_A_NAME
from field_data.people import People, Person, Role, name_key
from tests.people import PASSPHRASE, PIN

FULL = Turnstile(1, -1)  # nobody gets in


class Box:
    """A node's gate whose running time the test moves, and which can be started again."""

    def __init__(self, home: Path) -> None:
        self.home, self.s = home, 1000.0
        self.start()

    def start(self) -> None:
        self.store = DocumentStore(self.home / "store.sqlite")
        self.people = People(self.store)
        self.audit = AuditLog(self.store, self.home)
        self.gate = Gate(self.store, self.people, self.audit, clock=lambda: self.s)

    def restart(self) -> None:
        """A power cut: the monotonic clock begins again."""
        self.store.close()
        self.s = 5.0
        self.start()

    def add(self, name: str, role: Role = Role.AGENT, secret: str = PIN) -> Person:
        return self.people.add(name, role, "fr", secrets.hashed(secret))


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    made.store.close()


def refused(box: Box, login: str, secret: str, known: str | None = None) -> PersonError:
    with pytest.raises(PersonError) as caught:
        box.gate.login(login, secret, known=known)
    return caught.value


def pause(box: Box, login: str) -> int:
    error = refused(box, login, PIN)
    assert error.code == "login_paused"
    wait_s = error.details["wait_s"]
    assert isinstance(wait_s, int)
    return wait_s


class TestSecrets:
    @pytest.mark.parametrize(
        "pin",
        ["12345", "123456", "654321", "890123", "111111", "121212", "123123", "112211", "230785",
         "850723", "23071985", "19850723", "0612345678", "", "      "],
    )  # fmt: skip
    def test_a_pin_that_is_easy_to_guess_is_refused(self, pin: str) -> None:
        with pytest.raises(PersonError, match="PIN"):
            secrets.refuse_weak(pin, Role.AGENT)

    @pytest.mark.parametrize("pin", ["❶❷❺❼❽❾❸", "፩፪፫፭፯፩"])
    def test_digits_that_are_no_decimals_are_refused_like_words(self, pin: str) -> None:
        with pytest.raises(PersonError) as refused:
            secrets.refuse_weak(pin, Role.AGENT)
        assert refused.value.code == "weak_pin"

    @pytest.mark.parametrize("pin", [PIN, "٨٤٦٠٩٣", "84 60 93", "7391845520931"])
    def test_a_good_pin_is_taken_in_any_digits(self, pin: str) -> None:
        secrets.refuse_weak(pin, Role.FARMER)

    @pytest.mark.parametrize("role", [Role.AGRONOMIST, Role.KEEPER])
    @pytest.mark.parametrize("secret", [PIN, "short", "aaaaaaaaaaaa", "Fatima Zahra 1", "x" * 201])
    def test_who_can_do_more_needs_a_passphrase(self, role: Role, secret: str) -> None:
        with pytest.raises(PersonError) as caught:
            secrets.refuse_weak(secret, role, "fatima zahra")
        assert caught.value.code == "weak_passphrase"
        secrets.refuse_weak(PASSPHRASE, role, "fatima zahra")

    def test_the_same_secret_in_other_digits_and_widths_is_the_same(self) -> None:
        kept = secrets.hashed("٨٤٦٠٩٣")
        assert secrets.check(kept, "846093").right
        assert secrets.check(kept, "８４６０９３").right
        assert secrets.check(kept, "84 60 93").right
        assert secrets.check(secrets.hashed("84 60 93"), "846093").right
        assert not secrets.check(kept, "846094").right

    def test_a_book_instead_of_a_secret_costs_next_to_nothing(self) -> None:
        begun = time.process_time()
        secrets.normal("\ufdfa" * 160_000)  # each becomes eighteen letters
        name_key("\ufdfa" * 160_000)
        assert time.process_time() - begun < 0.1

    def test_a_hash_of_weaker_parameters_is_replaced_at_the_next_login(self, box: Box) -> None:
        weak = argon2.PasswordHasher(1, 8 * 1024, 1).hash(PIN)
        person = box.people.add("Amal", Role.AGENT, secret=weak)
        box.gate.login("Amal", PIN)
        kept = box.people.secret(person.id)
        assert kept is not None
        assert argon2.extract_parameters(kept).memory_cost == 19 * 1024
        box.gate.login("amal", PIN)

    def test_what_is_kept_is_argon2id_and_not_the_secret(self) -> None:
        kept = secrets.hashed(PIN)
        assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert PIN not in kept
        assert kept != secrets.hashed(PIN)

    def test_a_flood_of_logins_hashes_one_at_a_time_and_is_told_to_come_back(
        self, box: Box
    ) -> None:
        person = box.add("Amal")
        told: list[str] = []

        def try_once() -> None:
            try:
                told.append(box.gate.login("Amal", PIN).id)
            except BusyError as error:
                told.append(f"wait {error.retry_after_s}")

        with secrets.TURN.place():
            threads = [threading.Thread(target=try_once) for _ in range(12)]
            for thread in threads:
                thread.start()
            while len(told) < 8:  # those for whom there was no room were told at once
                pass
        for thread in threads:
            thread.join()
        assert told.count(person.id) == 4
        assert sum(each.startswith("wait") for each in told) == 8


class TestLogin:
    def test_by_name_however_written_or_by_code(self, box: Box) -> None:
        person = box.add("Fatima  Zahra")
        for login in ("fatima zahra", " FATIMA ZAHRA ", person.code, person.code.lower()):
            assert box.gate.login(login, PIN) == person

    def test_unknown_wrong_and_no_longer_active_are_told_alike(self, box: Box) -> None:
        gone = box.add("Gone")
        box.add("Amal")
        box.people.add("No secret", Role.FARMER)
        box.people.deactivate(gone.id)
        errors = [
            refused(box, "nobody", PIN),
            refused(box, "Amal", "739184"),
            refused(box, "Gone", PIN),
            refused(box, "No secret", PIN),
        ]
        assert {(error.code, str(error)) for error in errors} == {
            ("wrong_login", "name or PIN is wrong")
        }

    def test_an_unknown_name_costs_as_much_hashing_as_a_known_one(
        self, box: Box, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        box.add("Amal")
        secrets.check(None, "warm up")
        asked: list[str] = []

        def verify(_self: object, kept: str, _text: str) -> bool:
            asked.append(kept.rsplit("$", 2)[0])
            raise argon2.exceptions.VerifyMismatchError

        monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)
        refused(box, "Amal", "739184")
        refused(box, "nobody", "739184")
        assert len(asked) == 2
        assert asked[0] == asked[1]

    @pytest.mark.parametrize("name", ["Amal", "somebody who does not exist"])
    def test_wrong_tries_cost_a_growing_pause_that_no_restart_shortens(
        self, box: Box, name: str
    ) -> None:
        box.add("Amal")
        for _ in range(OF_A_NAME.free):
            assert refused(box, name, "739184").code == "wrong_login"
        waits: list[int] = []
        for _ in range(8):
            waits.append(pause(box, name))  # even for the right PIN
            box.restart()
            assert pause(box, name) >= waits[-1] - 1
            box.s += waits[-1]
            assert refused(box, name, "739184").code == "wrong_login"
        assert waits[0] == 31
        assert waits == sorted(waits)
        assert waits[-1] == OF_A_NAME.most_s + 1

    def test_the_pause_ends_and_a_right_login_forgets_the_wrong_ones(self, box: Box) -> None:
        box.add("Amal")
        for _ in range(OF_A_NAME.free):
            refused(box, "Amal", "739184")
        box.s += 31
        box.gate.login("Amal", PIN)
        for _ in range(OF_A_NAME.free - 1):
            refused(box, "Amal", "739184")
        box.gate.login("Amal", PIN)

    def test_strangers_cannot_keep_the_keeper_out_on_a_device_that_is_known(self, box: Box) -> None:
        keeper = box.add("Keeper", Role.KEEPER, PASSPHRASE)
        known = box.gate.remember_device(keeper.id)
        for number in itertools.count():
            try:
                box.gate.login("Keeper" if number < 5 else f"name {number}", "739184")
            except PersonError as error:
                if error.code == "login_paused" and number > 40:
                    break
                assert number < 100
        assert refused(box, "Keeper", PASSPHRASE).code == "login_paused"
        assert box.gate.login("Keeper", PASSPHRASE, known=known) == keeper
        assert refused(box, "Keeper", PASSPHRASE, known="made up").code == "login_paused"

    def test_a_known_device_that_is_stolen_is_paused_by_itself(self, box: Box) -> None:
        person = box.add("Amal")
        known = box.gate.remember_device(person.id)
        for _ in range(OF_A_NAME.free):
            refused(box, "Amal", "739184", known)
        assert refused(box, "Amal", PIN, known).code == "login_paused"
        assert box.gate.login("Amal", PIN) == person

    def test_made_up_names_do_not_fill_the_store(self, box: Box) -> None:
        for number in range(60):
            box.s += 400
            refused(box, f"name {number}", "739184")
        assert len(box.store.table("login_failures")) <= 62
        text = (box.home / "store.sqlite").read_bytes()
        assert b"name 17" not in text


class TestSessions:
    def test_only_the_hash_of_the_token_is_kept(self, box: Box) -> None:
        token = box.gate.open_session(box.add("Amal"), "phone")
        files = b"".join(path.read_bytes() for path in box.home.glob("store.sqlite*"))
        assert token.encode() not in files
        assert len(token) >= 43

    def test_a_session_outlives_a_restart_and_ends_when_idle(self, box: Box) -> None:
        person = box.add("Amal")
        token = box.gate.open_session(person, "phone")
        box.restart()
        assert box.gate.whose(token) is not None
        box.s += BROWSER[Role.AGENT].idle_s - 10
        assert box.gate.whose(token) is not None  # being used keeps it
        box.s += BROWSER[Role.AGENT].idle_s + 10
        assert box.gate.whose(token) is None
        assert len(box.store.table("sessions")) == 0

    def test_a_session_ends_for_good_however_much_it_is_used(self, box: Box) -> None:
        keeper = box.add("Keeper", Role.KEEPER, PASSPHRASE)
        token = box.gate.open_session(keeper, "laptop")
        absolute_s = BROWSER[Role.KEEPER].absolute_s
        assert absolute_s is not None
        used = 0.0
        while box.gate.whose(token) is not None:
            box.s += 1800
            used += 1800
        assert absolute_s < used <= absolute_s + 1800

    def test_who_is_deactivated_is_out_at_once(self, box: Box) -> None:
        person = box.add("Amal")
        token = box.gate.open_session(person, "phone")
        box.people.deactivate(person.id)
        assert box.gate.whose(token) is None

    def test_another_pin_ends_the_other_sessions_but_not_this_one(self, box: Box) -> None:
        person = box.add("Amal")
        here, stolen = (box.gate.open_session(person, name) for name in ("here", "stolen"))
        found = box.gate.whose(here)
        assert found is not None
        box.gate.change_secret(person.id, person, "739184", but=found[1].id)
        assert box.gate.whose(here) is not None
        assert box.gate.whose(stolen) is None

    def test_a_person_has_at_most_twenty(self, box: Box) -> None:
        person = box.add("Amal")
        tokens = []
        for _ in range(22):
            box.s += 1
            tokens.append(box.gate.open_session(person, "phone"))
        assert [box.gate.whose(token) is not None for token in tokens] == [False] * 2 + [True] * 20

    @pytest.mark.parametrize("token", ["", "x", "é", "\x00", "a" * 5000])
    def test_a_made_up_token_opens_nothing(self, box: Box, token: str) -> None:
        box.gate.open_session(box.add("Amal"), "phone")
        assert box.gate.whose(token) is None


class TestCodes:
    def test_a_pairing_code_works_once_and_for_ten_minutes(self, box: Box) -> None:
        person = box.add("Amal")
        code = box.gate.pairing_code(person.id, person)
        assert box.gate.pairing_of(code.lower().replace("-", " ")) == person
        assert box.gate.pair(code, "tablet")[0] == person
        with pytest.raises(PersonError, match="wrong, used or too old"):
            box.gate.pair(code, "tablet")
        late = box.gate.pairing_code(person.id, person)
        box.s += 601
        assert box.gate.pairing_of(late) is None

    def test_of_two_tablets_at_once_one_is_paired(self, box: Box) -> None:
        person = box.add("Amal")
        code = box.gate.pairing_code(person.id, person)
        paired: list[bool] = []

        def pair() -> None:
            try:
                paired.append(bool(box.gate.pair(code, "tablet")))
            except PersonError:
                paired.append(False)

        threads = [threading.Thread(target=pair) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(paired) == [False, False, False, True]

    def test_a_tablet_is_let_in_for_half_a_year_of_silence(self, box: Box) -> None:
        person = box.add("Amal")
        _, token = box.gate.pair(box.gate.pairing_code(person.id, person), "tablet")
        box.s += TABLET.idle_s - 1
        assert box.gate.whose(token) is not None
        box.s += TABLET.idle_s + 1
        assert box.gate.whose(token) is None

    @pytest.mark.parametrize("role", [Role.FARMER, Role.KEEPER])
    def test_no_tablet_carries_what_a_keeper_may_do(self, box: Box, role: Role) -> None:
        person = box.add("One", role, PASSPHRASE)
        with pytest.raises(PersonError, match="agents and agronomists"):
            box.gate.pairing_code(person.id, person)

    def test_a_code_opens_only_what_it_is_for_and_falls_with_the_sessions(self, box: Box) -> None:
        person = box.add("Amal")
        invitation = box.gate.invite(person.id, person)
        pairing = box.gate.pairing_code(person.id, person)
        assert box.gate.pairing_of(invitation) is None
        assert box.gate.invited(pairing) is None
        box.gate.end_sessions("node", person.id)
        assert box.gate.pairing_of(pairing) is None
        assert box.gate.invited(invitation) is None

    def test_an_invitation_is_not_used_up_by_a_weak_pin(self, box: Box) -> None:
        person = box.people.add("Amal", Role.AGENT)
        code = box.gate.invite("node", person)
        with pytest.raises(PersonError, match="PIN"):
            box.gate.accept(code, "123456")
        assert box.gate.accept(code, PIN) == person
        assert box.gate.login("Amal", PIN) == person
        with pytest.raises(PersonError, match="wrong, used or too old"):
            box.gate.accept(code, "739184")

    def test_an_invitation_is_not_used_up_while_too_many_log_in(
        self, box: Box, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person = box.people.add("Amal", Role.AGENT)
        code = box.gate.invite("node", person)
        with monkeypatch.context() as full:
            full.setattr(secrets, "TURN", FULL)
            with pytest.raises(BusyError):
                box.gate.accept(code, PIN)
        assert box.gate.accept(code, PIN) == person


class TestFirstKeeper:
    def test_there_is_no_way_in_without_the_code_of_this_start(self, box: Box) -> None:
        old = box.gate.setup_code()
        box.restart()
        code = box.gate.setup_code()
        assert old is not None
        assert code is not None
        for wrong in (old, "", "BBBB-BBBB-BBBB"):
            with pytest.raises(PersonError) as caught:
                box.gate.set_up(wrong, "Keeper", "ar", PASSPHRASE)
            assert caught.value.code == "bad_code"
        keeper = box.gate.set_up(code, "Keeper", "ar", PASSPHRASE)
        assert box.people.keepers() == [keeper]
        assert box.gate.setup_code() is None
        with pytest.raises(PersonError):
            box.gate.set_up(code, "Second", "ar", PASSPHRASE)

    def test_the_code_is_not_in_the_store(self, box: Box) -> None:
        code = box.gate.setup_code()
        assert code is not None
        files = b"".join(path.read_bytes() for path in box.home.glob("store.sqlite*"))
        assert code.encode() not in files
        assert code.replace("-", "").encode() not in files


def test_what_happens_at_the_gate_is_in_the_audit_log_without_names(box: Box) -> None:
    person = box.add("Fatima Zahra")
    box.gate.login("Fatima Zahra", PIN)
    box.gate.open_session(person, "phone of Fatima")
    refused(box, "Fatima Zahra", "739184")
    box.gate.pair(box.gate.pairing_code(person.id, person), "tablet of Fatima")
    box.gate.change_secret(person.id, person, "739184", but=None)
    entries = box.audit.all()
    assert [entry.action for entry in entries] == [
        Action.LOGIN,
        Action.LOGIN_FAILED,
        Action.INVITED,
        Action.PAIRED,
        Action.SECRET_CHANGED,
        Action.SESSION_ENDED,
    ]
    assert "Fatima" not in repr(entries)
    assert box.audit.verify().sound
