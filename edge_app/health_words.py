"""What the health page says of a part that needs somebody: first what it is, then what to do."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from edge_app.seam import Part
from edge_app.uplink_words import KEEPER_MUST, PART, STOPPED

PARTS: dict[str, LazyString] = {
    "store": _l("Memory of answers"),
    "disk": _l("Free space"),
    "photos": _l("Room for photos"),
    "card": _l("Memory card"),
    "heat": _l("Warmth of the box"),
    "power": _l("Power supply"),
    "memory": _l("Working memory"),
    "model": _l("Plant doctor (model)"),
    "traps": _l("Trap counter (model)"),
    "advice": _l("Advice cards"),
    "update": _l("New version of the plant doctor"),
    "audit": _l("Audit log"),
    "satellite": _l("Satellite pictures"),
    "weather": _l("Weather"),
    "forms": _l("Forms for field visits"),
    "hub": PART,
    "certificate": _l("Certificate for tablets"),
    "clock": _l("Clock"),
    "languages": _l("Languages and letters"),
    "start": _l("Start of the box"),
}

_INSTALL = _l("Its file is missing or damaged. Install Ghalla again; nothing that is kept is lost.")
_FULL = _l(
    "The memory card is almost full. Send what waits to the hub, erase old answers, or put in a "
    "larger card."
)
_UNWRITTEN = _l(
    "The memory card can be read but not written: it is at its end. Put in a new card and "
    "restore the last backup."
)
_UPDATE = _l("It was written by a newer Ghalla. Update this box.")
_SKY_DAMAGED = _l(
    "The file of the satellite pictures is damaged. Bring the pictures again; the rest works on."
)
_WEATHER_DAMAGED = _l("The file of the weather is damaged. Bring the weather again.")
_CONTENT = _l(
    "A card cannot be read. Go back to the version before, on the page of what came down."
)

# By the code of a part; these stand on the page whether the part works or not.
NOTES: dict[str, LazyString] = {
    **{f"hub_{code}": STOPPED[code] for code in KEEPER_MUST},
    "store_damaged": _l(
        "The memory of the box was damaged. What could be read was set aside and a new one begun. "
        "Restore the last backup, or ask who set the box up."
    ),
    "store_failed": _l(
        "The box cannot write what it should keep. Switch it off and on; if it stays so, put in a "
        "new memory card and restore the backup."
    ),
    "store_newer": _UPDATE,
    "disk_full": _FULL,
    "disk_low": _FULL,
    "photos_full": _l(
        "The room for photos is used up. Send what waits to the hub: photos that it has make room."
    ),
    "card_read_only": _UNWRITTEN,
    "card_failed": _UNWRITTEN,
    "card_errors": _l(
        "The memory card has made mistakes. Make a backup now and put in a new card soon."
    ),
    "card_worn": _l("The memory card is worn out. Make a backup now and put in a new card soon."),
    "box_hot": _l(
        "The box is too hot and works slowly. Put it in the shade, away from walls, and let air in."
    ),
    "power_weak": _l(
        "The power is too weak. Use the power supply and the cable that came with the box."
    ),
    "power_was_weak": _l(
        "The power was too weak for a moment since the box was switched on. Look at cable and "
        "power supply."
    ),
    "memory_small": _l(
        "This box has little working memory: it looks at one plant at a time, draws maps in turn "
        "and takes satellite pictures only in packs."
    ),
    "model_missing": _INSTALL,
    "model_corrupt": _INSTALL,
    "bad_manifest": _INSTALL,
    "model_state_damaged": _l(
        "The list of plant doctors cannot be read; the one that came with Ghalla answers. Install "
        "the newer one again."
    ),
    "model_rolled_back": _l(
        "A new version did not work on this box and was switched off. The one before it answers."
    ),
    "audit_broken": _l(
        "Somebody or something has changed the audit log. Keep a backup and tell who set the box "
        "up: ghalla audit shows where."
    ),
    "advice_expired": _l("Some cards are past their date. Bring the newer cards to this box."),
    "bad_content": _CONTENT,
    "fonts_missing": _l(
        "Some phones will not show Arabic or Tifinagh letters. Install Ghalla again."
    ),
    "bad_form": _l(
        "A form of this box has a mistake and was left out. Mend its file: ghalla forms check says "
        "where."
    ),
    "archive_damaged": _SKY_DAMAGED,
    "archive_newer": _UPDATE,
    "archive_full": _FULL,
    "pictures_old": _l("No new satellite picture has come for two months."),
    "no_weather": _l("No weather has come yet. Connect the box, or bring weather on a USB stick."),
    "weather_old": _l(
        "The forecast is too old to be used. Connect the box, or bring weather on a USB stick."
    ),
    "hub_silent": _l(
        "The hub has not been heard for a month. Look at the link, or carry what waits on a USB "
        "stick: ghalla sync usb."
    ),
    "clock_past": _l(
        "The clock of the box shows a day that is long past. Connect the box to the internet for a "
        "few minutes, or set its clock."
    ),
    "clock_future": _l(
        "The clock of the box shows a day that lies years ahead. Connect the box to the internet "
        "for a few minutes, or set its clock."
    ),
    "clock_unknown": _l(
        "Nobody vouches for the clock of the box. Connect it to the internet now and then."
    ),
    "certificate_expired": _l(
        "The certificate for tablets has run out. Switch the box off and on: it makes a new one."
    ),
    "tls_damaged": _l(
        "A file of the certificates is damaged. Take the folder tls out of the home and start the "
        "box again; the tablets must then be paired again."
    ),
    "bad_settings": _l("The settings have a mistake. Mend the line that is named here."),
    "home_unusable": _l(
        "The box cannot use the place where it keeps everything. Is the memory card in it, and "
        "can it be written?"
    ),
}
# What the same code means for another part.
_OF_PART: dict[tuple[str, str], LazyString] = {
    ("satellite", "store_damaged"): _SKY_DAMAGED,
    ("satellite", "store_failed"): _SKY_DAMAGED,
    ("weather", "store_damaged"): _WEATHER_DAMAGED,
    ("weather", "store_failed"): _WEATHER_DAMAGED,
    ("weather", "archive_damaged"): _WEATHER_DAMAGED,
}
# For a code that no sentence of its own was written for, of bundles and of what is to come.
OTHER = _l("Something is wrong with this part. Make a support file and send it to who helps you.")


def note(part: Part) -> LazyString | None:
    """What to tell of a part; every broken one has a sentence."""
    special = _OF_PART.get((part.name, part.code))
    return special or NOTES.get(part.code, None if part.ok else OTHER)
