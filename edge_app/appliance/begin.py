"""Before each start of the node: ``python -I -m edge_app.appliance.begin`` (`releases.begin`)."""

from __future__ import annotations

from edge_app.appliance.layout import Layout
from edge_app.appliance.releases import begin

if __name__ == "__main__":
    begin(Layout())
