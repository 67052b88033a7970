"""The exit plan, rehearsed: everything out in open formats, into an empty hub, and compared."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from edge_app.cli import main
from field_data.errors import PersonError
from sync.hub.app import Hub
from sync.hub.export_all import read_all, tables, write_all
from sync.hub.people import People
from sync.hub.people_grants import Grant, Role
from sync.hub.settings import HubSettings
from sync.hub.tables import NODES, PHOTOS, REFUSED, STREAMS
from tests.hub_records import MAY_S, PASSWORD, Records
from tests.hubs import Postgres, hub_on, postgres, settings_in

__all__ = ["postgres"]


@pytest.fixture(params=["sqlite to sqlite", "sqlite to postgresql", "postgresql to sqlite"])
def hubs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Hub, Hub]]:
    """A hub to leave, and an empty one."""
    made = []
    for number, kind in enumerate(request.param.split(" to ")):
        folder = tmp_path / str(number)
        folder.mkdir()
        settings = settings_in(folder)
        if kind == "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            settings = HubSettings(server.new_database(), settings.blobs, spare_bytes=0)
        made.append(settings)
    with hub_on(made[0]) as one, hub_on(made[1]) as two:
        yield one, two


def filled(hub: Hub) -> Records:
    """Something in every table, and of every kind of record."""
    records = Records(hub)
    node = records.node("Coop", "Gharb", "عقدة", health={"version": "1.2", "backlog": 3})
    shots = [records.photo(node, seed) for seed in range(2)]
    old = records.scouting(node, photos=shots[:1])
    records.change(old, superseded=True)
    records.erase(records.scouting(node))
    records.change(records.harvest(node), same_as="0:1")
    records.scouting(node, photos=shots, supersedes=1, lon=-7.495, lat=33.505, coarse=True)
    records.field(node)
    records.review(node, "plant", "a", None)
    with hub.database.writing() as db:
        stream = {"node": node, "epoch": 0, "token": b"\0\xff345678", "base": 0, "seq": 6}
        db.execute(STREAMS.insert().values(**stream, heard_s=MAY_S))
        refused = {"node": node, "epoch": 0, "seq": 9, "digest": b"\x01\xfe", "reason": "conflict",
                   "detail": "", "content": {"a": [1, "ب"]}, "received_s": MAY_S}  # fmt: skip
        db.execute(REFUSED.insert().values(refused))
        on_its_way = {"sha256": "e" * 64, "node": node, "photo": "e" * 64, "rendition": "view",
                      "length": 10, "offset": 5, "whole_s": None}  # fmt: skip
        db.execute(PHOTOS.insert().values(on_its_way))
    people = People(hub.database)
    people.add("Leila", PASSWORD)
    people.grant("Leila", Grant("Coop", "*", Role.AGRONOMIST))
    people.new_token("Leila", "qgis")
    return records


def rows(hub: Hub, name: str) -> list[dict[str, Any]]:
    table = next(each for each in tables() if each.name == name)
    with hub.database.reading() as db:
        found = [dict(row) for row in db.execute(select(table)).mappings()]
    if name == "photos":
        found = [row for row in found if row["whole_s"] is not None]
    found = [{k: v for k, v in row.items() if k != "secret"} for row in found]
    return sorted(found, key=str)


def test_everything_arrives_in_an_empty_hub(hubs: tuple[Hub, Hub], tmp_path: Path) -> None:
    one, two = hubs
    records = filled(one)
    out = tmp_path / "out"
    done = write_all(one, out)
    assert (done["events"], done["photo_files"], done["hub_people"]) == (6, 2, 1)
    assert read_all(two, out)["events"] == 6
    for table in tables():
        assert rows(one, table.name) == rows(two, table.name), table.name
    assert one.blobs.names("photos") == two.blobs.names("photos")
    for name in one.blobs.names("photos"):
        assert one.blobs.get(name) == two.blobs.get(name)
    again = tmp_path / "again"
    write_all(two, again)
    # The very same files but for the lines that say when it was written, of which there are none.
    assert (again / "SHA256SUMS").read_text() == (out / "SHA256SUMS").read_text()
    # The new hub goes on: numbers after those that came, a new password for Leila.
    people = People(two.database)
    people.set_password("Leila", PASSWORD)
    assert people.login("leila", PASSWORD).grants == (Grant("Coop", "*", Role.AGRONOMIST),)
    fresh = Records(two, arrival=records.arrival)
    fresh.scouting(fresh.node("Coop", "Souss"))
    assert len({row["id"] for row in rows(two, "hub_audit")}) == len(rows(two, "hub_audit"))


def test_the_folder_is_readable_without_us(hubs: tuple[Hub, Hub], tmp_path: Path) -> None:
    one, _ = hubs
    filled(one)
    out = tmp_path / "out"
    write_all(one, out)
    checked = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=out, check=False)
    assert checked.returncode == 0
    text = "".join(p.read_text() for p in (out / "tables").glob("*.jsonl"))
    assert "$argon2" not in text
    assert "ghalla_" not in text
    assert not (out / "tables" / "hub.jsonl").exists()
    for line in (out / "tables" / "events.jsonl").read_text().splitlines():
        assert json.loads(line)["kind"]
    for photo in (out / "photos").glob("*/*"):
        assert hashlib.sha256(photo.read_bytes()).hexdigest() == photo.name
    with (out / "exports" / "observations.csv").open(newline="") as file:
        assert [row["coarse"] for row in csv.DictReader(file)] == ["1"]
    assert (out / "README.md").read_text().startswith("# Everything of a Ghalla hub")


def _spoil_table(out: Path) -> None:
    with (out / "tables" / "events.jsonl").open("a") as file:
        file.write("{}\n")


def _spoil_sums(out: Path) -> None:
    """Somebody who can also write the sums: rows that no table has."""
    path = out / "tables" / "nodes.jsonl"
    path.write_text('{"id; drop table events": 1}\n')
    lines = [line for line in (out / "SHA256SUMS").read_text().splitlines() if "nodes" not in line]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (out / "SHA256SUMS").write_text("\n".join([*lines, f"{digest}  tables/nodes.jsonl"]) + "\n")


SPOILT = {
    "a table changed": _spoil_table,
    "a file missing": lambda out: (out / "exports" / "yields.csv").unlink(),
    "a file more": lambda out: (out / "tables" / "more.jsonl").write_text("{}\n"),
    "no sums": lambda out: (out / "SHA256SUMS").unlink(),
    "of another kind": lambda out: (out / "about.json").write_text("[]"),
    "columns that no table has": _spoil_sums,
}


@pytest.mark.parametrize("how", list(SPOILT))
def test_a_spoilt_export_leaves_the_hub_empty(tmp_path: Path, how: str) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    with hub_on(settings_in(one)) as source, hub_on(settings_in(two)) as target:
        filled(source)
        write_all(source, tmp_path / "out")
        SPOILT[how](tmp_path / "out")
        with pytest.raises(PersonError) as refused:
            read_all(target, tmp_path / "out")
        assert refused.value.code == "bad_export"
        with target.database.reading() as db:
            assert db.execute(select(NODES)).all() == []


def test_the_way_out_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    one, two = settings_in(tmp_path / "1"), settings_in(tmp_path / "2")
    with hub_on(one) as hub:
        filled(hub)

    def run(settings: HubSettings, *words: str) -> tuple[int, str]:
        where = ["--database", settings.database, "--blobs", settings.blobs]
        done = CliRunner().invoke(main, ["hub", words[0], *where, *words[1:]])
        return done.exit_code, done.output

    out = str(tmp_path / "out")
    code, said = run(one, "export", "--all", out, "--json")
    assert (code, json.loads(said)["events"]) == (0, 6)
    assert run(one, "export", "--all", out)[0] == 1  # not over what is there
    assert run(two, "import", out, "--json")[0] == 0
    code, said = run(two, "import", out)
    assert code == 1
    assert "already" in said
    assert run(one, "export", "--all", out, "--what", "reviews")[0] == 2
