"""Every word the pages choose by a code: errors, faults, sections, parts of the node."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from field_data.types import HEALTHY, Diagnosis, PhotoFault, Status

ERRORS: dict[str, LazyString] = {
    "no_photo": _l("No photo arrived. Take at least one photo, then send."),
    "one_trap_photo": _l("Send one photo of one trap."),
    "too_many_photos": _l("Too many photos. Send one to six photos of one plant."),
    "photo_too_large": _l("One photo is too heavy (more than 15 MB). Take it again, smaller."),
    "photo_too_big": _l("One photo has too many pixels. Take it again with the phone's camera."),
    "not_an_image": _l("One file is not a photo. Choose a photo (JPEG or PNG)."),
    "photo_damaged": _l("One photo is damaged. Take it again."),
    "heic": _l("This phone saves photos as HEIC. Set its camera to JPEG, or take it from here."),
    "unknown_crop": _l("We do not know this crop. Choose another, or \u201cI don't know\u201d."),
    "unknown_lang": _l("We do not know this language."),
    "busy": _l("Many people are asking now. Nothing is lost: wait a little and send again."),
    "too_fast": _l("This phone sends very many photos. Wait a little, then send again."),
    "photos_full": _l("The memory of this box is full. Tell the person who looks after it."),
    "disk_full": _l("The memory of this box is full. Tell the person who looks after it."),
    "keeper": _l("This box has a problem. Tell the person who looks after it."),
    "bad_request": _l("The phone sent something we do not understand. Go back and try again."),
    "cross_site": _l("This request came from another site. Open the page again and retry."),
    "not_found": _l("There is nothing here. It may have been erased."),
    "unknown_condition": _l("Choose what the photos show, or write its name."),
    "condition_in_model": _l("The plant doctor knows this condition already: nothing to teach."),
    "too_few_photos": _l("Too few: at least five good photos of different leaves are needed."),
    "too_many_to_teach": _l("Too many photos at once: send at most twenty, then the others."),
    "unknown_local_class": _l("There is nothing here. It may have been erased."),
    "no_teaching": _l("The plant doctor is not working, so nothing can be taught."),
    "wrong_pin": _l("This is not the PIN of this box."),
    "too_many_tries": _l("Too many wrong PINs. Wait ten minutes, then try again."),
    "unknown_diagnosis": _l("There is nothing here. It may have been erased."),
    "too_large": _l("All photos together are too heavy (more than 64 MB). Send fewer photos."),
    "internal": _l("Something broke on our side. Please try again."),
}

FAULTS: dict[PhotoFault, LazyString] = {
    PhotoFault.BLUR: _l("Blurred. Hold the phone still with two hands, tap on the leaf, wait."),
    PhotoFault.DARK: _l("Too dark. Turn so that daylight falls on the leaf."),
    PhotoFault.GLARE: _l("Too much sun. Shade the leaf with your body."),
    PhotoFault.FAR: _l("Too far. Come near: one leaf fills the photo."),
    PhotoFault.NOT_A_PLANT: _l("This is not a plant. Photograph the sick leaf or fruit."),
}

# Why one photo of a lesson was not taken: a fault, or the code of an error.
REASONS: dict[str, LazyString] = {
    **{fault.value: words for fault, words in FAULTS.items()},
    **{code: ERRORS[code] for code in ("not_an_image", "photo_damaged", "photo_too_big", "heic")},
    "duplicate": _l("Almost the same photo is there already. Photograph another leaf."),
    "taught_as_other": _l("Almost the same photo was taught as something else."),
}


@dataclass(frozen=True)
class TrapWords:
    """What a kind of trap is called, and what stands before the number of its insects."""

    name: LazyString
    insects: LazyString


TRAPS = {
    "tuta": TrapWords(_l("White trap for tomato moths (Tuta)"), _l("Tomato moths:")),
    "yellow": TrapWords(_l("Yellow sticky card"), _l("Insects:")),
}

TRAP_FAULTS: dict[PhotoFault, LazyString] = {
    PhotoFault.BLUR: _l("Blurred. Hold the phone still with two hands, tap on the trap, wait."),
    PhotoFault.DARK: _l("Too dark. Take the trap out into daylight."),
    PhotoFault.GLARE: _l("Too much sun. Shade the trap with your body."),
}

SECTIONS: dict[str, LazyString] = {
    "see": _l("What you see"),
    "lookalike": _l("What it can be confused with"),
    "confirm": _l("How to be sure"),
    "season": _l("When it comes"),
    "scout": _l("How to look over the field"),
    "threshold": _l("When it is worth treating"),
    "prevent": _l("Prevent"),
    "monitor": _l("Keep watching"),
    "act": _l("Do this first"),
    "chemical": _l("Last choice: chemicals"),
    "safety": _l("Protect yourself and others"),
    "do_not": _l("Do not"),
    "call": _l("Whom to ask"),
    "report": _l("Must be reported"),
    "after": _l("After a few days"),
}

# A condition that this node was taught; the texts are those of the macro ``local_mark``.
LOCAL_MARK = ("local, %(num)s photo", "local, %(num)s photos")

SOURCES: dict[str, LazyString] = {
    "general plant-protection literature": _l("general plant-protection literature"),
}

HEADINGS: dict[Status, LazyString] = {
    Status.UNCERTAIN: _l("We are not sure"),
    Status.NOT_A_PLANT: _l("We see no plant in this photo"),
    Status.POOR_PHOTO: _l("We could not see well"),
    Status.NO_MODEL: _l("We cannot tell for this crop"),
}


def sureness(diagnosis: Diagnosis) -> tuple[int, LazyString]:
    """How sure, as 1 to 3 dots and in words; an alert is never more than a suspicion."""
    if diagnosis.alert:
        return 1, _l("not confirmed")
    if diagnosis.status is not Status.CONFIDENT or diagnosis.top is None:
        return 1, _l("not sure")
    return (3, _l("almost sure")) if diagnosis.top.probability >= 0.9 else (2, _l("probable"))


def is_healthy(diagnosis: Diagnosis) -> bool:
    """Whether the answer is "no disease seen"."""
    top = diagnosis.top
    return diagnosis.status is Status.CONFIDENT and top is not None and top.condition == HEALTHY
