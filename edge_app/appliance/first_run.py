"""What the first keeper of a box has answered so far, kept so that no power cut loses it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from edge_app.appliance.box_settings import Security, write_private

FILE = "first-run.json"
_MOST_NAME = 40
# ISO 3166-2:MA, with the names that people there use.
REGIONS = {
    "MA-01": "طنجة تطوان الحسيمة · Tanger-Tétouan-Al Hoceïma",
    "MA-02": "الشرق · L'Oriental",
    "MA-03": "فاس مكناس · Fès-Meknès",
    "MA-04": "الرباط سلا القنيطرة · Rabat-Salé-Kénitra",
    "MA-05": "بني ملال خنيفرة · Béni Mellal-Khénifra",
    "MA-06": "الدار البيضاء سطات · Casablanca-Settat",
    "MA-07": "مراكش آسفي · Marrakech-Safi",
    "MA-08": "درعة تافيلالت · Drâa-Tafilalet",
    "MA-09": "سوس ماسة · Souss-Massa",
    "MA-10": "كلميم واد نون · Guelmim-Oued Noun",
    "MA-11": "العيون الساقية الحمراء · Laâyoune-Sakia El Hamra",
    "MA-12": "الداخلة وادي الذهب · Dakhla-Oued Ed-Dahab",
}


@dataclass(frozen=True, slots=True)
class FirstRun:
    """The answers; empty where nothing was answered.

    ``wifi`` and ``hub`` say that the step is over, ``ssid`` is empty when the Wi-Fi stays as it is.
    ``passphrase`` is here only until the box is asked to change its Wi-Fi.
    """

    lang: str = ""
    name: str = ""
    region: str = ""
    ssid: str = ""
    security: str = Security.WPA2.value
    passphrase: str = ""
    wifi: bool = False
    hub: bool = False
    finished: bool = False

    def pending(self, needs_keeper: bool) -> str:
        """The step to answer next; empty when all are."""
        before = (("language", self.lang), ("place", self.name))
        after = (("wifi", self.wifi), ("hub", self.hub), ("done", self.finished))
        for step, answered in before if needs_keeper else after:
            if not answered:
                return step
        return "keeper" if needs_keeper else ""


def good_name(text: str) -> bool:
    """Whether a box can be called so."""
    return 1 <= len(text) <= _MOST_NAME and text.isprintable()


def suggested_ssid(name: str) -> str:
    """A name for the Wi-Fi of a box, cut between letters to the 32 bytes that it may have."""
    text = f"Ghalla {name}".strip()
    while len(text.encode()) > 32:
        text = text[:-1].rstrip()
    return text


def read_answers(home: Path) -> FirstRun:
    """The answers so far; none where the file is missing or no longer understood."""
    try:
        said = json.loads((home / FILE).read_bytes())
        kinds = {each.name: type(each.default) for each in fields(FirstRun)}
        good = {name: said[name] for name in kinds if type(said.get(name)) is kinds[name]}
        return replace(FirstRun(), **good)
    except (OSError, ValueError, AttributeError, RecursionError):
        return FirstRun()


def keep_answers(home: Path, answers: FirstRun) -> None:
    """Write them down, for nobody else to read.  Raises KeeperError ``disk_full``."""
    write_private(home / FILE, json.dumps(asdict(answers), ensure_ascii=False).encode())
