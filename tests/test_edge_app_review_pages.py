"""The review pages without a browser: what a reviewer sees before choosing, and who may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from edge_app.settings import Settings
from edge_app.staff.review_agreement import interval
from field_data.diagnoses import DiagnosisLog
from field_data.people import Person, Role
from field_data.reviews import Label, Outcome, State
from field_data.types import Candidate, Diagnosis, Status
from tests.people import Staff
from tests.reviewing import keep, plant

LATE: Label = ("LYPES", "PHYTIN")
EARLY: Label = ("LYPES", "ALTESO")
EVERYTHING = Settings(review_sample_percent=100, review_second_percent=100)
PLANT = "b" * 26


class Words(HTMLParser):
    """Every text of a page, and every attribute that can carry words (drawings have numbers)."""

    TELLING = frozenset({"href", "src", "value", "alt", "title", "name", "content", "class", "id"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.images: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.found += data.split("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for key, value in attrs if value and key in self.TELLING]
        self.images += [value or "" for key, value in attrs if tag == "img" and key == "src"]


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path, EVERYTHING) as made:
        yield made


def put(staff: Staff, made: Diagnosis) -> Diagnosis:
    """Keep a diagnosis with its photos on the node of ``staff``."""
    return keep(DiagnosisLog(staff.node.store, staff.ground.photos), made)


def text(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.status
    return answer.get_data(as_text=True)


def another(staff: Staff, role: Role = Role.AGENT, name: str = "Somebody Else") -> Person:
    return staff.ground.people.add(name, role, "en")


def page_of(id: str) -> str:
    return f"/en/staff/review/plant/{id}"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The page of one and the same plant, whatever the model and others said of it."""
    odd = plant(Status.UNCERTAIN, EARLY, alert=True, id=PLANT)
    local = Candidate("LYPES", "LOCAL-12345678", 0.83, 9, "the grey spot of our valley")
    answers = {
        "late blight": plant(Status.CONFIDENT, LATE, id=PLANT),
        "alert": odd,
        "taught here": replace(odd, alert=False, candidates=(local,)),
        "nothing": replace(odd, alert=False, status=Status.POOR_PHOTO, candidates=()),
        "second look": plant(Status.CONFIDENT, LATE, id=PLANT),
    }
    found = {}
    for name, made in answers.items():
        with Staff(tmp_path_factory.mktemp("home"), EVERYTHING) as staff:
            put(staff, made)
            if name == "second look":
                staff.ground.reviews.submit(PLANT, another(staff), EARLY)
            page = text(staff.client(Role.AGENT), page_of(PLANT))
            found[name] = re.sub(r'name="csrf" value="\w+"', "", page)
    return found


class TestBlind:
    def test_the_page_is_the_same_whatever_was_said(self, pages: dict[str, str]) -> None:
        assert len(set(pages.values())) == 1, "the page tells what the model or somebody said"

    def test_nothing_of_an_answer_is_in_it(self, pages: dict[str, str]) -> None:
        for page in pages.values():
            words = Words(page)
            said = " ".join(words.found)
            assert "Late blight" in said  # as one button of many
            for secret in ("leaf_health", "valley", "0.7", "0.8", "%", "Somebody", "Plant doctor:"):
                assert secret not in said, secret
            assert len([each for each in words.found if each == "PHYTIN"]) == 1
            assert words.images[-1].endswith(f"/plant/{PLANT}/photo/0")

    def test_the_list_says_why_for_all_together_only(self, staff: Staff) -> None:
        """One dangerous plant among nine: nothing at its place in the list points at it."""
        made = [put(staff, plant(Status.CONFIDENT)) for _ in range(8)]
        feared = put(staff, plant(alert=True))
        page = text(staff.client(Role.AGENT), "/en/staff/review")
        lines = re.findall(r"<li><a href=\"/en/staff/review/plant/.*?</li>", page, re.DOTALL)
        assert len(lines) == 9
        bare = {re.sub(r"[a-z2-7]{26}|\d{6}", "", line) for line in lines}
        assert len(bare) == 1
        assert staff.ground.reviews.queue()[0].id == feared.id
        assert page.count("Could be a pest that must be reported") == 1
        assert {d.id for d in made} < set(re.findall(r"plant/([a-z2-7]{26})\"", page))


