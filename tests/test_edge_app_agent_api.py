"""The tablets' API: what is kept, what is refused and how it is said."""

from __future__ import annotations

import base64
import io
import json
import re
import socket
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from PIL import Image

from edge_app.agent.drafts import MAX_EVENT_BYTES
from edge_app.agent.strict_json import parse
from edge_app.cli import main
from field_data.audit_log import Action
from field_data.clock import now
from field_data.errors import PersonError
from field_data.events import Draft, Kind
from field_data.ids import new_id
from field_data.people import Role
from field_data.photos import photo_of
from tests.builders import leaf_jpeg
from tests.people import Staff
from tests.serving import ServedNode
from tests.tablets import agent_of, square

AT = {"utc_s": 1_790_000_000.0, "trust": "tablet"}
JPEG = leaf_jpeg(640, 480)
PHOTO = photo_of(JPEG).sha256


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path) as made:
        yield made


@pytest.fixture
def agent(staff: Staff) -> Any:
    return staff.client(Role.AGENT)


def visit(staff: Staff, **changes: Any) -> dict[str, Any]:
    """A scouting visit by the agent of ``staff``; ``values`` are added to its answers."""
    values = {"crop": "LYPES", "stage": "bbch6", "condition": "healthy", "plants": 20}
    values |= {"photos": [PHOTO], **changes.pop("values", {})}
    body = {"form": "scouting", "version": 1, "values": values, "place": None}
    said = {"id": new_id(), "kind": "observation", "subject": "", "at": AT, "photos": [PHOTO]}
    author = {"author": staff.person(Role.AGENT).id, "supersedes": None}
    return {**said, **author, "body": body, **changes}


def put(client: FlaskClient, event: dict[str, Any], lang: str = "en") -> Any:
    return client.put(f"/api/v1/events/{event['id']}?lang={lang}", json=event)


def put_photo(client: FlaskClient, jpeg: bytes = JPEG, name: str | None = None) -> Any:
    return client.put(f"/api/v1/photos/{name or photo_of(jpeg).sha256}", data=jpeg)


