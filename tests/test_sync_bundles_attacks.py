"""Every attack on a bundle is refused with a stable reason; the node goes on with what it had."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_app.bundles_node import NodeBundles
from edge_app.home_advice import advice_of
from field_data.errors import GhallaError, KeeperError, PublisherError
from sync.bundle_file import BundleFile, build, files_in, open_bundle, sign_file
from sync.bundle_manifest import Entry, Manifest, Signed, Target, in_share, sign_manifest
from sync.slots import Slot
from tests.bundling import (
    CARD,
    HERE,
    NODE,
    OTHER,
    PUBLISHER,
    STRANGER,
    bundle,
    parts_of,
    put_together,
    root,
    signed_root,
    trusting,
)


@pytest.fixture
def node(tmp_path: Path) -> NodeBundles:
    """A node that uses version 5 of the advice."""
    bundles = NodeBundles(trusting(tmp_path / "home"), HERE)
    bundles.take(bundle(tmp_path, 5))
    bundles.confirm("advice", "souss", 5)
    return bundles


def good(folder: Path, **more: Any) -> Path:
    return bundle(folder, 6, **more)


def resigned(path: Path, **words: Any) -> Path:
    """The publisher signs other words: what a careless or bought publisher could do."""
    head, rest = parts_of(path)
    text = json.dumps(json.loads(head["manifest"]) | words)
    signed = sign_manifest(Signed(_any(), text), PUBLISHER)
    return put_together(path, signed.as_json(), rest)


def _any() -> Manifest:
    return Manifest("advice", "x", 1, "", (), 0)


def named(path: Path, *names: str) -> Path:
    """The same file again and again under other names, signed."""
    head, rest = parts_of(path)
    [entry] = json.loads(head["manifest"])["files"]
    files = [entry | {"path": name} for name in names]
    path = put_together(path, head, rest * len(names))
    return resigned(path, files=files, total=entry["bytes"] * len(names))


def cut(path: Path, left: int) -> Path:
    os.truncate(path, left if left >= 0 else path.stat().st_size + left)
    return path


def changed(path: Path, at: int) -> Path:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    return path


def longer(path: Path) -> Path:
    path.write_bytes(path.read_bytes() + b"x")
    return path


def other_words(path: Path, old: str, new: str) -> Path:
    head, rest = parts_of(path)
    return put_together(path, head | {"manifest": head["manifest"].replace(old, new)}, rest)


def mixed(folder: Path) -> Path:
    """The files of one signed bundle behind the head of another of the same length."""
    one = good(folder)
    two = bundle(
        folder, 7, files={"cards/brought.toml": CARD.replace("Brought", "Exchang").encode()}
    )
    (head, rest), (_, foreign) = parts_of(one), parts_of(two)
    entry = json.loads(head["manifest"])["files"][0]
    foreign = foreign[: entry["stored"]].ljust(entry["stored"], b"\0")
    assert foreign != rest
    return put_together(one, head, foreign)


def bomb(folder: Path) -> Path:
    """A card of 200 bytes that unpacks to a gigabyte."""
    path = good(folder)
    squeezed = zstandard.ZstdCompressor().compressobj()
    data = b"".join(squeezed.compress(bytes(1 << 20)) for _ in range(200)) + squeezed.flush()
    entry = {
        "path": "cards/a.toml",
        "bytes": len(data) + 1,
        "sha256": "0" * 64,
        "stored": len(data),
    }
    head, _ = parts_of(path)
    path = put_together(path, head, data)
    return resigned(path, files=[entry], total=len(data) + 1)


def wide_window(folder: Path) -> Path:
    """A frame that asks for a gigabyte of memory to be unpacked."""
    path = good(folder)
    parameters = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=0)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = packer.compress(bytes(100_000)) + packer.flush()
    entry = {"path": "cards/a.toml", "bytes": 100_000, "sha256": "0" * 64, "stored": len(data)}
    head, _ = parts_of(path)
    return resigned(put_together(path, head, data), files=[entry], total=100_000)


def by(key: Any, kind: str = "advice") -> Callable[[Path], Path]:
    return lambda folder: bundle(folder, 6, kind=kind, key=key)


def claimed(folder: Path) -> Path:
    """A stranger's signature under the name of a known key."""
    path = bundle(folder, 6, key=STRANGER)
    head, rest = parts_of(path)
    return put_together(path, head | {"key": PUBLISHER.public.id}, rest)


