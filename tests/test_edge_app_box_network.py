"""The Wi-Fi of a box: settings, files that the real programs accept, and the way back."""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_app.appliance import network_apply
from edge_app.appliance.box_settings import (
    BoxSettings,
    Security,
    keep_box,
    passphrase_file,
    read_box,
    read_passphrase,
    refuse_wifi,
    settings_from,
)
from edge_app.appliance.layout import Layout
from edge_app.appliance.network import (
    PROFILE_FILE,
    avahi,
    dnsmasq,
    is_own,
    nftables,
    own_name,
    profile,
    rendered,
)
from edge_app.appliance.network_apply import change, check, restore, run_command, start
from edge_app.appliance.network_request import (
    Wanted,
    ask,
    confirm,
    on_trial,
    read_request,
    request_file,
    wanted_wifi,
)
from edge_app.cli import main
from field_data.errors import KeeperError, PersonError

HARD_NAMES = ('غلة "أولاد" 🌾', "it's; a\\b #=[x]", "Ghalla", "ⵖⴰⵍⵍⴰ")
SECRET = "old-word-1234"


def wanted(ssid: str = "Douar 2", security: Security = Security.WPA2) -> Wanted:
    secret = "" if security is Security.OPEN else "new words 5678"
    return wanted_wifi(ssid, security, secret, "ar", "BCDFGH")


class TestSettings:
    @pytest.mark.parametrize("ssid", HARD_NAMES)
    def test_they_are_read_as_they_were_written(self, tmp_path: Path, ssid: str) -> None:
        settings = BoxSettings("ar", "BCDFGH", ssid, Security.WPA3, cable="", cable_ssh=True)
        keep_box(Layout(tmp_path), settings, SECRET)
        assert read_box(Layout(tmp_path)) == settings
        assert read_passphrase(Layout(tmp_path), settings) == SECRET
        assert passphrase_file(Layout(tmp_path)).stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize(
        "wrong",
        [{"ssdi": "x"}, {"ssid": 7}, {"ssid": "é" * 17}, {"ssid": "a\nb"}, {"ssid": ""},
         {"security": "wep"}, {"channel": 14}, {"channel": True}, {"wifi": "wlan0\nx"},
         {"wifi": 'w"'}, {"country": "ma"}, {"language": "de"}, {"http_port": 0},
         {"wifi": "eth0"}, {"code": "AAAAAA"}, {"https_port": 8080}],
    )  # fmt: skip
    def test_what_is_wrong_is_named_not_guessed(self, wrong: dict[str, object]) -> None:
        with pytest.raises(KeeperError) as error:
            settings_from(wrong, "box.toml")
        assert error.value.code == "bad_box_settings"

    @pytest.mark.parametrize(
        ("ssid", "security", "secret", "code"),
        [
            ("x" * 33, Security.WPA2, "a" * 8, "bad_ssid"),
            ("غ" * 17, Security.WPA2, "a" * 8, "bad_ssid"),
            ("\ud83c", Security.WPA2, "a" * 8, "bad_ssid"),
            ("x", Security.WPA2, "a" * 7, "bad_wifi_passphrase"),
            ("x", Security.WPA3, "a" * 64, "bad_wifi_passphrase"),
            ("x", Security.WPA2, "كلمة سر طويلة", "bad_wifi_passphrase"),
            ("x", Security.WPA2, "", "bad_wifi_passphrase"),
            ("x", Security.WPA2, " leading blank", "bad_wifi_passphrase"),
            ("x", Security.OPEN, "a" * 8, "bad_wifi_passphrase"),
        ],
    )
    def test_a_wifi_that_phones_cannot_join_is_refused(
        self, ssid: str, security: Security, secret: str, code: str
    ) -> None:
        with pytest.raises(PersonError) as error:
            refuse_wifi(ssid, security, secret)
        assert error.value.code == code


