"""The pages of agents, agronomists and the keeper: behind a login."""

from edge_app.staff import account as account
from edge_app.staff import audit as audit
from edge_app.staff import bundles as bundles
from edge_app.staff import first as first
from edge_app.staff import home as home
from edge_app.staff import login as login
from edge_app.staff import pairing as pairing
from edge_app.staff import people as people
from edge_app.staff import review as review
from edge_app.staff import review_agreement as review_agreement
from edge_app.staff import seasons as seasons
from edge_app.staff import sky as sky
from edge_app.staff import support as support
from edge_app.staff import sync as sync
from edge_app.staff import week as week
from edge_app.staff import yields as yields
from edge_app.staff.blueprint import blueprint as blueprint