def slip_for_bundle(folder: Path) -> Path:
    """The same key has signed these words, but as the slip of a window pack."""
    path = good(folder, key=None)
    head, rest = parts_of(path)
    signature = PUBLISHER.sign(b"ghalla bundle 1\n" + head["manifest"].encode())
    signed = Signed(_any(), head["manifest"], PUBLISHER.public.id, signature)
    return put_together(path, signed.as_json(), rest)


Attack = tuple[str, Callable[[Path], Path], str]
ATTACKS: list[Attack] = [
    ("downgrade", lambda f: bundle(f, 4), "bundle_old"),
    ("replay under the present number", lambda f: bundle(f, 5, files={"cards/x.toml": b""}),
     "bundle_same_version"),
    ("nobody signed", lambda f: good(f, key=None), "bundle_unsigned"),
    ("a stranger signed", by(STRANGER), "bundle_untrusted"),
    ("a stranger claims a known key", claimed, "bad_signature"),
    ("a signature for something else", slip_for_bundle, "bad_signature"),
    ("a key of another role", by(OTHER), "bundle_wrong_role"),
    ("an unknown kind", lambda f: resigned(good(f), kind="firmware"), "bundle_unknown_kind"),
    ("nothing", lambda f: cut(good(f), 0), "not_a_bundle"),
    ("another file", lambda f: changed(good(f), 3), "not_a_bundle"),
    ("no length", lambda f: changed(good(f), 31), "not_a_bundle"),
    ("cut in the length", lambda f: cut(good(f), 25), "bundle_truncated"),
    ("cut in the head", lambda f: cut(good(f), 100), "bundle_truncated"),
    ("cut in the files", lambda f: cut(good(f), -1), "bundle_truncated"),
    ("something behind", lambda f: longer(good(f)), "bundle_damaged"),
    ("a changed file", lambda f: changed(good(f), -5), "bundle_damaged"),
    ("a changed version", lambda f: other_words(good(f), '"version": 6', '"version": 9'),
     "bad_signature"),
    ("a changed hash", lambda f: other_words(good(f), '"sha256": "', '"sha256": "0'),
     "bundle_damaged"),
    ("another kind", lambda f: other_words(good(f), '"advice"', '"settings"'), "bad_signature"),
    ("files of another bundle", mixed, "bundle_damaged"),
    ("a huge head", lambda f: _write(f, b"ghalla bundle file 1\n9999999999\n{"),
     "bundle_too_large"),
    ("a deep head", lambda f: _write(f, b"ghalla bundle file 1\n0000500000\n" + b"[" * 500_000),
     "bundle_damaged"),
    ("up and out", lambda f: named(good(f), "../../trust/root.json"), "bundle_bad_path"),
    ("absolute", lambda f: named(good(f), "/etc/cron.d/x"), "bundle_bad_path"),
    ("in the middle", lambda f: named(good(f), "cards/../../x"), "bundle_bad_path"),
    ("backslashes", lambda f: named(good(f), "..\\x"), "bundle_bad_path"),
    ("a drive", lambda f: named(good(f), "C:x"), "bundle_bad_path"),
    ("hidden", lambda f: named(good(f), ".bundle"), "bundle_bad_path"),
    ("a zero", lambda f: named(good(f), "a\0b"), "bundle_bad_path"),
    ("another script", lambda f: named(good(f), "cards/\u202etxt.toml"), "bundle_bad_path"),
    ("empty", lambda f: named(good(f), ""), "bundle_bad_path"),
    ("a dot behind", lambda f: named(good(f), "cards./a.toml"), "bundle_bad_path"),
    ("too deep", lambda f: named(good(f), "a/b/c/d/e/f/g"), "bundle_bad_path"),
    ("too long", lambda f: named(good(f), "a" * 300), "bundle_bad_path"),
    ("twice", lambda f: named(good(f), "cards/a.toml", "cards/a.toml"), "bundle_bad_path"),
    ("in two cases", lambda f: named(good(f), "cards/a.toml", "cards/A.toml"), "bundle_bad_path"),
    ("file and folder", lambda f: named(good(f), "cards", "cards/a.toml"), "bundle_bad_path"),
    ("a name that is a path", lambda f: resigned(good(f), name="../x"), "bundle_bad_path"),
    ("a bomb", bomb, "bundle_damaged"),
    ("a window of a gigabyte", wide_window, "bundle_damaged"),
    ("too many files", lambda f: named(good(f), *(f"cards/c{n}.toml" for n in range(2001))),
     "bundle_too_large"),
    ("too many bytes", lambda f: resigned(good(f), total=1 << 40, files=[
        {"path": "cards/a.toml", "bytes": 1 << 40, "sha256": "0" * 64, "stored": 300}]),
     "bundle_too_large"),
    ("a total that is no sum", lambda f: resigned(good(f), total=1), "bundle_damaged"),
    ("a negative length", lambda f: resigned(good(f), total=-1, files=[
        {"path": "cards/a.toml", "bytes": -1, "sha256": "0" * 64, "stored": -1}]),
     "bundle_damaged"),
    ("a version that is none", lambda f: resigned(good(f), version=True), "bundle_damaged"),
    ("version zero", lambda f: resigned(good(f), version=0), "bundle_damaged"),
    ("an unknown word", lambda f: resigned(good(f), expires="2020-01-01"), "bundle_damaged"),
    ("for another organisation", lambda f: good(f, target=Target(organisations=("x",))),
     "bundle_not_for_us"),
    ("for another region", lambda f: good(f, target=Target(regions=("rif",))),
     "bundle_not_for_us"),
    ("for another node", lambda f: good(f, target=Target(nodes=("y",))), "bundle_not_for_us"),
    ("for other hardware", lambda f: good(f, target=Target(hardware=("riscv",))),
     "bundle_not_for_us"),
    ("for newer software", lambda f: good(f, min_software="0.1.1"), "bundle_needs_newer"),
    ("a card that is none", lambda f: good(f, files={"cards/x.toml": b"[[card]]\n"}),
     "bad_content"),
    ("a file for something else", lambda f: good(f, files={"cards/x.sh": b"rm"}),
     "bundle_other_file"),
    ("a card that is one already", lambda f: good(f, files={
        "cards/a.toml": CARD.encode(), "cards/b.toml": CARD.encode()}), "bad_content"),
]  # fmt: skip