class TestFiles:
    @pytest.mark.parametrize("ssid", HARD_NAMES)
    @pytest.mark.parametrize("security", list(Security))
    def test_the_programs_that_read_them_accept_them(self, ssid: str, security: Security) -> None:
        settings = BoxSettings(ssid=ssid, security=security, code="BCDFGH", cable_ssh=True)
        check(rendered(settings, SECRET))

    def test_what_they_do_not_accept_never_gets_to_its_place(self, tmp_path: Path) -> None:
        file = rendered(BoxSettings(), SECRET)
        broken = [each if each.path.name != "nftables.conf" else
                  type(each)(each.path, each.text + "}") for each in file]  # fmt: skip
        with pytest.raises(KeeperError) as error:
            check(broken)
        assert error.value.code == "network_refused"

    @pytest.mark.parametrize("ssid", HARD_NAMES)
    def test_the_name_is_on_air_as_its_bytes(self, ssid: str) -> None:
        said = keyfile(profile(BoxSettings(ssid=ssid), SECRET))
        on_air = bytes(int(each) for each in said["wifi"]["ssid"].rstrip(";").split(";"))
        assert on_air.decode() == ssid

    def test_a_passphrase_with_signs_is_escaped_as_key_files_want_it(self) -> None:
        said = keyfile(profile(BoxSettings(), r"a \s;#=é"[:7] + "z"))
        assert said["wifi-security"]["psk"] == r"a\s\\s;#=z"

    def test_an_open_wifi_has_no_security_and_wpa3_wants_its_own(self) -> None:
        assert "wifi-security" not in keyfile(profile(BoxSettings(security=Security.OPEN), ""))
        said = keyfile(profile(BoxSettings(security=Security.WPA3), SECRET))["wifi-security"]
        assert (said["key-mgmt"], said["pmf"]) == ("sae", "3")

    def test_it_speaks_both_protocols_and_is_nobodys_way_out(self) -> None:
        said = keyfile(profile(BoxSettings(), SECRET))
        for family in ("ipv4", "ipv6"):
            assert (said[family]["method"], said[family]["never-default"]) == ("manual", "true")
            assert is_own(said[family]["address1"].split("/")[0])
        assert is_own("::ffff:10.87.0.9")
        assert not any(is_own(each) for each in ("10.88.0.1", "127.0.0.1", "fe80::1%wlan0", "x"))

    def test_two_boxes_called_ghalla_do_not_quarrel(self) -> None:
        one, two = (BoxSettings(code=code) for code in ("BCDFGH", "HGFDCB"))
        assert own_name("BCDFGH") == "ghalla-bcdfgh.local"
        assert f"host-record=ghalla.local,{own_name(one.code)}," in dnsmasq(one)
        assert own_name(one.code) not in dnsmasq(two)
        # The name that both have is told on each one's own Wi-Fi, never on a cable they share.
        assert "allow-interfaces=wlan0" in avahi(one)

    def test_nothing_of_the_passphrase_is_in_files_that_all_may_read(self) -> None:
        for file in rendered(BoxSettings(), SECRET):
            assert (SECRET in file.text) == (file.path == PROFILE_FILE)
            assert file.mode == (0o600 if file.path == PROFILE_FILE else 0o644)

    def test_the_cable_is_closed_where_the_keeper_wants_it_so(self) -> None:
        closed = nftables(BoxSettings(cable_pages=False, cable_ssh=False))
        assert 'iifname "eth0" tcp' not in closed
        assert 'iifname "eth0" tcp dport 22' in nftables(BoxSettings(cable_ssh=True))


def keyfile(text: str) -> configparser.ConfigParser:
    made = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    made.read_string(text)
    return made


