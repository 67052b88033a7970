"""A node that cannot start: one page that says why, until the start succeeds."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_app import webassets
from edge_app.rescue import page_of, part_of, staying
from edge_app.seam import Part
from field_data.errors import GhallaError, KeeperError, PublisherError


def _asked(address: str, method: str, path: str) -> tuple[int, str]:
    line = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    try:
        line.request(method, path)
        answer = line.getresponse()
        return answer.status, answer.read().decode()
    finally:
        line.close()


class Trouble:
    """Fails with each of ``errors`` in turn, then runs."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.ran = list(errors), False
        self.said: list[str] = []
        self.seen: list[tuple[int, str]] = []

    def run(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.ran = True

    def heard(self, part: Part, address: str) -> None:
        self.said.append(part.code)
        self.seen += [_asked(address, "GET", "/fr/photo/LYPES?x=1"), _asked(address, "HEAD", "/")]
        self.seen += [
            _asked(address, "GET", "/health"),
            _asked(address, "POST", "/api/v1/diagnose"),
        ]


def stay(home: Path, trouble: Trouble, say: Callable[[Part, str], None] | None = None) -> None:
    staying(home, "127.0.0.1", 0, trouble.run, say or trouble.heard, again_s=0.05)


def test_the_page_says_what_is_wrong_and_the_start_is_tried_again(tmp_path: Path) -> None:
    webassets.compile_catalogues()
    same = "/home/zineb/x"
    trouble = Trouble(OSError(30, "Read-only", same), OSError(30, "Read-only", same))
    stay(tmp_path, trouble)
    assert trouble.ran
    assert trouble.said == ["home_unusable"]  # once
    (status, page), head, health, refused = trouble.seen
    assert status == 503
    assert 'lang="ar"' in page
    assert "Is the memory card in it" in page
    assert same not in page
    assert head == (503, "")
    assert health[0] == 200
    assert json.loads(health[1])["parts"][0]["code"] == "home_unusable"
    assert (refused[0], json.loads(refused[1])["code"]) == (503, "home_unusable")


def test_a_mistake_in_the_settings_is_told_whoever_the_page_is_for(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("prot = 1\n")
    trouble = Trouble(KeeperError("bad_settings", "prot"), PublisherError("bad_content"))
    stay(tmp_path, trouble)
    assert trouble.said == ["bad_settings", "bad_content"]


@pytest.mark.parametrize("code", ["home_in_use", "port_in_use"])
def test_beside_another_node_it_does_not_stay(tmp_path: Path, code: str) -> None:
    with pytest.raises(KeeperError) as caught:
        stay(tmp_path, Trouble(KeeperError(code)))
    assert caught.value.code == code


def test_what_is_no_fault_of_the_box_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        stay(tmp_path, Trouble(ZeroDivisionError()))


def test_codes_on_the_page_cannot_be_markup() -> None:
    assert "<b>" not in page_of(part_of(GhallaError("<b>x")))
    assert "<b>" not in page_of(part_of(KeeperError("<b>x")))