class TestRecords:
    def test_a_record_sent_twice_is_kept_once_and_answered_alike(
        self, staff: Staff, agent: Any
    ) -> None:
        assert put_photo(agent).json["replayed"] is False
        assert put_photo(agent).json["replayed"] is True
        event = visit(staff)
        first, second = put(agent, event).json, put(agent, event).json
        assert (first["replayed"], second["replayed"]) == (False, True)
        assert {**first, "replayed": True, "warnings": []} == {**second, "warnings": []}
        assert (first["seq"], first["node"], first["state"]) == (1, staff.ground.node, "node")
        assert staff.ground.events.last_seq() == 1

    def test_other_content_under_the_same_id_is_refused_loudly_and_kept_beside(
        self, staff: Staff, agent: Any
    ) -> None:
        put_photo(agent)
        event = visit(staff)
        put(agent, event)
        other = visit(staff, id=event["id"], values={"plants": 50})
        refused = put(agent, other)
        assert (refused.status_code, refused.json["code"]) == (409, "id_taken")
        kept = staff.ground.events.get(event["id"])
        assert kept is not None
        assert kept.body["values"]["plants"] == 20
        aside = staff.ground.store.table("events_refused").all()
        assert [row["body"]["values"]["plants"] for row in aside] == [50]

    def test_photos_come_first_and_the_refusal_names_those_that_did_not(
        self, staff: Staff, agent: Any
    ) -> None:
        refused = put(agent, visit(staff))
        assert (refused.status_code, refused.json["code"]) == (422, "photo_missing")
        assert refused.json["details"]["photos"] == [PHOTO]

    def test_numbers_as_people_write_them_are_normalised(self, staff: Staff, agent: Any) -> None:
        put_photo(agent)
        answers = {"condition": "PHYTIN", "incidence": "١٢,٥", "plants": "٢٠"}
        event = visit(staff, values=answers)
        assert put(agent, event).status_code == 200
        assert put(agent, event).json["replayed"] is True
        (kept,) = staff.ground.events.since(0)
        assert (kept.body["values"]["incidence"], kept.body["values"]["plants"]) == (12.5, 20)

    def test_a_form_that_the_node_does_not_have_costs_no_record(
        self, staff: Staff, agent: Any
    ) -> None:
        put_photo(agent)
        event = visit(staff)
        event["body"]["version"] = 999
        receipt = put(agent, event)
        assert receipt.status_code == 200
        assert [warning["code"] for warning in receipt.json["warnings"]] == ["unknown_version"]

    @pytest.mark.parametrize("utc_s", [0.0, 4e9])
    def test_a_wrong_clock_costs_no_record(self, staff: Staff, agent: Any, utc_s: float) -> None:
        put_photo(agent)
        event = visit(staff, at={"utc_s": utc_s, "trust": "tablet"})
        assert put(agent, event).status_code == 200
        assert put(agent, event).json["replayed"] is True

    def test_every_fault_of_the_answers_is_told_at_once_in_the_persons_language(
        self, staff: Staff, agent: Any
    ) -> None:
        put_photo(agent)
        refused = put(agent, visit(staff, values={"plants": -3, "stage": "moon"}), "ar")
        assert (refused.status_code, refused.json["code"]) == (422, "form_refused")
        assert {each["question"] for each in refused.json["problems"]} == {"plants", "stage"}
        assert refused.mimetype == "application/problem+json"
        assert refused.json["status"] == 422

    def test_land_is_checked_and_fetched_with_a_tag(self, staff: Staff, agent: Any) -> None:
        author, farm, field = staff.person(Role.AGENT).id, new_id(), new_id()
        plain = {"at": AT, "author": author}
        made = {"id": new_id(), "kind": "farm", "subject": farm, "body": {"name": "Ferme"}}
        assert put(agent, {**made, **plain}).status_code == 200
        body = {"farm": farm, "name": "Nord", "boundary": square(0), "source": "walked"}
        made = {"id": new_id(), "kind": "field", "subject": field, "body": body}
        assert put(agent, {**made, **plain}).status_code == 200
        fetched = agent.get("/api/v1/land")
        assert [each["name"] for each in fetched.json["fields"]] == ["Nord"]
        assert fetched.json["fields"][0]["area_ha"] == pytest.approx(1.0, rel=0.01)
        tag = {"If-None-Match": fetched.headers["ETag"]}
        assert agent.get("/api/v1/land", headers=tag).status_code == 304
        bow = [square(0)[n] for n in (0, 2, 1, 3, 0)]
        bad = {**made, "id": new_id(), "subject": new_id(), "body": {**body, "boundary": bow}}
        refused = put(agent, {**bad, **plain})
        assert (refused.status_code, refused.json["code"]) == (422, "self_crossing")


