"""Release folders and the scripts that install them: what is believed, and what is not touched.

The whole way, with systems that boot, is ``python -m tests.journeys.appliance``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_app.appliance.release_folder import SIGNATURE, SUMS, check, requirements, seal, sha256_of
from field_data.errors import PublisherError
from sync.keys import SecretKey

DEPLOY = Path(__file__).parents[1] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.*"))
KEY, STRANGER = SecretKey(bytes(range(32))), SecretKey(bytes(range(1, 33)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release in small: one wheel that is none, signed."""
    folder = tmp_path / "usb stick"
    (folder / "wheels").mkdir(parents=True)
    (folder / "wheels" / "ghalla-0.1.0-py3-none-any.whl").write_bytes(b"wheel" * 1000)
    (folder / "VERSION").write_text("0.1.0+01234567\n")
    shutil.copy2(DEPLOY / "install.sh", folder)
    seal(folder, KEY)
    return folder


def installer(folder: Path, *words: str) -> tuple[int, str]:
    """Exit code and all words of ``install.sh --check``, as nobody in particular."""
    done = subprocess.run(
        ["/bin/sh", str(folder / "install.sh"), "--check", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def trusted(folder: Path, secret: SecretKey) -> list[str]:
    """The words that make the installer trust one key."""
    path = folder.parent / "key.pub"
    path.write_text(f"{secret.public.line}\n")
    return ["--trust", str(path)]


def test_shell_and_python_believe_the_same_folder(folder: Path) -> None:
    assert check(folder, {KEY.public.id: KEY.public}) == KEY.public.id
    code, said = installer(folder, *trusted(folder, KEY))
    assert (code, "Signed by key" in said, "as it was published" in said) == (0, True, True)
    assert check(folder, {}) is None
    code, said = installer(folder)
    assert (code, "nobody vouches" in said) == (0, True)


def test_a_folder_of_somebody_else_is_not_believed(folder: Path) -> None:
    with pytest.raises(PublisherError, match="no key that this box trusts"):
        check(folder, {STRANGER.public.id: STRANGER.public})
    code, said = installer(folder, *trusted(folder, STRANGER))
    assert (code, "no key that this box trusts" in said) == (1, True)


def _damage(folder: Path) -> None:
    (folder / "wheels" / "ghalla-0.1.0-py3-none-any.whl").write_bytes(b"wheeL" * 1000)


def _lose(folder: Path) -> None:
    (folder / "VERSION").unlink()


def _link(folder: Path) -> None:
    (folder / "VERSION").unlink()
    (folder / "VERSION").symlink_to("/etc/hostname")


def _endless(folder: Path) -> None:
    (folder / "VERSION").unlink()
    os.mkfifo(folder / "VERSION")


def _outside(folder: Path) -> None:
    name = "../" * 20 + "etc/passwd"
    with (folder / SUMS).open("a") as file:
        file.write(f"{sha256_of(Path('/etc/passwd'))}  {name}\n")


def _huge(folder: Path) -> None:
    with (folder / "VERSION").open("wb") as file:
        file.truncate(3_000_000_000)


def _unsigned(folder: Path) -> None:
    (folder / SIGNATURE).unlink()


def _garbled(folder: Path) -> None:
    (folder / SIGNATURE).write_bytes(b"\xff\x00" * 50)


def _no_sums(folder: Path) -> None:
    (folder / SUMS).unlink()


@pytest.mark.parametrize(
    "spoil",
    [_damage, _lose, _link, _endless, _outside, _huge, _unsigned, _garbled, _no_sums],
    ids=lambda each: each.__name__.strip("_"),
)
def test_a_hostile_stick_is_refused_in_words(folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder)
    if (folder / SUMS).exists() and spoil is _outside:
        seal_again(folder)
    with pytest.raises(PublisherError):
        check(folder, {KEY.public.id: KEY.public})
    code, said = installer(folder, *trusted(folder, KEY))
    assert code == 1
    assert said.strip().splitlines()[-1].startswith("install.sh: ")


def seal_again(folder: Path) -> None:
    """Sign the sums as they are now: even a publisher may not name files elsewhere."""
    from base64 import b64encode

    from edge_app.appliance.release_folder import PURPOSE

    signature = KEY.sign(PURPOSE + (folder / SUMS).read_bytes())
    (folder / SIGNATURE).write_bytes(b64encode(signature))


def test_pip_is_told_exact_bytes(tmp_path: Path) -> None:
    wheel = tmp_path / "argon2_cffi_bindings-25.1.0-cp39-abi3-manylinux_2_28_aarch64.whl"
    wheel.write_bytes(b"x")
    told = requirements([wheel])
    assert told == f"argon2-cffi-bindings==25.1.0 --hash=sha256:{sha256_of(wheel)}\n"


@pytest.mark.parametrize("script", sorted(DEPLOY.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_plain_shell(script: Path) -> None:
    subprocess.run(["/bin/sh", "-n", str(script)], check=True)
    for bashism in ("[[", "function ", "<<<", "echo -e"):
        assert bashism not in script.read_text(), bashism


@pytest.mark.parametrize(
    "unit", [u for u in UNITS if u.suffix == ".service"], ids=lambda path: path.name
)
def test_a_service_can_reach_little(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert float(told.split("exposure level for")[1].split(":")[1].split()[0]) <= 2.0


def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace("/opt/ghalla/current/venv/bin/", "/bin/true ")
        (tmp_path / unit.name).write_text(text)
    names = [str(tmp_path / u.name) for u in UNITS if u.suffix in (".service", ".timer", ".path")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in done.stdout.splitlines() if "ghalla" in line]
    assert (done.returncode, ours) == (0, [])