def _write(folder: Path, data: bytes) -> Path:
    (folder / "x.ghb").write_bytes(data)
    return folder / "x.ghb"


def files_below(folder: Path) -> dict[str, bytes]:
    skip = ("reports.json", "state.json", "lock")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(skip) and not path.name.endswith(".lock")
    }


@pytest.mark.parametrize(("what", "make", "code"), ATTACKS, ids=[each[0] for each in ATTACKS])
def test_an_attack_is_refused_with_its_reason(
    node: NodeBundles, tmp_path: Path, what: str, make: Callable[[Path], Path], code: str
) -> None:
    _let_other_sign_forms(node.home)
    folder = tmp_path / "attack"
    folder.mkdir()
    path = make(folder)
    before = files_below(node.home)
    with pytest.raises(PublisherError) as caught:
        node.take(path)
    assert caught.value.code == code, str(caught.value)
    assert files_below(node.home) == before, "nothing is left of it"
    assert node.slots.get("advice", "souss").active == 5
    assert advice_of(node.home).card("LYPES", "BROUGH") is not None
    report = node.reports.all()[-1]
    assert (report.outcome, report.code) == ("refused", code)
    assert node.take(bundle(tmp_path, 8)).version == 8, "the next good one is taken"


def _let_other_sign_forms(home: Path) -> None:
    """A second publisher, of forms alone."""
    given = root()
    roles = {**given.roles, "forms": {OTHER.public.id: OTHER.public}}
    changed_root = type(given)(1, given.threshold, given.keys, roles)
    path = home / "trust" / "root.json"
    path.write_text(json.dumps(signed_root(changed_root).as_json()))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_change_of_a_bundle_is_taken(
    node: NodeBundles, tmp_path: Path, data: st.DataObject
) -> None:
    source = tmp_path / "good"
    if not source.exists():
        source.mkdir()
        good(source)
    whole = (source / "advice-souss-6.ghb").read_bytes()
    harmed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(harmed) - 1))
        match data.draw(st.sampled_from(["flip", "drop", "add", "swap"])):
            case "flip":
                harmed[at] ^= data.draw(st.integers(1, 255))
            case "drop":
                del harmed[at : at + data.draw(st.integers(1, 50))]
                harmed = harmed or bytearray(b"x")
            case "add":
                harmed[at:at] = data.draw(st.binary(min_size=1, max_size=20))
            case _:
                harmed[at:], harmed[:at] = harmed[:at], harmed[at:]
    path = tmp_path / "harmed.ghb"
    path.write_bytes(harmed)
    try:
        taken = node.take(path)
    except PublisherError:
        assert node.slots.get("advice", "souss").active == 5
        return
    # Only the very same words and files may pass (white space in the head, base64).
    with open_bundle(path) as one, open_bundle(source / "advice-souss-6.ghb") as two:
        assert one.signed.text == two.signed.text
    assert taken.version == 6
    node.slots.change("advice", "souss", lambda _: Slot(active=5, seen=5))


