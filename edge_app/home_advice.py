"""The cards of one home: those that come with Ghalla, and what bundles bring."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from edge_app.advice import Advice, load_advice
from field_data.errors import PublisherError
from sync.bundle_reports import ROLLED_BACK, Reports
from sync.slots import Slots, Why, failed


def advice_of(home: Path) -> Advice:
    """The cards of a home.

    Raises:
        PublisherError: ``bad_content``: what bundles brought does not fit this software.
    """
    return load_advice(over=Slots(home).in_use("advice"))


def advice_at_start(home: Path) -> Advice:
    """The cards of a home; bundles that do not fit a newer software give way, and that is noted."""
    slots, reports = Slots(home), Reports(home)
    while over := slots.in_use("advice"):
        try:
            return load_advice(over=over)
        except PublisherError as error:
            why = Why(error.code, str(error))
            logging.getLogger(__name__).error("advice of bundles is switched off: %s", error)
            for name in (folder.parent.name for folder in over):
                old = slots.get("advice", name)
                slots.change("advice", name, partial(failed, version=old.active, why=why))
                reports.add(
                    ROLLED_BACK, "advice", name, old.active, old.digest, why.code, why.reason
                )
    return load_advice()
