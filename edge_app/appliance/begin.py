"""Before each start of the node: ``python -I -m edge_app.appliance.begin``; see `releases`."""

from __future__ import annotations

import os

from edge_app.appliance.layout import Layout
from edge_app.appliance.releases import begin

if __name__ == "__main__":
    os.umask(0o022)  # it runs as root with the umask of the node, which reads what is written here
    begin(Layout())
