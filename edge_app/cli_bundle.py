"""``ghalla bundle``: what comes down to nodes, made, signed, taken in."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from edge_app.cli_bundle_hub import publish, rollout
from edge_app.cli_bundle_roots import roots
from edge_app.cli_common import EXIT, HOME, JSON, guarded, say
from field_data.errors import GhallaError, PublisherError

if TYPE_CHECKING:
    from edge_app.bundles_node import Taken

# As sync.roots.KINDS; written again so that --help loads nothing.
KINDS = ("model", "advice", "translations", "forms", "windows", "weather", "settings", "software")
_FILE = click.Path(path_type=Path, dir_okay=False)
_ANY = click.Path(path_type=Path)


@click.group()
def bundle() -> None:
    """Bundles: models, advice, translations, forms, window packs, settings, weather for nodes."""


@bundle.command()
@click.option("--out", type=_FILE, required=True, help="The bundle to write (.ghb).")
@click.option("--name", required=True, help="Bundles of one kind and name follow each other.")
@click.option("--version", type=click.IntRange(1), help="Only grows (default: the time in s).")
@click.option("--organisation", multiple=True, help="Only for nodes of it; may be repeated.")
@click.option("--region", multiple=True, help="Only for nodes there.")
@click.option("--node", multiple=True, help="Only for the node of this id.")
@click.option("--hardware", multiple=True, help="Only for this kind of machine (aarch64 …).")
@click.option("--rollout", type=click.IntRange(0, 100), default=100, show_default=True,
              help="Share of the nodes that take it by themselves, at most.")  # fmt: skip
@click.option("--min-software", default="0", help="Oldest version of Ghalla that can use it.")
@click.option("--note", default="", help="A sentence for keepers.")
@JSON
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("source", type=_ANY)
def build(
    out: Path,
    name: str,
    version: int | None,
    organisation: tuple[str, ...],
    region: tuple[str, ...],
    node: tuple[str, ...],
    hardware: tuple[str, ...],
    rollout: int,
    min_software: str,
    note: str,
    as_json: bool,
    kind: str,
    source: Path,
) -> None:
    """Pack SOURCE (a file, or a folder with all that is in it) into an unsigned bundle."""

    def action() -> None:
        from sync.bundle_file import build as make
        from sync.bundle_file import files_in
        from sync.bundle_manifest import Target

        at = datetime.now(UTC)
        target = Target(organisation, region, node, hardware)
        words = {"target": target, "rollout": rollout, "min_software": min_software, "note": note}
        number, made = version or int(at.timestamp()), at.isoformat(timespec="seconds")
        manifest = make(out, files_in(source), kind, name, number, made, **words)
        said = {"file": str(out), "kind": kind, "name": name, "version": manifest.version,
                "files": len(manifest.files), "bytes": out.stat().st_size}  # fmt: skip
        say(said, as_json, f"{out}: {kind}/{name} {manifest.version}, {said['bytes']} bytes, "
                           f"{said['files']} files; not signed")  # fmt: skip

    guarded(as_json, action)


@bundle.command()
@click.option("--key", type=_FILE, required=True, help="The publisher's secret key.")
@JSON
@click.argument("file", type=_FILE)
def sign(key: Path, as_json: bool, file: Path) -> None:
    """Sign a bundle (.ghb), or a model package (.ghm, which gets a slip beside it)."""

    def action() -> None:
        from sync.keys import read_secret

        secret = read_secret(key)
        if file.suffix == ".ghm":
            from models.package import open_package
            from sync.bundles import sign as sign_slip

            with open_package(file) as package:
                header = package.header
            at = datetime.now(UTC)
            made = at.isoformat(timespec="seconds")
            sign_slip(file, secret, "model", header.name, int(at.timestamp()), made)
        else:
            from sync.bundle_file import sign_file

            sign_file(file, secret)
        said = {"file": str(file), "key": secret.public.id}
        say(said, as_json, f"{file}: signed by key {secret.public.id}")

    guarded(as_json, action)


@bundle.command()
@HOME
@click.option("--again", is_flag=True, help="Also what failed here before.")
@JSON
@click.argument("source", type=_ANY)
def install(home: Path, again: bool, as_json: bool, source: Path) -> None:
    """Take in a bundle, or all on a stick (ghalla-down/bundles); a running node switches itself.

    A stick may also bring newer roots.  One bundle that is refused does not stop the others.
    """

    def action() -> None:
        if source.is_dir():
            end_for(taken_from(home, source, as_json, again=again))
            return
        from edge_app.bundles_node import bundles_of

        _say_taken(source, bundles_of(home).take(source, again=again), as_json)

    guarded(as_json, action)


def taken_from(
    home: Path, folder: Path, as_json: bool, *, again: bool = False
) -> list[GhallaError]:
    """Take in all bundles of a folder or a stick, and say of each what was done; the refusals."""
    from edge_app.bundles_node import bundles_of, take_all

    failures: list[GhallaError] = []

    def told(path: Path, what: Taken | GhallaError) -> None:
        if isinstance(what, GhallaError):
            failures.append(what)
        _say_taken(path, what, as_json)

    take_all(bundles_of(home), folder, told, again=again)
    return failures


def end_for(failures: list[GhallaError]) -> None:
    """End with the exit code of the first refusal, if there is one."""
    if failures:
        codes = [code for kind, code in EXIT.items() if isinstance(failures[0], kind)]
        sys.exit(next(iter(codes), 1))


def _say_taken(path: Path, what: Taken | GhallaError, as_json: bool) -> None:
    said: dict[str, Any] = {"file": str(path)}
    if isinstance(what, GhallaError):
        said |= {"error": what.code, "message": str(what)}
        say(said, as_json, f"{path}: refused: {what.code}: {what}")
        return
    said |= {"kind": what.kind, "name": what.name, "version": what.version}
    said["already"] = what.already
    done = "in use already" if what.already else "in use now, on trial"
    say(said, as_json, f"{what.kind}/{what.name} {what.version}: {done}")


@bundle.command()
@HOME
@JSON
def status(home: Path, as_json: bool) -> None:
    """What is in use, what came, what was refused and why."""

    def action() -> None:
        from dataclasses import asdict

        from edge_app.bundles_node import bundles_of

        bundles = bundles_of(home)
        said = bundles.status()
        said["reports"] = [asdict(report) for report in bundles.reports.all()]
        say(said, as_json, "\n".join(_status_lines(said)))

    guarded(as_json, action)


def _status_lines(said: dict[str, Any]) -> list[str]:
    lines = [f"root of trust: {said['root'] or 'none (ghalla bundle roots trust FILE)'}"]
    for each in said["bundles"]:
        state = "trial" if each["trial"] else "in use" if each["version"] else "shipped"
        lines.append(f"{each['kind']}/{each['name']} {each['version'] or '-'}  {state}")
        lines += [f"  refused {version}: {why}" for version, why in each["refused"].items()]
    for report in said["reports"][-10:]:
        code = f"  {report['code']}" if report["code"] else ""
        told = "" if report["told"] else "  (the hub has not heard)"
        name = f"{report['kind']}/{report['name']} {report['version'] or ''}"
        lines.append(f"{report['outcome']:12} {name}{code}{told}")
    return lines


@bundle.command()
@HOME
@JSON
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
def rollback(home: Path, as_json: bool, kind: str, name: str) -> None:
    """Use the version before again; a running node switches by itself."""

    def action() -> None:
        from edge_app.bundles_node import bundles_of

        slot = bundles_of(home).roll_back(kind, name)
        said = {"kind": kind, "name": name, "version": slot.active}
        say(said, as_json, f"{kind}/{name}: {slot.active or 'what came with the software'} again")

    guarded(as_json, action)


@bundle.command()
@JSON
@click.argument("file", type=_FILE)
def show(as_json: bool, file: Path) -> None:
    """What a bundle says of itself; nothing is checked but its form."""

    def action() -> None:
        from sync.bundle_file import open_bundle

        with open_bundle(file) as opened:
            signed = opened.signed
        said = json.loads(signed.text) | {"key": signed.key, "bundle": signed.id}
        say(said, as_json, json.dumps(said, indent=1, ensure_ascii=False))

    guarded(as_json, action)


def check_package(home: Path, file: Path, unsigned: bool, opened: IO[bytes]) -> None:
    """Whether a model package may be installed: signed, where the node has a root of trust.

    ``opened`` is the package itself: another file may have its name by now.

    Raises:
        PublisherError: what :func:`sync.bundles.verify` says.
    """
    from sync.bundles import verify
    from sync.roots import root_of

    signed = root_of(home)
    if signed is None or unsigned:
        return
    try:
        verify(file, opened, "model", signed.root.roles.get("model", {}))
    except PublisherError as error:
        if error.code != "bundle_unsigned":
            raise
        raise PublisherError(error.code, f"{error}; --unsigned takes it nevertheless") from error


for _verb in (roots, publish, rollout):
    bundle.add_command(_verb)
