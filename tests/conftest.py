"""What every test shares: where the public photos are, and no skip that hides a failure."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

pytest_plugins = ["tests.hubs"]

ROOT = Path(__file__).parents[1]
# The public photo set is never part of the project; without it the tests that read it are skipped.
PHOTO_SET = Path(os.environ.get("GHALLA_DATA", ROOT.parent / "shared" / "data" / "vision"))
_DATA_ABSENT = "the public photo set is not on this machine"
# A container without these devices cannot run power cuts, whatever is installed in it.
KERNEL_REFUSES = "the kernel of this machine lets nobody make disks of their own"
# The only library of the tests that exists for one kind of machine alone.
NO_WHEEL = "exactextract has no wheel for this kind of machine"
_EXCUSED = (_DATA_ABSENT, KERNEL_REFUSES, NO_WHEEL)
_CHROMIUM_ABSENT = "no chromium on this machine"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run; in CI that is no excuse but for what CI cannot have."""
    chromium = shutil.which("chromium") is not None or "CI" in os.environ
    for item in items:
        if item.get_closest_marker("data") and not (PHOTO_SET / "classification.csv").is_file():
            item.add_marker(pytest.mark.skip(reason=_DATA_ABSENT))
        if item.get_closest_marker("browser") and not chromium:
            item.add_marker(pytest.mark.skip(reason=_CHROMIUM_ABSENT))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed test, unless CI cannot have what is missing."""
    report = yield
    if "CI" in os.environ and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(excuse in reason for excuse in _EXCUSED):
            report.outcome = "failed"
            report.longrepr = f"skipped in CI: {reason}"
    return report


@pytest.fixture(scope="session")
def photo_set() -> Path:
    """Folder of the public photo set."""
    return PHOTO_SET
