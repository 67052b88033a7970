"""https for tablets in a real Chromium: the authority is installed as on a tablet, nothing is waved
through."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Playwright

from tests.serving import ServedNode
from tests.tablets import HERE, Tablet, agent_of
from tests.test_edge_app_https import free_port

pytestmark = pytest.mark.browser


def trusting(user: Path, authority: Path) -> None:
    """What "install the certificate" does: into the NSS database of a user's home."""
    database = user / ".pki" / "nssdb"
    database.mkdir(parents=True)
    for what in (
        ["-N", "--empty-password"],
        ["-A", "-n", "box", "-t", "C,,", "-i", str(authority)],
    ):
        subprocess.run(["certutil", "-d", f"sql:{database}", *what], check=True, timeout=60)


@pytest.mark.parametrize("name", ["127.0.0.1", "ghalla.local"])
def test_a_tablet_that_trusts_the_box_works_away_from_it(
    playwright: Playwright, tmp_path: Path, name: str
) -> None:
    home, profile, user, port = tmp_path / "home", tmp_path / "p", tmp_path / "u", free_port()
    agent, address = agent_of(home), f"https://{name}:{port}"
    local: dict[str, Any] = {"ignore_https_errors": False, "env": {"HOME": str(user)}}
    found = ["--host-resolver-rules=MAP ghalla.local 127.0.0.1"]
    with ServedNode(home, GHALLA_HTTPS_PORT=str(port)):
        trusting(user, home / "tls" / "ca.crt")
        with Tablet(playwright, profile, address, agent.token, flags=found, **local) as tablet:
            tablet.open()
            tablet.settled()
            tablet.page.wait_for_selector(".fields a:has-text('Parcelle 3')")
    with Tablet(playwright, profile, address, flags=found, **local) as tablet:
        page = tablet.open()
        tablet.page.wait_for_selector("#state.unreachable")
        assert page.evaluate("isSecureContext")
        page.click(".fields a:has-text('Parcelle 2')")
        page.click("a[href^='#/draw/']")
        page.wait_for_selector("form .pair button:enabled >> nth=0")
        assert f"± {HERE['accuracy']} m" in page.inner_text("form .where")
        assert tablet.wrong == []


def test_without_the_authority_the_page_does_not_open(
    playwright: Playwright, tmp_path: Path
) -> None:
    port, user = free_port(), tmp_path / "u"
    agent = agent_of(tmp_path / "home")
    # Trusting another box is not trusting this one.
    with ServedNode(tmp_path / "other", GHALLA_HTTPS_PORT=str(free_port())):
        trusting(user, tmp_path / "other" / "tls" / "ca.crt")
    with (
        ServedNode(agent.home, GHALLA_HTTPS_PORT=str(port)),
        Tablet(
            playwright, tmp_path / "p", f"https://127.0.0.1:{port}", env={"HOME": str(user)}
        ) as tablet,
        pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"),
    ):
        tablet.open()
