"""All workloads by name."""

from __future__ import annotations

from tests.powercut.day_workload import FullDay
from tests.powercut.hub_workload import HubTakes
from tests.powercut.node_workload import NodeSends
from tests.powercut.workloads import Erasures, Inserts, JsonFile, Migrations, Photos, Workload

# Takes seconds a cut: only when it is asked for by name.
DAY = FullDay()
WORKLOADS: dict[str, Workload] = {
    each.name: each
    for each in (
        Inserts(),
        Photos(),
        Migrations(),
        Erasures(),
        HubTakes(),
        NodeSends(),
        DAY,
        JsonFile(),
    )
}