class TestOnePlant:
    def test_choose_see_the_answer_and_go_on(self, staff: Staff) -> None:
        first, second = (put(staff, plant(Status.CONFIDENT)) for _ in range(2))
        client = staff.client(Role.AGENT)
        start = client.get("/en/staff/review/next")
        id = start.location.rsplit("/", 1)[1].split("?")[0]
        assert id in (first.id, second.id)
        sent = client.post(page_of(id), data={"crop": "LYPES", "condition": "ALTESO"})
        assert (sent.status_code, sent.location) == (303, f"/en/staff/review/next?after={id}")
        onward = client.get(sent.location)
        told = text(client, onward.location)
        assert "Early blight" in told.split("</div>")[0].split("<main")[1]
        assert "Late blight" in told.split("Change my answer")[0].split("<main")[1]
        assert page_of(id) + "/change" in told
        other = ({first.id, second.id} - {id}).pop()
        assert onward.location.startswith(page_of(other))
        client.post(page_of(other), data={"condition": "cannot_tell"})
        assert client.get("/en/staff/review/next").location == "/en/staff/review"
        states = [staff.ground.reviews.outcome(each.id).state for each in (first, second)]
        assert set(states) == {State.SINGLE, State.CANNOT_TELL}

    @pytest.mark.parametrize(
        ("form", "label"),
        [
            ({"crop": "LYPES", "condition": "healthy"}, ("LYPES", "healthy")),
            ({"crop": "SOLTU", "condition": "PHYTIN"}, ("SOLTU", "PHYTIN")),
            ({"crop": "LYPES", "condition": "other"}, ("LYPES", None)),
            ({"condition": "cannot_tell"}, None),
        ],
    )
    def test_what_each_button_keeps(
        self, staff: Staff, form: dict[str, str], label: Label | None
    ) -> None:
        made = put(staff, plant())
        assert staff.client(Role.AGENT).post(page_of(made.id), data=form).status_code == 303
        case = staff.ground.reviews.case(made.id)
        assert case is not None
        assert [(r.label, r.blind, r.round) for r in case.reviews] == [(label, True, 1)]

    @pytest.mark.parametrize(
        "form",
        [
            {},
            {"crop": "LYPES"},
            {"crop": "LYPES", "condition": "PUCCST"},
            {"crop": "nothing", "condition": "PHYTIN"},
            {"crop": "LYPES", "condition": "<b>"},
        ],
    )
    def test_only_what_a_button_sends_is_taken(self, staff: Staff, form: dict[str, str]) -> None:
        made = put(staff, plant())
        answer = staff.client(Role.AGENT).post(page_of(made.id), data=form)
        assert answer.status_code == 400
        assert "Choose what the photos show" in answer.get_data(as_text=True)
        assert staff.ground.reviews.outcome(made.id).state is State.OPEN

    def test_another_plant_has_its_own_buttons(self, staff: Staff) -> None:
        made = put(staff, plant())
        page = text(staff.client(Role.AGENT), page_of(made.id) + "?crop=TRZAX")
        assert 'value="PUCCST"' in page
        assert 'value="PHYTIN"' not in page
        unknown = put(staff, replace(plant(), crop=None))
        asked = text(staff.client(Role.AGENT), page_of(unknown.id))
        assert "Which plant is it?" in asked
        assert "?crop=OLVEU" in asked

    def test_what_people_taught_can_be_chosen(self, staff: Staff) -> None:
        node = staff.node
        photos = [(f"{n}.jpg", b"") for n in range(5)]
        node.teach("LYPES", "LOCAL-12345678", "the grey spot", photos)
        made = put(staff, plant())
        client = staff.client(Role.AGENT)
        assert "the grey spot" in text(client, page_of(made.id))
        client.post(page_of(made.id), data={"crop": "LYPES", "condition": "LOCAL-12345678"})
        assert staff.ground.reviews.outcome(made.id).label == ("LYPES", "LOCAL-12345678")

    def test_a_mistake_can_be_mended(self, staff: Staff) -> None:
        made = put(staff, plant(Status.CONFIDENT))
        client = staff.client(Role.AGENT)
        client.post(page_of(made.id), data={"crop": "LYPES", "condition": "ALTESO"})
        again = client.get(page_of(made.id))
        assert (again.status_code, again.location) == (303, page_of(made.id) + "/change")
        page = text(client, again.location)
        assert "Late blight" in page.split("<form")[0]  # what the model said, shown by now
        sent = client.post(again.location, data={"crop": "LYPES", "condition": "PHYTIN"})
        assert sent.location == "/en/staff/review/mine"
        mine = text(client, "/en/staff/review/mine")
        assert mine.count("Late blight") == 2
        assert staff.ground.reviews.outcome(made.id).label == LATE


