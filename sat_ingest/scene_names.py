"""Which scenes are the same picture processed again: told by the names that catalogues give."""

from __future__ import annotations

import re

# Earth Search: S2A_28QCH_20200714_0_L2A, then …_1_L2A.
_EARTH_SEARCH = re.compile(r"(?P<head>S2[A-D]_\w{5}_\d{8})_(?P<rank>\d{1,4})_(?P<tail>L2A)")
# ESA's product name (Sentinel-2 Products Specification Document, naming convention), with or
# without the processing baseline: S2B_MSIL2A_20190629T212529_N0212_R043_T06VVN_20201006T080531.
_ESA = re.compile(
    r"(?P<head>S2[A-D]_MSIL2A_\d{8}T\d{6})(?:_N\d{4})?"
    r"_(?P<tail>R\d{3}_T\w{5})_(?P<rank>\d{8}T\d{6})(?:\.SAFE)?"
)


def picture_and_rank(scene: str) -> tuple[str, str]:
    """What the scene is a picture of, and a rank that grows with each reprocessing.

    A name in no known form is a picture of its own with the rank "".
    """
    for form in (_EARTH_SEARCH, _ESA):
        found = form.fullmatch(scene)
        if found:
            return f"{found['head']}_{found['tail']}", found["rank"].zfill(4)
    return scene, ""
