"""What is worth a look, in which order, and what several people's words come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.events import Event, Kind
from field_data.ids import new_id
from field_data.people import Role
from field_data.review_queue import (
    ENOUGH,
    Item,
    Shares,
    Why,
    may_review,
    queue,
    sampled,
    wants_second,
)
from field_data.reviews import (
    Case,
    Label,
    Outcome,
    Review,
    State,
    Verdict,
    blind_pair,
    body_of,
    labelled,
    outcome,
    review_of,
    said,
    verdict_on,
)
from field_data.types import PhotoVerdict, Status
from tests.fakes import AT
from tests.reviewing import person, plant, review

LATE: Label = ("LYPES", "PHYTIN")
EARLY: Label = ("LYPES", "ALTESO")
TOPS = [LATE, EARLY, ("LYPES", "healthy"), ("SOLTU", "PHYTIN"), ("ZEAMX", "PUCCSO")]
SHARES = Shares(sample=0.3, second=0.4)
RANK = {Why.DISPUTED: 0, Why.ALERT: 1, Why.ASKED: 2, Why.RARE: 4}

ids = st.from_regex(r"[a-z2-7]{26}", fullmatch=True)
words = st.lists(
    st.builds(
        review,
        st.sampled_from(["ann", "ben", "eva"]),
        st.sampled_from([LATE, EARLY, None]),
        st.sampled_from([1, 2, 3]),
    ),
    max_size=4,
)
cases = st.lists(
    st.builds(
        lambda id, status, top, alert, consent, asked, reviews: Case(
            plant(status, top, alert=alert, consent=consent, id=id), asked, tuple(reviews)
        ),
        ids,
        st.sampled_from([Status.CONFIDENT, Status.UNCERTAIN]),
        st.sampled_from(TOPS),
        st.booleans(),
        st.sampled_from(["1", "1", None]),
        st.booleans(),
        st.one_of(st.just([]), words),
    ),
    max_size=15,
    unique_by=lambda case: case.diagnosis.id,
)


class TestQueue:
    @settings(max_examples=40)
    @given(cases, st.randoms(use_true_random=False))
    def test_the_order_does_not_depend_on_the_order_of_what_came(
        self, found: list[Case], random: object
    ) -> None:
        items = queue(found, SHARES)
        shuffled = list(found)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert [i.id for i in queue(shuffled, SHARES)] == [i.id for i in items]

    @settings(max_examples=40)
    @given(cases)
    def test_disputes_then_alerts_then_what_farmers_ask(self, found: list[Case]) -> None:
        ranks = [RANK.get(item.why, 3) for item in queue(found, SHARES)]
        assert ranks == sorted(ranks)

    @settings(max_examples=40)
    @given(cases, cases)
    def test_more_plants_never_push_one_out(self, found: list[Case], more: list[Case]) -> None:
        here = {case.diagnosis.id for case in found}
        both = found + [case for case in more if case.diagnosis.id not in here]
        before = {i.id: i.why for i in queue(found, SHARES) if i.why is not Why.RARE}
        after = {i.id: i.why for i in queue(both, SHARES)}
        assert before.items() <= after.items()

    @settings(max_examples=40)
    @given(cases)
    def test_nothing_without_consent_and_photos(self, found: list[Case]) -> None:
        for item in queue(found, SHARES):
            assert item.case.diagnosis.consent is not None
        bare = [replace(c, diagnosis=replace(c.diagnosis, photos=())) for c in found]
        assert queue(bare, SHARES) == []

    @settings(max_examples=40)
    @given(cases)
    def test_rare_conditions_take_their_turn(self, found: list[Case]) -> None:
        """Nobody gets a turn while another with fewer looks, of the same rank, waits."""
        looks = Counter(said(case.diagnosis) for case in found if case.reviews)
        items = queue(found, SHARES)
        for rank in range(5):
            mine = [said(i.case.diagnosis) for i in items if RANK.get(i.why, 3) == rank]
            had = Counter(looks)
            for place, what in enumerate(mine):
                assert all(had[what] <= had[other] for other in mine[place:])
                had[what] += 1

    def test_confident_answers_are_sampled_and_every_condition_gets_enough(self) -> None:
        common = [Case(plant(Status.CONFIDENT)) for _ in range(2000)]
        rare = [Case(plant(Status.CONFIDENT, ("ZEAMX", "PUCCSO"))) for _ in range(ENOUGH + 3)]
        found = queue(common + rare, Shares(sample=0.05))
        why = Counter((item.why, said(item.case.diagnosis)) for item in found)
        assert 60 <= why[Why.SAMPLE, LATE] <= 140  # 100 expected, 4 standard deviations
        assert why[Why.RARE, LATE] == 0
        drawn = why[Why.SAMPLE, ("ZEAMX", "PUCCSO")]
        assert why[Why.RARE, ("ZEAMX", "PUCCSO")] == max(0, ENOUGH - drawn)

    def test_the_two_shares_are_drawn_apart(self) -> None:
        drawn = [new_id() for _ in range(4000)]
        shares = Shares(0.25, 0.25)
        both = Counter((sampled(id, shares), wants_second(id, shares)) for id in drawn)
        assert 190 <= both[True, True] <= 310  # 250 expected
        assert not any(sampled(id, Shares(0.0, 0.0)) for id in drawn)
        assert all(wants_second(id, Shares(1.0, 1.0)) for id in drawn)

    def test_a_second_look_then_an_agronomist_where_two_differ(self) -> None:
        made = plant(Status.CONFIDENT)
        one = Case(made, reviews=(review("ann"),))
        [item] = queue([one], Shares(0, 1))
        assert (item.why, item.round) == (Why.SECOND, 2)
        assert queue([one], Shares(1, 0)) == []
        differ = Case(made, reviews=(review("ann"), review("ben", EARLY, 2)))
        [item] = queue([differ], Shares(0, 0))
        assert (item.why, item.round) == (Why.DISPUTED, 3)
        settled = replace(differ, reviews=(*differ.reviews, review("eva", None, 3)))
        assert queue([settled], Shares(1, 1)) == []


class TestWho:
    @pytest.mark.parametrize(
        ("role", "rounds"),
        [
            (Role.FARMER, []),
            (Role.AGENT, [1, 2]),
            (Role.AGRONOMIST, [1, 2, 3]),
            (Role.KEEPER, [1, 2]),
        ],
    )
    def test_the_role_decides(self, role: Role, rounds: list[int]) -> None:
        items = [Item(Case(plant()), Why.ALERT, round) for round in (1, 2, 3)]
        assert [i.round for i in items if may_review(person(role), i)] == rounds
        assert not any(may_review(person(role, active=False), item) for item in items)

    def test_nobody_looks_at_the_same_plant_twice(self) -> None:
        anna = person(Role.AGRONOMIST)
        for round in (2, 3):
            item = Item(Case(plant(), reviews=(review(anna.id),)), Why.SECOND, round)
            assert not may_review(anna, item)


class TestOutcome:
    @pytest.mark.parametrize(
        ("reviews", "state", "label"),
        [
            ([], State.OPEN, None),
            ([review("ann")], State.SINGLE, LATE),
            ([review("ann", None)], State.CANNOT_TELL, None),
            ([review("ann"), review("ben", LATE, 2)], State.AGREED, LATE),
            ([review("ann"), review("ben", EARLY, 2)], State.DISPUTED, None),
            ([review("ann"), review("ben", None, 2)], State.DISPUTED, None),
            ([review("ann", None), review("ben", None, 2)], State.CANNOT_TELL, None),
            (
                [review("ann"), review("ben", EARLY, 2), review("eva", EARLY, 3)],
                State.SETTLED,
                EARLY,
            ),
            (
                [review("ann"), review("ben", EARLY, 2), review("eva", None, 3)],
                State.CANNOT_TELL,
                None,
            ),
            # Ben corrects himself: then they agree.
            (
                [review("ann"), review("ben", EARLY, 2), review("ben", LATE, 2, correction=True)],
                State.AGREED,
                LATE,
            ),
            # The same person twice is still one witness.
            ([review("ann"), review("ann", LATE, 2)], State.SINGLE, LATE),
        ],
    )
    def test_what_reviews_come_to(
        self, reviews: list[Review], state: State, label: Label | None
    ) -> None:
        assert outcome(reviews) == Outcome(state, label)

    @settings(max_examples=40)
    @given(words)
    def test_the_order_of_different_people_does_not_matter(self, found: list[Review]) -> None:
        one_each = list({each.author: each for each in found if each.round < 3}.values())
        assert len({outcome(order) for order in permutations(one_each)}) == 1

    def test_only_what_ended_is_labelled(self) -> None:
        made = [
            Case(plant(), reviews=(review("ann"),)),
            Case(plant(), reviews=(review("ann"), review("ben", EARLY, 2))),
            Case(plant(), reviews=(review("ann", None),)),
            Case(plant()),
        ]
        assert labelled(made, {State.SINGLE, State.DISPUTED}) == [(made[0], LATE)]


class TestBlindPairs:
    def test_corrections_and_decisions_are_no_witnesses(self) -> None:
        first, second = review("ann"), review("ben", EARLY, 2)
        later = review("ben", LATE, 2, blind=False, correction=True)
        third = review("eva", LATE, 3)
        assert blind_pair([first, second, later, third]) == (first, second)
        assert blind_pair([first, later, third]) is None
        assert blind_pair([first, review("ann", EARLY, 2)]) is None


class TestEvents:
    @settings(max_examples=40)
    @given(words)
    def test_a_review_survives_its_event(self, found: list[Review]) -> None:
        for each in found:
            event = Event(each.id, Kind.REVIEW, "plant", each.author, AT, body_of(each))
            assert review_of(event) == replace(each, diagnosis="plant")

    @pytest.mark.parametrize(
        "change",
        [
            {"verdict": "perhaps"},
            {"verdict": None},
            {"crop": None},
            {"condition": ""},
            {"condition": "=cmd()"},
            {"condition": ["PHYTIN"]},
            {"round": 4},
            {"round": "1"},
            {"verdict": ["confirm"]},
        ],
    )
    def test_a_body_without_sense_is_no_review(self, change: dict[str, object]) -> None:
        body = body_of(review("ann")) | change
        assert review_of(Event(new_id(), Kind.REVIEW, "plant", "ann", AT, body)) is None
        assert review_of(Event(new_id(), Kind.FARM, "plant", "ann", AT, body)) is None

    def test_the_verdict_follows_from_the_choice(self) -> None:
        made = plant(top=LATE)
        assert verdict_on(made, LATE) is Verdict.CONFIRM
        assert verdict_on(made, ("SOLTU", "PHYTIN")) is Verdict.CORRECT
        assert verdict_on(made, ("LYPES", None)) is Verdict.CORRECT
        assert verdict_on(made, None) is Verdict.CANNOT_TELL
        unnamed = replace(made, candidates=(), photos=(PhotoVerdict("a"),))
        assert verdict_on(unnamed, LATE) is Verdict.CORRECT
