"""Every word of the tablets' app, by the key under which its scripts ask for it.

``{name}`` is filled in by the scripts.  The words travel as one JSON file, made from the gettext
catalogues, which stay the only place where they are translated.
"""

from __future__ import annotations

import re

from flask_babel import LazyString, force_locale
from flask_babel import lazy_gettext as _l

from edge_app.i18n import without_markup
from edge_app.languages import LANGS

TEXTS: dict[str, LazyString] = {
    "app_name": _l("Ghalla for agents"),
    "to_page": _l("Go to the page"),
    "language": _l("Language"),
    "pages": _l("More pages"),
    # The line at the top.
    "in_touch": _l("In touch with the box"),
    "no_node": _l("No box in reach. Everything is kept here."),
    "sending": _l("Sending, {done} of {of}"),
    "sign_in_again": _l("Log in again to send. Everything is kept here."),
    "trouble": _l("Sending does not work. Everything is kept here."),
    "unsent_n": _l("Not sent: {n}"),
    "refused_n": _l("Refused: {n}"),
    "new_version": _l("A new version of the app is here. Change to it"),
    "storage_full": _l("The memory of this tablet is full: the last change is not kept."),
    "storage_full_export": _l("Memory full: save what is not sent to a file"),
    "broken": _l("Something broke in the app"),
    # Home.
    "home": _l("Visits"),
    "where_now": _l("Where are you?"),
    "no_field": _l("No field"),
    "nearest": _l("Nearest first"),
    "all_fields": _l("All fields"),
    "new_field": _l("New field"),
    "change_field": _l("Change this field"),
    "today": _l("Today"),
    "nothing_today": _l("No visit yet today."),
    "drafts": _l("Go on with"),
    "welcome": _l("This tablet is not known yet"),
    "not_paired": _l("Nobody works with this tablet yet. Pair it once, near the box."),
    "pair": _l("Pair this tablet"),
    "sign_in": _l("Log in"),
    "sign_in_other": _l("Log in as another person"),
    "try_again": _l("Try again"),
    # A field and its forms.
    "record_what": _l("What do you record?"),
    "before_here": _l("Recorded here before"),
    "correcting": _l("You correct an earlier record. The box keeps both."),
    "place": _l("Place"),
    "no_place": _l("No place taken."),
    "take_place": _l("Take the place"),
    "no_gps": _l("The tablet does not find its place. It also works without."),
    "coarse_gps": _l("The place is only known to {m} m. Wait a little for a better one."),
    "needs_https": _l("Places can only be taken when the app was opened with https."),
    "keep": _l("Keep"),
    "kept_here": _l("Kept on this tablet."),
    "already_kept": _l("Another window kept this already. Correct the record there."),
    "throw_away": _l("Throw away"),
    "throw_away_sure": _l("Throw this draft away? It cannot be brought back."),
    "look_again": _l("One answer is missing or cannot be right."),
    "yes": _l("Yes"),
    "no": _l("No"),
    "choose": _l("Choose"),
    "crop": _l("Crop"),
    "crop_first": _l("Choose the crop first."),
    "minus": _l("Less: {name}"),
    "plus": _l("More: {name}"),
    "unusual": _l("Unusual. Is it right?"),
    "take_photo": _l("Take a photo"),
    "pick_photo": _l("Choose photos"),
    "photo_n": _l("Photo {n}"),
    "remove_photo_n": _l("Remove photo {n}"),
    "enough_photos": _l("{n} photos are enough."),
    "bad_photo": _l("This file cannot be read as a photo."),
    # What can be wrong with an answer.
    "wrong": _l("This cannot be right."),
    "wrong_required": _l("An answer is missing."),
    "wrong_out_of_range": _l("This must be from {low} to {high}."),
    "wrong_not_a_number": _l("Write a number."),
    "wrong_not_whole": _l("Write a whole number."),
    "wrong_not_a_date": _l("Write a date."),
    "wrong_in_future": _l("This date is in the future."),
    "wrong_too_old": _l("This date is too long ago."),
    "wrong_too_long": _l("This is too long."),
    "wrong_photo_count": _l("There are too few photos, or too many."),
    # A record.
    "observation": _l("Visit"),
    "farm": _l("Farm"),
    "field": _l("Field"),
    "season": _l("Season"),
    "consent": _l("Consent"),
    "read_aloud": _l("Read this to the farmer, in their language."),
    "agrees": _l("Agrees"),
    "agrees_not": _l("Does not agree"),
    "asked_not": _l("Not asked yet with this tablet."),
    "state_here": _l("Kept here"),
    "state_node": _l("On the box"),
    "state_hub": _l("At the hub"),
    "state_refused": _l("Refused"),
    "why_refused": _l("The box refused this:"),
    "what_to_do": _l("Nothing is lost. Open the record, mend it, and keep it again."),
    "mend": _l("Mend it"),
    "correct": _l("Correct it"),
    "corrects": _l("It corrects an earlier record"),
    "was_corrected": _l("Corrected by a later record"),
    "other_person": _l("Another person recorded this. It is sent when they log in."),
    "photo_on_node": _l("The photo is on the box."),
    "gone": _l("This is not on the tablet any more."),
    "records": _l("Records"),
    "nothing_yet": _l("Nothing was recorded yet."),
    # The map and new fields.
    "map": _l("Map"),
    "from_above": _l("Fields from above"),
    "no_map": _l("The map cannot be shown."),
    "zoom_in": _l("Nearer"),
    "zoom_out": _l("Farther"),
    "how_to_draw": _l("Tap the corners on the map, or walk round the field and mark each corner."),
    "how_to_draw_map": _l("Tap the corners of the field on the map."),
    "mark_corner": _l("Mark a corner here"),
    "undo": _l("Undo"),
    "three_corners": _l("A field has three corners or more."),
    "sides_cross": _l("The sides cross each other. Undo the last corner."),
    "new_farm": _l("A new farm"),
    "farm_name": _l("Name of the farm"),
    "field_name": _l("Name of the field"),
    # This tablet.
    "tablet": _l("This tablet"),
    "person": _l("Who works here"),
    "storage": _l("Memory"),
    "storage_safe": _l("The browser has promised to keep what is recorded."),
    "storage_unsafe": _l("The browser may erase records when memory is short. Install the app."),
    "away_ready": _l("The app works away from the box."),
    "away_not_yet": _l("The app is not yet on this tablet: stay near the box a little."),
    "storage_used": _l("Used:"),
    "export": _l("Save to a file"),
    "export_why": _l("When the tablet is full, broken or never near a box: carry the file there."),
    "import": _l("Bring a file to the box"),
    "imported": _l("Now on the box: {n}. Refused: {m}."),
    "node": _l("The box"),
    "send_now": _l("Send now"),
}

_BORROWED = re.compile(r"<span lang=")


def catalogue() -> dict[str, dict[str, str]]:
    """Key -> language -> words; a language that borrows them from another one is left out."""
    by_lang = {lang: _words(lang) for lang in LANGS}
    return {
        key: {lang: words[key] for lang, words in by_lang.items() if key in words} for key in TEXTS
    }


def in_languages(text: LazyString) -> dict[str, str]:
    """One text: language -> words, without what a language borrows from another."""
    found = {}
    for lang in LANGS:
        with force_locale(lang):
            found[lang] = str(text)
    return {lang: without_markup(each) for lang, each in found.items() if _is_own(each)}


def _is_own(text: str) -> bool:
    return not _BORROWED.search(text)


def _words(lang: str) -> dict[str, str]:
    with force_locale(lang):
        said = {key: str(text) for key, text in TEXTS.items()}
    return {key: without_markup(text) for key, text in said.items() if _is_own(text)}