class TestWhose:
    def test_an_agent_records_and_corrects_only_for_themselves(
        self, staff: Staff, agent: Any
    ) -> None:
        put_photo(agent)
        event = visit(staff)
        put(agent, event)
        other = staff.ground.people.add("agent two", Role.AGENT, "en")
        stranger = staff.client(other)
        assert put(stranger, visit(staff)).json["code"] == "not_yours"
        theirs = visit(staff, author=other.id, supersedes=event["id"])
        assert (put(stranger, theirs).status_code) == 403
        expert = visit(staff, author=staff.person(Role.AGRONOMIST).id, supersedes=event["id"])
        assert put(staff.client(Role.AGRONOMIST), expert).status_code == 200

    def test_nobody_corrects_the_consent_of_others_or_speaks_for_a_farmer(
        self, staff: Staff, agent: Any
    ) -> None:
        farmer, expert = staff.person(Role.FARMER).id, staff.person(Role.AGRONOMIST).id
        said = {"purpose": "research", "wording": "1", "lang": "fr"}
        given = visit(staff, kind="consent", subject=farmer, body={**said, "given": False})
        given["photos"] = []
        assert put(agent, given).status_code == 200
        for author in (expert, farmer):
            other = {**given, "id": new_id(), "author": author, "supersedes": given["id"]}
            other["body"] = {**said, "given": True}
            assert put(staff.client(Role.AGRONOMIST), other).json["code"] == "not_yours"
        assert not staff.ground.registry.allows(farmer, "research")

    def test_a_visit_does_not_correct_a_farm_which_would_be_erased_with_it(
        self, staff: Staff, agent: Any
    ) -> None:
        put_photo(agent)
        farm = visit(staff, kind="farm", subject=new_id(), photos=[])
        farm["body"] = {"name": "Dar", "commune": "", "owner": None}
        assert put(agent, farm).status_code == 200
        refused = put(agent, visit(staff, supersedes=farm["id"]))
        assert (refused.status_code, refused.json["code"]) == (422, "correction_of_other")

    def test_what_somebody_corrected_before_they_left_is_kept(self, staff: Staff) -> None:
        author, expert = staff.person(Role.AGENT), staff.client(Role.AGRONOMIST)
        put_photo(expert)
        event = visit(staff)
        put(expert, event)
        staff.ground.people.deactivate(author.id)
        again = visit(staff, supersedes=event["id"])
        assert put(expert, again).status_code == 200
        assert put(expert, again).json["replayed"]

    def test_a_photo_is_shown_to_who_may_see_the_record_and_the_look_is_written_down(
        self, staff: Staff, agent: Any
    ) -> None:
        other = staff.client(staff.ground.people.add("agent two", Role.AGENT, "en"))
        expert = staff.client(Role.AGRONOMIST)
        put_photo(agent)
        address = f"/api/v1/photos/{PHOTO}"
        assert [each.get(address).status_code for each in (agent, other, expert)] == [404] * 3
        event = visit(staff)
        put(agent, event)
        answers = [each.get(address).status_code for each in (agent, other, expert)]
        assert answers == [200, 404, 200]
        looks = [e for e in staff.ground.audit.all() if e.action == Action.VIEWED_PRIVATE]
        who = staff.person(Role.AGRONOMIST).id
        assert [(look.actor, look.subject) for look in looks] == [(who, event["id"])]

    def test_an_agent_is_shown_their_own_records_with_their_state(
        self, staff: Staff, agent: Any
    ) -> None:
        put_photo(agent)
        mine = [visit(staff) for _ in range(3)]
        for event in mine:
            put(agent, event)
        other = staff.ground.people.add("agent two", Role.AGENT, "en")
        put(staff.client(other), visit(staff, author=other.id))
        staff.ground.outbox.acknowledge("hub", 2)
        shown = agent.get("/api/v1/events?after=0").json
        assert [each["id"] for each in shown["events"]] == [each["id"] for each in mine]
        assert [each["state"] for each in shown["events"]] == ["hub", "hub", "node"]
        assert shown["more"] is False
        assert agent.get("/api/v1/events?after=2").json["events"][0]["id"] == mine[2]["id"]
        everybody = staff.client(Role.AGRONOMIST).get("/api/v1/events?mine=0").get_json()
        assert len(everybody["events"]) == 4

    def test_what_was_erased_is_neither_shown_nor_taken_again(
        self, staff: Staff, agent: Any
    ) -> None:
        put_photo(agent)
        event = visit(staff)
        put(agent, event)
        staff.ground.events.erase([event["id"]])
        assert agent.get("/api/v1/events").json["events"] == []
        assert put(agent, event).json["state"] == "erased"
        who = staff.person(Role.AGENT).id
        said = {"events": [event["id"]], "photos": []}
        staff.ground.events.append(Draft(new_id(), Kind.ERASURE, who, who, now(), said))
        told = agent.get("/api/v1/events").json
        assert (told["events"], told["erased"]) == ([], [event["id"]])

    def test_without_a_session_or_its_token_nothing_is_taken(
        self, staff: Staff, agent: Any
    ) -> None:
        assert put(staff.stranger(), visit(staff)).status_code == 401
        agent.environ_base.pop("HTTP_X_GHALLA_CSRF")
        refused = put(agent, visit(staff))
        assert (refused.status_code, refused.json["code"]) == (403, "stale_form")
        assert put(staff.client(Role.FARMER), visit(staff)).status_code == 403


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "at"),
        [
            ({"id": "x"}, "/id"),
            ({"kind": "review"}, "/kind"),
            ({"kind": "erasure"}, "/kind"),
            ({"at": {"utc_s": 1e300, "trust": "tablet"}}, "/at"),
            ({"at": {"utc_s": 1.0, "trust": "ntp"}}, "/at"),
            ({"at": 5}, "/at"),
            ({"photos": ["../../etc/passwd"]}, "/photos"),
            ({"photos": [PHOTO, PHOTO]}, "/photos"),
            ({"body": []}, "/body"),
            ({"extra": 1}, "/extra"),
            ({"kind": "farm"}, "/subject"),
        ],
    )
    def test_what_is_no_event_is_refused_with_the_place(
        self, staff: Staff, agent: Any, change: dict[str, Any], at: str
    ) -> None:
        event = visit(staff)
        response = agent.put(f"/api/v1/events/{event['id']}", json={**event, **change})
        assert response.status_code == 422
        assert at in [each["at"] for each in response.json["problems"]]
        assert staff.ground.events.last_seq() == 0

    @pytest.mark.parametrize(
        "text",
        [
            "[" * 100_000,
            '{"a":' * 5000 + "1" + "}" * 5000,
            '{"a": 1, "a": 2}',
            '{"a": NaN}',
            '{"a": 1e999}',
            '{"a": 123456789012345678901234567890}',
            '{"a": "\\ud800"}',
            "\ufeff{}",
            "",
        ],
    )
    def test_json_that_cannot_be_kept_is_refused(self, text: str) -> None:
        with pytest.raises(PersonError) as refused:
            parse(text.encode("utf-8"))
        assert refused.value.code == "bad_json"

    def test_brackets_in_texts_are_no_nesting(self) -> None:
        assert parse(('{"a": "' + "[" * 500 + '\\"[["}').encode())["a"].startswith("[[[")

    def test_weighing_a_text_costs_time_and_memory_in_proportion_to_its_length(self) -> None:
        unfinished = b'"' + b'\\"' * (MAX_EVENT_BYTES // 2) + b"\\"
        photo = b'{"jpeg": "' + b"A" * 2**22 + b'"}'
        tracemalloc.start()
        begun = time.process_time()
        with pytest.raises(PersonError, match="can be kept"):
            parse(unfinished)
        assert len(parse(photo)["jpeg"]) == 2**22
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert time.process_time() - begun < 5
        assert most < 8 * len(photo)

    def test_a_record_that_is_too_large_is_refused(self, staff: Staff, agent: Any) -> None:
        event = visit(staff)
        text = json.dumps(event)[:-1] + " " * MAX_EVENT_BYTES + "}"
        response = agent.put(f"/api/v1/events/{event['id']}", data=text)
        assert (response.status_code, response.json["code"]) == (413, "too_large")

    def test_100_mb_are_refused_before_they_are_sent(self, tmp_path: Path) -> None:
        agent = agent_of(tmp_path / "home", fields=0)
        with ServedNode(tmp_path / "home") as node:
            host, port = node.address.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=10) as line:
                head = f"PUT /api/v1/events/{new_id()} HTTP/1.1\r\nHost: {host}\r\n"
                cookie = f"Cookie: ghalla_session={agent.token}\r\n"
                line.sendall(f"{head}{cookie}Content-Length: 100000000\r\n\r\n{{".encode())
                assert re.match(rb"HTTP/1.1 413 ", line.recv(4096))

    def test_a_photo_is_a_whole_jpeg_without_anything_else(self, agent: Any) -> None:
        exif = Image.Exif()
        exif[0x8825] = {1: "N", 2: (33.0, 53.0, 0.0)}
        out = io.BytesIO()
        Image.open(io.BytesIO(JPEG)).save(out, "JPEG", exif=exif)
        png = io.BytesIO()
        Image.new("RGB", (9, 9)).save(png, "PNG")
        codes = {
            "photo_metadata": put_photo(agent, out.getvalue()),
            "photo_hash": put_photo(agent, JPEG, "0" * 64),
            "not_an_image": put_photo(agent, png.getvalue()),
            "too_large": put_photo(agent, JPEG + bytes(4 << 20)),
        }
        assert {code: answer.json["code"] for code, answer in codes.items()} == {
            code: code for code in codes
        }
        assert put_photo(agent, JPEG, "..%2f..%2fx").status_code in (404, 422)
        assert agent.get(f"/api/v1/photos/{PHOTO}").status_code == 404

    def test_what_the_api_does_not_know_is_refused_in_its_own_form(self, agent: Any) -> None:
        assert agent.get("/api/v1/land?lang=xx").get_json()["code"] == "unknown_lang"
        assert agent.get("/api/v1/events?after=-1").get_json()["code"] == "bad_query"
        assert agent.post("/api/v1/import", data=b"").get_json()["code"] == "not_an_export"
        other = agent.delete("/api/v1/land")
        assert (other.status_code, other.mimetype) == (405, "application/problem+json")
        assert "GET" in other.headers["Allow"]