def test_a_node_without_a_root_takes_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeeperError) as error:
        NodeBundles(tmp_path / "home", HERE).take(bundle(tmp_path))
    assert error.value.code == "no_root"


def test_a_publisher_who_was_replaced_is_believed_no_more(
    node: NodeBundles, tmp_path: Path
) -> None:
    from sync.roots import update_root

    update_root(node.home, [signed_root(root(2, publisher=OTHER))])
    with pytest.raises(PublisherError) as error:
        node.take(bundle(tmp_path, 6))
    assert error.value.code == "bundle_untrusted"
    assert node.take(bundle(tmp_path, 6, key=OTHER)).version == 6


def test_a_wrong_clock_locks_nobody_out(
    node: NodeBundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bundle(tmp_path, 6)
    for moment in (0.0, 4e9):
        monkeypatch.setattr("time.time", lambda moment=moment: moment)
        node.slots.change("advice", "souss", lambda s: type(s)(active=5, seen=5))
        assert node.take(path).version == 6


def test_too_little_space_is_the_keepers_and_may_be_tried_again(
    node: NodeBundles, tmp_path: Path
) -> None:
    (node.home / "settings.toml").write_text("min_free_mb = 100000000\n")
    with pytest.raises(KeeperError) as error:
        node.take(bundle(tmp_path, 6))
    assert error.value.code == "disk_full"
    (node.home / "settings.toml").unlink()
    assert node.take(bundle(tmp_path, 6)).version == 6


def test_a_link_is_never_packed(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.toml").symlink_to("/etc/passwd")
    with pytest.raises(GhallaError) as error:
        files_in(tmp_path / "source")
    assert error.value.code == "bundle_link"


def test_the_same_sources_give_the_same_bytes_and_come_back_whole(tmp_path: Path) -> None:
    contents = {"a": b"", "b/c": os.urandom(5000), "b/d.toml": b"word " * 5000}
    one, two = bundle(tmp_path, files=contents), bundle(tmp_path, 2, files=contents, name="x")
    assert parts_of(one)[1] == parts_of(two)[1]
    assert one.stat().st_size < 7500, "text is squeezed, noise is not"
    out = tmp_path / "out"
    out.mkdir()
    with open_bundle(one) as opened:
        assert isinstance(opened, BundleFile)
        opened.extract(out)
    assert {path: (out / path).read_bytes() for path in contents} == contents
    shutil.rmtree(out)


def test_what_no_node_would_take_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    for path, name in (("../x", "souss"), ("a/.x", "souss"), ("x", "../souss")):
        with pytest.raises(PublisherError) as error:
            build(tmp_path / "o.ghb", {path: tmp_path / "x"}, "advice", name, 1, "now")
        assert error.value.code == "bundle_bad_path"
    assert not (tmp_path / "o.ghb").exists()


def test_signing_again_replaces_the_signature(tmp_path: Path) -> None:
    path = bundle(tmp_path, key=STRANGER)
    before = parts_of(path)[1]
    signed = sign_file(path, PUBLISHER)
    assert signed.key == PUBLISHER.public.id
    assert parts_of(path)[1] == before


def test_a_share_is_stable_and_a_larger_one_holds_the_smaller() -> None:
    manifest = Manifest("advice", "souss", 3, "", (Entry("a", 0, "0" * 64, 0),), 0)
    nodes = [f"{NODE}{n}" for n in range(4000)]
    first = {node for node in nodes if in_share(manifest, node, 10)}
    assert 300 < len(first) < 500
    assert first < {node for node in nodes if in_share(manifest, node, 30)}
    assert all(in_share(manifest, node, 100) for node in nodes)
    assert not any(in_share(manifest, node, 0) for node in nodes)
    later = Manifest(**{**{f: getattr(manifest, f) for f in asdict(manifest)}, "version": 4})
    assert first != {node for node in nodes if in_share(later, node, 10)}, "others go first"
