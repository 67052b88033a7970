"""The command line: ``ghalla``.

Exit codes: 0 done; 1 the person can mend it (a bad photo, an unknown crop); 2 wrong usage; 3 the
node's keeper must act; 4 a model or card is not sound.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_app.cli_advise import advise
from edge_app.cli_box import box
from edge_app.cli_box_backup import backup as _backup  # noqa: F401 (adds itself to box)
from edge_app.cli_box_network import network as _network  # noqa: F401 (adds itself to box)
from edge_app.cli_box_support import support as _support  # noqa: F401 (adds itself to box)
from edge_app.cli_box_update import update as _update  # noqa: F401 (adds itself to box)
from edge_app.cli_bundle import bundle
from edge_app.cli_common import EXIT, HOME, JSON, guarded, progress
from edge_app.cli_count import count
from edge_app.cli_fields import farms, fields
from edge_app.cli_forecast import forecast
from edge_app.cli_forms import forms, observations
from edge_app.cli_guard import access, audit, retention
from edge_app.cli_hub import hub
from edge_app.cli_hub_export import export as _export  # noqa: F401 (adds itself to hub)
from edge_app.cli_hub_people import person as _person  # noqa: F401 (and so does this)
from edge_app.cli_import import import_file
from edge_app.cli_model import model
from edge_app.cli_packs import keys
from edge_app.cli_person import person
from edge_app.cli_review import review
from edge_app.cli_risks import risks, windows
from edge_app.cli_scale import scale as _scale  # noqa: F401 (adds itself to scenes)
from edge_app.cli_scenes import scenes
from edge_app.cli_seasons import season as _season  # noqa: F401 (adds itself to fields)
from edge_app.cli_series import series
from edge_app.cli_sky import status as _status  # noqa: F401
from edge_app.cli_sync import sync
from edge_app.cli_water import water
from edge_app.cli_weather import weather
from edge_app.languages import LANGS
from field_data.errors import KeeperError, PersonError

if TYPE_CHECKING:
    from edge_app.advice import Advice
    from edge_app.node import FarmNode
    from edge_app.seam import Part
    from field_data.types import Diagnosis
    from models.diagnosis import Diagnoser, Reading
    from models.local_classes import LocalHead

    Reader = Callable[[Sequence[tuple[str, bytes]]], Reading]

# One request, one thread; read by numpy's linear algebra when it is imported, which is later.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@click.group()
@click.version_option(package_name="ghalla")
def main() -> None:
    """Ghalla: agricultural advice from a photo, without the internet."""


@main.command()
@HOME
@JSON
def init(home: Path, as_json: bool) -> None:
    """Make the folder of a node, or complete one; nothing in it is lost."""

    def action() -> None:
        from edge_app.node import init_home

        node = init_home(home)
        if as_json:
            click.echo(json.dumps({"home": str(home), "node": node}))
        else:
            click.echo(f"Node {node} lives in {home}. Next: ghalla serve --home {home}")

    guarded(as_json, action)


@main.command()
@HOME
@click.option("--host", help="Address to listen on (default: the settings').")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (default: the settings').")
@click.option(
    "--stay", is_flag=True, help="Where the node cannot start, say why on its page and try again."
)
@JSON
def serve(home: Path, host: str | None, port: int | None, stay: bool, as_json: bool) -> None:
    """Serve the farmer pages until Ctrl-C."""

    def ready(node: FarmNode, addresses: list[str]) -> None:
        parts = node.health()
        code = node.ground.gate.setup_code()
        setup = [f"{address}/fr/staff/setup?code={code}" for address in addresses if code]
        if as_json:
            said = {"addresses": addresses, "ok": all(p.ok for p in parts), "setup": setup}
            click.echo(json.dumps(said))
        else:
            click.echo(f"Ghalla is ready: {'  '.join(addresses)}")
            click.echo("Open it on this machine or a phone on the same Wi-Fi; Ctrl-C stops it.")
            if code:
                click.echo(f"Nobody keeps this node yet. Become its keeper: {'  '.join(setup)}")
            for part in parts:
                if not part.ok:
                    click.echo(f"  needs care: {part.name}: {part.detail}", err=True)
        sys.stdout.flush()

    def action() -> None:
        from edge_app.server import serve as run

        if not stay:
            run(home, host, port, ready)
            return
        from edge_app.rescue import staying

        staying(home, host, port, lambda: run(home, host, port, ready), broken)

    def broken(part: Part, address: str) -> None:
        if as_json:
            said = {"addresses": [address], "ok": False, "setup": [], "code": part.code}
            click.echo(json.dumps(said))
        else:
            click.echo(f"The node cannot start: {part.detail}. {address} says so.", err=True)
        sys.stdout.flush()

    try:
        guarded(as_json, action)
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)


@main.command()
@HOME
@JSON
def check(home: Path, as_json: bool) -> None:
    """Say how each part of a node is; exit code 3 when one needs its keeper."""

    def action() -> None:
        from edge_app.health import check_home
        from edge_app.health_words import note

        parts = check_home(home)
        good = all(part.ok for part in parts)
        if as_json:
            listed = [asdict(part) for part in parts]
            click.echo(json.dumps({"ok": good, "parts": listed}, ensure_ascii=False))
        else:
            for part in parts:
                click.echo(f"{'ok  ' if part.ok else 'CARE'}  {part.name:11} {part.detail}")
                if not part.ok:
                    click.echo(f"{'':18}{note(part)}")
        if not good:
            sys.exit(EXIT[KeeperError])

    guarded(as_json, action)


@main.command()
@HOME
@JSON
def asked(home: Path, as_json: bool) -> None:
    """List what farmers ask an agent to look at: the code they say, and the page to open."""

    def action() -> None:
        from edge_app.answer import spoken_code
        from edge_app.health import open_log
        from field_data.review_queue import reviewable

        with open_log(home) as log:
            for each in log.asked():
                # Who is to review the photos should not read the answer first.
                where = "staff/review/plant" if reviewable(each) else "result"
                code, page = spoken_code(each.id), f"/fr/{where}/{each.id}"
                if as_json:
                    said = {"code": code, "page": page, "crop": each.crop, "status": each.status}
                    click.echo(json.dumps(said))
                else:
                    click.echo(f"{code}  {each.crop or '?':6} {each.status:12} {page}")

    guarded(as_json, action)


@main.command()
@HOME
@JSON
@click.option("--code", help="The six digits that the farmer's page shows.")
@click.option("--older-than", type=click.IntRange(1), metavar="DAYS", help="By age.")
def forget(home: Path, as_json: bool, code: str | None, older_than: int | None) -> None:
    """Erase answers with their photos: by a farmer's code, or by age.  There is no way back."""

    def action() -> None:
        from edge_app.answer import spoken_code
        from edge_app.health import open_log
        from field_data.clock import now

        if (code is None) == (older_than is None):
            raise click.UsageError("say either --code or --older-than")
        with open_log(home) as log:
            if older_than is not None:
                chosen = log.older_than(now().utc_s - older_than * 86400)
            else:
                digits = "".join(filter(str.isdigit, code or ""))
                chosen = [each for each in log.ids() if spoken_code(each) == digits]
            log.forget(chosen)
        if not chosen and code is not None:
            raise PersonError("unknown_diagnosis", f"no answer has the code {code}")
        click.echo(json.dumps({"erased": len(chosen)}) if as_json else f"Erased: {len(chosen)}")

    guarded(as_json, action)