class TestExportFile:
    def lines(self, staff: Staff, count: int = 2) -> list[dict[str, Any]]:
        jpegs = [leaf_jpeg(320, 240, seed=n) for n in range(count)]
        names = [photo_of(jpeg).sha256 for jpeg in jpegs]
        head: list[dict[str, Any]] = [{"ghalla": "tablet-export", "version": 1}]
        for jpeg, name in zip(jpegs, names, strict=True):
            head.append({"photo": name, "jpeg": base64.b64encode(jpeg).decode()})
            head.append({"event": visit(staff, photos=[name], values={"photos": [name]})})
        return head

    def send(self, client: FlaskClient, lines: list[Any]) -> Any:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        return client.post("/api/v1/import", data=text)

    def test_a_file_of_nonsense_after_one_good_line_is_not_read_to_its_end(
        self, staff: Staff, agent: Any
    ) -> None:
        kinds: tuple[Any, ...] = (1, {"event": {}})
        for nonsense in kinds:
            refused = self.send(agent, self.lines(staff) + [nonsense] * 10_000)
            assert (refused.status_code, refused.json["code"]) == (400, "not_an_export")
            assert staff.ground.events.last_seq() > 0

    def test_a_file_read_twice_keeps_everything_once(self, staff: Staff, agent: Any) -> None:
        lines = self.lines(staff)
        first, second = self.send(agent, lines).json, self.send(agent, lines).json
        assert first["refused"] == second["refused"] == 0
        assert [each["replayed"] for each in first["items"]] == [False] * 4
        assert [each["replayed"] for each in second["items"]] == [True] * 4
        assert staff.ground.events.last_seq() == 2

    def test_a_bad_line_costs_only_itself(self, staff: Staff, agent: Any) -> None:
        lines = self.lines(staff)
        lines[3]["jpeg"] = "no base64!"
        said = self.send(agent, lines).json
        assert [each["ok"] for each in said["items"]] == [True, True, False, False]
        assert [each["code"] for each in said["items"][2:]] == ["photo_damaged", "photo_missing"]

    def test_a_file_that_was_cut_off_gives_what_is_whole(self, staff: Staff, agent: Any) -> None:
        text = "".join(json.dumps(line) + "\n" for line in self.lines(staff))
        said = agent.post("/api/v1/import", data=text[: int(len(text) * 0.7)]).json
        assert [each["ok"] for each in said["items"]] == [True, True, False]

    def test_the_keeper_brings_an_agents_file_in(self, staff: Staff) -> None:
        assert self.send(staff.client(Role.KEEPER), self.lines(staff)).json["refused"] == 0

    def test_another_file_is_refused_as_such(self, agent: Any) -> None:
        response = self.send(agent, [{"n": n} for n in range(5000)])
        assert (response.status_code, response.json["code"]) == (400, "not_an_export")

    def test_the_command_line_reads_the_same_file(self, staff: Staff, tmp_path: Path) -> None:
        file = tmp_path / "tablet.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in self.lines(staff)))
        for _ in range(2):
            said = CliRunner().invoke(main, ["import", "--home", str(tmp_path), str(file)])
            assert (said.exit_code, said.stdout) == (0, "Records on the node: 2. Refused: 0.\n")
        assert staff.ground.events.last_seq() == 2
        file.write_text('{"ghalla": "tablet-export", "version": 2}\n')
        said = CliRunner().invoke(main, ["import", "--home", str(tmp_path), str(file)])
        assert said.exit_code == 1
