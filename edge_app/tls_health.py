"""How the certificate is that tablets are shown, for the health page."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from edge_app.https import FOLDER
from edge_app.seam import Part
from edge_app.settings import Settings
from field_data.clock import now
from field_data.types import Trust


def certificate_part(home: Path, settings: Settings) -> Part | None:
    """The certificate of a node that speaks https; None for others.

    Whether it has run out is not judged while the clock is unknown.
    """
    if not settings.https_port:
        return None
    from edge_app.tls_keys import TlsFiles, ends_at
    from field_data.errors import KeeperError

    files = TlsFiles(home / FOLDER)
    if not files.leaf.is_file():
        return None  # made at the next start
    try:
        end = ends_at(files.leaf)
    except (KeeperError, OSError) as error:
        return Part("certificate", False, "tls_damaged", str(error))
    instant = now()
    over = instant.trust is not Trust.UNKNOWN and instant.utc_s > end.timestamp()
    code = "certificate_expired" if over else "ok"
    return Part("certificate", not over, code, f"until {end.astimezone(dt.UTC):%Y-%m-%d}")
