"""Signed bundles: what was signed by whom is what is taken in, and nothing else."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from field_data.errors import GhallaError, KeeperError, PersonError, PublisherError
from sync.bundles import (
    WINDOWS,
    BundleManifest,
    must_not_be_older,
    note_taken,
    sign,
    slip_of,
    verify,
)
from sync.keys import PublicKey, SecretKey, new_keys, read_secret, trusted_keys


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "pack.ghw"
    path.write_bytes(b"windows" * 1000)
    new_keys(tmp_path / "hub")
    sign(path, read_secret(tmp_path / "hub"), WINDOWS, "north", 7, "2026-01-02T03:04:05+00:00")
    return path


def checked(path: Path, kind: str = WINDOWS) -> BundleManifest:
    public = read_secret(path.parent / "hub").public
    with path.open("rb") as file:
        return verify(path, file, kind, {public.id: public})


def code_of(path: Path, kind: str = WINDOWS) -> str:
    with pytest.raises(GhallaError) as error:
        checked(path, kind)
    assert isinstance(error.value, PublisherError)
    return error.value.code


def test_what_was_signed_is_taken(bundle: Path) -> None:
    manifest = checked(bundle)
    assert (manifest.kind, manifest.name, manifest.version) == (WINDOWS, "north", 7)
    assert manifest.bytes == 7000


def test_a_changed_file_a_changed_slip_and_none_are_refused(bundle: Path) -> None:
    assert code_of(bundle, kind="model") == "bundle_other"
    slip = slip_of(bundle).read_text()
    said = json.loads(slip)
    slip_of(bundle).write_text(
        json.dumps({**said, "manifest": said["manifest"].replace("7,", "8,")})
    )
    assert code_of(bundle) == "bad_signature"
    for harm in (
        "",
        "{}",
        "[]",
        '{"manifest": 1, "key": "a", "signature": "b"}',
        "[" * 9000,
        "x" * 20_000,
    ):
        slip_of(bundle).write_text(harm)
        assert code_of(bundle) == "bundle_damaged"
    slip_of(bundle).write_text(slip)
    bundle.write_bytes(b"Windows" * 1000)
    assert code_of(bundle) == "bundle_damaged"
    slip_of(bundle).unlink()
    assert code_of(bundle) == "bundle_unsigned"


def test_a_stranger_and_a_stranger_under_a_known_name_are_refused(
    bundle: Path, tmp_path: Path
) -> None:
    new_keys(tmp_path / "stranger")
    stranger = read_secret(tmp_path / "stranger")
    sign(bundle, stranger, WINDOWS, "north", 8, "now")
    assert code_of(bundle) == "bundle_untrusted"
    said = json.loads(slip_of(bundle).read_text())
    said["key"] = read_secret(tmp_path / "hub").public.id
    slip_of(bundle).write_text(json.dumps(said))
    assert code_of(bundle) == "bad_signature"


def test_keys_are_made_once_and_the_secret_half_stays_secret(tmp_path: Path) -> None:
    public = new_keys(tmp_path / "keys" / "hub")
    secret = tmp_path / "keys" / "hub"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert read_secret(secret).public == public
    assert str(read_secret(secret).raw) not in repr(read_secret(secret))
    with pytest.raises(PersonError) as error:
        new_keys(secret)
    assert error.value.code == "key_exists"
    with pytest.raises(PersonError):
        read_secret(secret.with_name("hub.pub"))
    with pytest.raises(PersonError):
        read_secret(tmp_path / "nothing")


def test_a_node_trusts_the_keys_in_its_folder_and_names_a_bad_one(tmp_path: Path) -> None:
    assert trusted_keys(tmp_path) == {}
    public = PublicKey(bytes(range(32)))
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "hub.pub").write_text(public.line)
    assert trusted_keys(tmp_path) == {public.id: public}
    (tmp_path / "trust" / "other.pub").write_text("ssh-ed25519 AAAA")
    with pytest.raises(KeeperError) as error:
        trusted_keys(tmp_path)
    assert error.value.code == "bad_trust"


def test_signatures_are_those_of_rfc_8032() -> None:
    # Section 7.1, test 2.
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = SecretKey(seed)
    assert key.public.raw.hex().startswith("3d4017c3e843895a")
    assert key.sign(b"\x72").hex().startswith("92a009a9f0d4cab8")


def test_versions_of_a_name_only_grow(tmp_path: Path) -> None:
    def manifest(version: int, name: str = "north") -> BundleManifest:
        return BundleManifest(WINDOWS, name, version, "now", 1, "0" * 64)

    must_not_be_older(tmp_path, manifest(1))
    note_taken(tmp_path, manifest(5))
    note_taken(tmp_path, manifest(3))
    must_not_be_older(tmp_path, manifest(5))
    must_not_be_older(tmp_path, manifest(1, "south"))
    with pytest.raises(PersonError) as error:
        must_not_be_older(tmp_path, manifest(4))
    assert error.value.code == "bundle_old"