class TestSeveralPeople:
    def test_two_who_start_together_get_different_plants(self, staff: Staff) -> None:
        for _ in range(2):
            put(staff, plant())
        ann, ben = staff.client(Role.AGENT), staff.client(another(staff))
        one, two = (c.get("/en/staff/review/next").location for c in (ann, ben))
        assert one != two
        assert "looking at this plant just now" in text(ben, one)
        third = staff.client(another(staff, name="A Third")).get("/en/staff/review/next")
        assert third.location == "/en/staff/review"

    def test_both_answers_count_when_two_had_it_open(self, staff: Staff) -> None:
        made = put(staff, plant())
        ann, ben = staff.client(Role.AGENT), staff.client(another(staff))
        for client in (ann, ben):
            text(client, page_of(made.id))
        form = {"crop": "LYPES", "condition": "PHYTIN"}
        assert [c.post(page_of(made.id), data=form).status_code for c in (ann, ben)] == [303, 303]
        assert staff.ground.reviews.outcome(made.id) == Outcome(State.AGREED, LATE)
        late = staff.client(another(staff, name="A Third")).post(page_of(made.id), data=form)
        assert late.status_code == 409
        assert "needs no other look" in late.get_data(as_text=True)

    def test_the_agronomist_sees_both_and_decides(self, staff: Staff) -> None:
        made = put(staff, plant(Status.CONFIDENT))
        for name, label in (("Ann", EARLY), ("Ben", None)):
            staff.ground.reviews.submit(made.id, another(staff, name=name), label)
        agent = staff.client(Role.AGENT).get(page_of(made.id))
        assert agent.status_code == 409
        client = staff.client(Role.AGRONOMIST)
        page = text(client, page_of(made.id))
        both = page.split("Two people differ")[1].split("Your answer decides")[0]
        assert "Early blight" in both
        assert "I cannot tell" in both
        assert "Ann" not in page
        form = {"crop": "LYPES", "condition": "PHYTIN", "informed": "1"}
        assert client.post(page_of(made.id), data=form).status_code == 303
        assert staff.ground.reviews.outcome(made.id) == Outcome(State.SETTLED, LATE)

    def test_agents_do_not_see_the_figures(self, staff: Staff) -> None:
        path = "/en/staff/review/agreement"
        codes = {role: staff.client(role).get(path).status_code for role in Role}
        assert codes == {Role.FARMER: 403, Role.AGENT: 403, Role.AGRONOMIST: 200, Role.KEEPER: 200}
        assert path not in text(staff.client(Role.AGENT), "/en/staff/review")
        assert path in text(staff.client(Role.KEEPER), "/en/staff/review")

    def test_the_figures_name_people_and_conditions(self, staff: Staff) -> None:
        ann, ben = another(staff, name="Ann"), another(staff, name="Ben")
        for number in range(24):
            made = put(staff, plant(Status.CONFIDENT))
            staff.ground.reviews.submit(made.id, ann, LATE if number % 2 else EARLY)
            staff.ground.reviews.submit(made.id, ben, LATE if number % 2 or not number else EARLY)
        page = text(staff.client(Role.AGRONOMIST), "/en/staff/review/agreement")
        # 23 of 24 alike; 12·13 + 12·11 of 576: p_e 0.5.
        assert page.count("0.92 (0.60 – 0.99)") == 4
        pair = {"<bdi>Ann</bdi> · <bdi>Ben</bdi>", "<bdi>Ben</bdi> · <bdi>Ann</bdi>"}
        assert sum(names in page for names in pair) == 1
        assert "Tomato: Late blight" in page
        assert page.count('<svg class="interval"') == 8
        assert "52% (33% – 71%)" in page


