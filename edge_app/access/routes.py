"""Every endpoint and who may use it: the one table, enforced by :mod:`edge_app.access.guard`.

An endpoint that is not here is refused.  ``PUBLIC`` is everybody, logged in or not; a set of roles
is exactly those.  Which records a role may see of what an endpoint shows is in
:mod:`edge_app.access.rights`.
"""

from __future__ import annotations

from field_data.people import Role

PUBLIC = None
EVERYBODY = frozenset(Role)
STAFF = frozenset({Role.AGENT, Role.AGRONOMIST, Role.KEEPER})
TABLETS = frozenset({Role.AGENT, Role.AGRONOMIST})
AGRONOMISTS = frozenset({Role.AGRONOMIST, Role.KEEPER})
KEEPER = frozenset({Role.KEEPER})

ROUTES: dict[str, frozenset[Role] | None] = {
    # Farmers' pages and the API for programs.
    "static": PUBLIC,
    "root.start": PUBLIC,
    "api.diagnose": PUBLIC,
    "api.health": PUBLIC,
    "api.metrics": PUBLIC,  # of the box itself only, see there
    "pages.home": PUBLIC,
    "pages.photo": PUBLIC,
    "pages.result": PUBLIC,
    "pages.kept_photo": PUBLIC,
    "pages.ask_agent": PUBLIC,
    "pages.asked": PUBLIC,
    "pages.card": PUBLIC,
    "pages.audio": PUBLIC,
    "pages.symptoms": PUBLIC,
    "pages.past": PUBLIC,
    "pages.erase": PUBLIC,
    "pages.privacy": PUBLIC,
    "pages.health": PUBLIC,
    "pages.traps": PUBLIC,
    "pages.trap": PUBLIC,
    "pages.teaching": PUBLIC,  # behind the teaching PIN
    "pages.lesson": PUBLIC,
    "pages.undo": PUBLIC,
    "pages.field_yield": PUBLIC,  # behind a link that nobody guesses
    "pages.field_week": PUBLIC,  # the same link
    "pages.week_answer": PUBLIC,
    "pages.week_audio": PUBLIC,
    # Coming in, with a secret or a one-time code.
    "staff.login": PUBLIC,
    "staff.setup": PUBLIC,
    "staff.welcome": PUBLIC,
    "pairing.tablet": PUBLIC,
    "pairing.authority": PUBLIC,
    "staff.trust": PUBLIC,
    # What telephones see before they know where they are, and the box's first keeper.
    "portal.page": PUBLIC,
    "portal.stay": PUBLIC,
    "first.start": PUBLIC,
    "first.language": PUBLIC,
    "first.place": PUBLIC,
    "first.keeper": PUBLIC,
    "first.wifi": KEEPER,
    "first.hub": KEEPER,
    "first.done": KEEPER,
    # Everybody who is logged in.
    "me.me": EVERYBODY,
    "staff.logout": EVERYBODY,
    "staff.home": EVERYBODY,
    "staff.account": EVERYBODY,
    "staff.account_secret": EVERYBODY,
    "staff.account_end": EVERYBODY,
    "staff.account_export": EVERYBODY,
    "staff.account_erase": EVERYBODY,
    # Tablets: for oneself; the keeper for agents and agronomists.
    "staff.pair": STAFF,
    # The keeper.
    "staff.people": KEEPER,
    "staff.person": KEEPER,
    "staff.person_change": KEEPER,
    "staff.person_invite": KEEPER,
    "staff.person_active": KEEPER,
    "staff.person_end": KEEPER,
    "staff.person_export": KEEPER,
    "staff.person_erase": KEEPER,
    "staff.audit": KEEPER,
    "staff.support": KEEPER,
    "staff.support_take": KEEPER,
    "staff.bundles": KEEPER,
    "staff.bundles_back": KEEPER,
    # The tablets' app: its files tell nothing, its API is for who carries a tablet.
    "agent.app": PUBLIC,
    "agent.worker": PUBLIC,
    "agent.manifest": PUBLIC,
    "agent.file": PUBLIC,
    "tablet.description": PUBLIC,
    "tablet.node": STAFF,
    "tablet.forms": STAFF,
    "tablet.vocabulary": STAFF,
    "tablet.land": TABLETS,
    "tablet.sky": TABLETS,
    "tablet.consents": TABLETS,
    "tablet.put_photo": TABLETS,
    "tablet.get_photo": TABLETS,
    "tablet.put_event": TABLETS,
    "tablet.events": TABLETS,
    "tablet.import_file": STAFF,
    # Fields from above.
    "staff.sky_map": STAFF,
    "staff.sky_field": STAFF,
    "staff.sky_picture": STAFF,
    "sky.tile": STAFF,
    "sky.fields": STAFF,
    "sky.boundary": STAFF,
    # What goes to the hub.
    "staff.sync": STAFF,
    "staff.sync_now": STAFF,
    "staff.sync_retry": KEEPER,
    # What fields give.
    "staff.seasons": STAFF,
    "staff.season": STAFF,
    "staff.yields": STAFF,
    "staff.yield_field": STAFF,
    "staff.yield_card": STAFF,
    "staff.yield_skill": AGRONOMISTS,
    # What to do this week.
    "staff.weeks": STAFF,
    "staff.week_map": STAFF,
    "staff.week_field": STAFF,
    "staff.week_sheet": STAFF,
    "staff.week_outcomes": AGRONOMISTS,
    # Reviews.
    "staff.review": STAFF,
    "staff.review_next": STAFF,
    "staff.review_plant": STAFF,
    "staff.review_change": STAFF,
    "staff.review_photo": STAFF,
    "staff.review_mine": STAFF,
    "staff.review_agreement": AGRONOMISTS,
    "tablet.count": TABLETS,
}

# Where anybody may send photos, each at a phone's pace.
PHOTOS_IN = frozenset({"pages.photo", "pages.trap", "api.diagnose"})
# Public, but a secret is typed there: over https where the node speaks it, as all behind a login.
SECRET = frozenset({"staff.login", "staff.welcome", "pairing.tablet", "agent.app"})
# Before any device trusts the box's certificate, on the Wi-Fi whose passphrase is on its label.
FIRST_RUN = frozenset({"first.wifi", "first.hub", "first.done"})


def allowed(endpoint: str, role: Role | None) -> bool:
    """Whether somebody with that role (None: not logged in) may use the endpoint."""
    roles = ROUTES.get(endpoint, frozenset())
    return True if roles is PUBLIC else role in roles
