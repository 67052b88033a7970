"""Print the file of pinned versions for this Python: its own, else the next one up or newest."""

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "constraints"


def main() -> None:
    """Pick among ``constraints/py3NN.txt``."""
    mine = sys.version_info.minor
    sets = {int(re.findall(r"py3(\d+)", path.name)[0]): path for path in FOLDER.glob("py3*.txt")}
    at_least = [minor for minor in sets if minor >= mine]
    print(sets[min(at_least) if at_least else max(sets)])


if __name__ == "__main__":
    main()