main.add_command(model)
main.add_command(box)
main.add_command(bundle)
main.add_command(advise)
main.add_command(count)
main.add_command(scenes)
main.add_command(series)
main.add_command(import_file)
main.add_command(forms)
main.add_command(observations)
main.add_command(review)
main.add_command(person)
main.add_command(audit)
main.add_command(retention)
main.add_command(access)
main.add_command(review)
main.add_command(keys)
main.add_command(forms)
main.add_command(observations)
main.add_command(fields)
main.add_command(farms)
main.add_command(sync)
main.add_command(water)
main.add_command(hub)
main.add_command(forecast)
main.add_command(risks)
main.add_command(windows)
main.add_command(weather)


@main.command()
@click.option("--crop", help="Scientific name, EPPO code or common English name.")
@click.option("--lang", type=click.Choice(LANGS), default="en", show_default=True)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="A node's folder: what it was taught joins the answer.",
)
@click.option("--each", is_flag=True, help="Every photo is a plant of its own: one line a photo.")
@JSON
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
def diagnose(
    crop: str | None,
    lang: str,
    home: Path | None,
    each: bool,
    as_json: bool,
    photos: tuple[Path, ...],
) -> None:
    """Diagnose photos of one plant (or of many, with --each).  Nothing is stored."""

    def action() -> None:
        from edge_app.advice import load_advice
        from models.diagnosis import Diagnoser

        advice = load_advice()
        code = _crop_code(advice, crop)
        model = Diagnoser(_model_folder())
        local = _local(home, advice, model) if home else None
        reader = partial(model.read, crop=code, keep=False, local=local)
        plants = [[photo] for photo in photos] if each else [list(photos)]
        failed = [p for p in progress(plants) if not _say(p, lang, as_json, reader, advice)]
        if failed:
            sys.exit(EXIT[PersonError])

    guarded(as_json, action)


def _model_folder() -> Path:
    from edge_app.node import MODEL_FOLDER

    return MODEL_FOLDER


def _local(home: Path, advice: Advice, model: Diagnoser) -> LocalHead:
    from edge_app.health import open_local
    from edge_app.teaching import Teacher

    with open_local(home) as (sets, photos, _):
        return Teacher(sets, photos, advice, model).head


def _crop_code(advice: Advice, wish: str | None) -> str | None:
    if wish is None:
        return None
    found = advice.find_crop(wish)
    if found is None:
        known = ", ".join(sorted(c.name["en"].lower() for c in advice.crops))
        raise PersonError("unknown_crop", f"unknown crop {wish!r}; known are: {known}")
    return found.code


def _say(
    plant: Sequence[Path],
    lang: str,
    as_json: bool,
    reader: Reader,
    advice: Advice,
) -> bool:
    """Print the answer for one plant; False when a photo could not be read."""
    from edge_app.answer import answer
    from edge_app.spoken import sentences

    names = ", ".join(map(str, plant))
    try:
        verdict = _verdict(plant, reader)
    except PersonError as error:
        if as_json:
            said = {"photo": names, "error": error.code, "message": str(error)}
            click.echo(json.dumps(said, ensure_ascii=False))
        click.echo(f"ghalla: {names}: {error}", err=True)
        return False
    if as_json:
        click.echo(json.dumps(answer(verdict, advice, lang, names), ensure_ascii=False))
    else:
        click.echo(sentences(verdict, advice, lang, names))
    return True


def _verdict(plant: Sequence[Path], reader: Reader) -> Diagnosis:
    from edge_app.node import concluded

    return concluded(reader([(path.name, _bytes(path)) for path in plant]))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PersonError("not_an_image", f"cannot read the file: {error.strerror}") from error


if __name__ == "__main__":
    main()