class TestPhotosAndFarmers:
    def test_photos_are_for_reviewers_and_only_with_consent(self, staff: Staff) -> None:
        made, without = put(staff, plant()), put(staff, plant(consent=None))
        path = page_of(made.id) + "/photo/0"
        got = staff.client(Role.AGENT).get(path)
        assert got.data[:2] == b"\xff\xd8"
        assert got.headers["Cache-Control"] == "no-store"
        assert staff.client(Role.FARMER).get(path).status_code == 403
        assert staff.stranger().get(path).status_code == 303
        agent = staff.client(Role.AGENT)
        for wrong in (page_of(made.id) + "/photo/9", page_of(without.id) + "/photo/0"):
            assert agent.get(wrong).status_code == 404
        assert agent.get(page_of(without.id)).status_code == 404

    def test_an_erased_plant_is_gone_while_it_is_open(self, staff: Staff) -> None:
        made = put(staff, plant())
        client = staff.client(Role.AGENT)
        text(client, page_of(made.id))
        DiagnosisLog(staff.node.store, staff.ground.photos).forget([made.id])
        form = {"crop": "LYPES", "condition": "PHYTIN"}
        assert client.post(page_of(made.id), data=form).status_code == 404
        assert client.get(page_of(made.id) + "/photo/0").status_code == 404
        assert "Nothing waits for you" in text(client, "/en/staff/review")

    @pytest.mark.parametrize(
        ("outcome", "words"),
        [
            (Outcome(State.SINGLE, EARLY), "They think it is:"),
            (Outcome(State.AGREED, ("LYPES", "healthy")), "We see no disease"),
            (Outcome(State.SETTLED, ("LYPES", None)), "we have no advice for yet"),
            (Outcome(State.CANNOT_TELL), "Show the plant itself to an agent"),
            (Outcome(State.DISPUTED), "do not agree yet"),
        ],
    )
    def test_the_farmer_reads_what_people_think(
        self, staff: Staff, outcome: Outcome, words: str
    ) -> None:
        node, farmer = staff.node, staff.stranger()
        id = node.put(plant(Status.CONFIDENT))
        before = text(farmer, f"/en/result/{id}")
        assert "People looked at your photos" not in before
        assert f"/result/{id}/agent" in before
        node.outcomes[id] = outcome
        after = text(farmer, f"/en/result/{id}")
        assert words in after
        assert f"/result/{id}/agent" not in after  # nobody needs to be asked again
        farmer.post(f"/en/result/{id}/agent")
        assert not node.asked_agent(id)

    def test_people_go_before_the_model_but_lift_no_alert(self, staff: Staff) -> None:
        """The advice is for what people saw, and that a pest may be dangerous stays said."""
        node, farmer = staff.node, staff.stranger()
        sure = node.put(plant(Status.CONFIDENT, LATE))
        late = text(farmer, f"/en/result/{sure}").split("Do this first")[1]
        node.outcomes[sure] = Outcome(State.AGREED, EARLY)
        page = text(farmer, f"/en/result/{sure}")
        assert "<strong>Early blight</strong>" in page.split("They think it is:")[1][:60]
        assert page.split("Do this first")[1].split("</section>")[0] != late.split("</section>")[0]
        doubt = node.put(plant(Status.UNCERTAIN, LATE))
        node.outcomes[doubt] = Outcome(State.SINGLE, EARLY)
        assert "/en/card/" in text(farmer, f"/en/result/{doubt}").split("They think it is:")[1]
        feared = node.put(plant(Status.UNCERTAIN, ("1CIDG", "LIBEAS"), alert=True))
        before = text(farmer, f"/en/result/{feared}")
        node.outcomes[feared] = Outcome(State.AGREED, ("1CIDG", "PHYNCI"))
        after = text(farmer, f"/en/result/{feared}")
        for words in ("must be reported", "Must be reported"):
            assert (words in before, words in after) == (True, True)
        assert "Citrus leafminer" in after


def test_the_drawing_of_an_interval() -> None:
    drawn = interval(0.5, -0.9, 1.0, -0.2)
    numbers = dict(re.findall(r'class="range" (x1)="([\d.]+)" (?:x2)="(?:[\d.]+)"', drawn))
    assert numbers == {"x1": "6.0"}  # below the scale is drawn at its edge
    assert 'cx="69.0"' in drawn
    assert 'class="zero" x1="24.0"' in drawn