class System:
    """The commands of a system that were asked for; those that start with ``broken`` fail."""

    def __init__(self, *broken: str) -> None:
        self.ran: list[str] = []
        self.broken = broken

    def __call__(self, command: Sequence[str]) -> None:
        self.ran.append(" ".join(command))
        if self.broken and self.ran[-1].startswith(self.broken):
            raise KeeperError("network_refused", "no")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A box whose Wi-Fi is up."""
    made = Layout(tmp_path)
    start(made, System())
    return made


def files_of(layout: Layout) -> dict[str, bytes]:
    etc = layout.root / "etc"
    return {str(path): path.read_bytes() for path in etc.rglob("*") if path.is_file()}


class TestChanging:
    def test_the_first_start_makes_a_passphrase_for_the_label(self, layout: Layout) -> None:
        secret = read_passphrase(layout, read_box(layout))
        assert len(secret) == 14
        assert secret in (layout.root / PROFILE_FILE).read_text()
        before = files_of(layout)
        start(layout, System())
        assert files_of(layout) == before

    def test_a_wifi_over_which_somebody_came_stays(self, layout: Layout) -> None:
        asked, system = wanted("غلة"), System()
        ask(layout, asked)
        assert change(layout, system, sleep=lambda _: confirm(layout, on_trial(layout))) == asked
        assert read_box(layout).ssid == "غلة"
        assert read_passphrase(layout, read_box(layout)) == "new words 5678"
        assert "nmcli --wait 60 connection up ghalla-wifi" in system.ran
        assert not request_file(layout).exists()
        assert not restore(layout)

    @pytest.mark.parametrize("confirmed", ["", "a" * 26], ids=["by nobody", "for another one"])
    def test_a_wifi_over_which_nobody_came_is_taken_back(
        self, layout: Layout, confirmed: str
    ) -> None:
        before, system = files_of(layout), System()
        ask(layout, wanted())
        with pytest.raises(KeeperError) as error:
            change(layout, system, wait_s=6, sleep=lambda _: confirm(layout, confirmed))
        assert error.value.code == "wifi_not_confirmed"
        assert files_of(layout) == before
        assert sum("connection up" in each for each in system.ran) == 2
        assert on_trial(layout) == ""

    def test_an_access_point_that_does_not_come_up_is_taken_back(self, layout: Layout) -> None:
        before = files_of(layout)
        ask(layout, wanted(security=Security.OPEN))
        with pytest.raises(KeeperError) as error:
            change(layout, System("nmcli --wait"))
        assert error.value.code == "network_refused"
        assert files_of(layout) == before

    def test_files_that_the_programs_refuse_change_nothing(self, layout: Layout) -> None:
        before = files_of(layout)
        ask(layout, wanted())
        with pytest.raises(KeeperError):
            change(layout, System("dnsmasq"))
        assert files_of(layout) == before

    @pytest.mark.parametrize("cut_after", range(1, 8))
    def test_the_power_may_fail_at_any_step(self, layout: Layout, cut_after: int) -> None:
        before = files_of(layout)
        ask(layout, wanted())
        ran = System()

        class Cut(BaseException):
            pass

        def cut(command: Sequence[str]) -> None:
            ran(command)
            if len(ran.ran) == cut_after:
                raise Cut

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(network_apply, "restore", lambda _: False)  # nobody is there to do it
            with pytest.raises(Cut):
                change(layout, cut)
        start(layout, System())
        assert files_of(layout) == before

    @pytest.mark.parametrize(
        "change_to",
        [{"ssid": "x" * 40}, {"ssid": 5}, {"security": "wep"}, {"passphrase": "\n[x]12345678"},
         {"language": "../x"}, {"code": "a;b"}, {"id": "../../etc/passwd"}, {"more": "x"}],
    )  # fmt: skip
    def test_a_hostile_request_is_refused_and_gone(
        self, layout: Layout, change_to: dict[str, object]
    ) -> None:
        ask(layout, wanted())
        path, before = request_file(layout), files_of(layout)
        path.write_text(json.dumps(json.loads(path.read_text()) | change_to))
        with pytest.raises(KeeperError) as error:
            change(layout, System())
        assert error.value.code == "bad_request_file"
        assert not path.exists()
        assert files_of(layout) == before

    @pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "large", "deep", "none"])
    def test_a_request_that_is_no_small_file_is_not_followed(
        self, layout: Layout, tmp_path: Path, kind: str
    ) -> None:
        ask(layout, wanted())
        path, other = request_file(layout), tmp_path / "other"
        other.write_bytes(path.read_bytes())
        path.unlink()
        match kind:
            case "link":
                path.symlink_to(other)
            case "hard link":
                path.hardlink_to(other)
            case "pipe":
                os.mkfifo(path)
            case "large":
                path.write_bytes(b" " * 5000)
            case "deep":
                path.write_bytes(b"[" * 4000)
        with pytest.raises(KeeperError) as error:
            read_request(layout)
        assert error.value.code == "bad_request_file"
        assert "words" not in str(error.value)

    def test_missing_programs_are_named(self) -> None:
        with pytest.raises(KeeperError) as error:
            run_command(["nmcli-that-is-not-here"])
        assert error.value.code == "no_network_tools"


def test_the_command_writes_the_files_of_a_box_into_a_folder(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    done = CliRunner().invoke(
        main, ["box", "network", "render", "--root", str(root), "--json", str(out)]
    )
    assert done.exit_code == 0, done.output
    names = json.loads(done.output)["files"]
    assert str(PROFILE_FILE) in names
    assert all((out / name).is_file() for name in names)
