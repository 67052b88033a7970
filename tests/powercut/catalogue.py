"""All workloads by name."""

from __future__ import annotations

from tests.powercut.hub_workload import HubTakes
from tests.powercut.node_workload import NodeSends
from tests.powercut.workloads import Erasures, Inserts, JsonFile, Migrations, Photos, Workload

WORKLOADS: dict[str, Workload] = {
    each.name: each
    for each in (Inserts(), Photos(), Migrations(), Erasures(), HubTakes(), NodeSends(), JsonFile())
}
