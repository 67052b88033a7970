"""The hub as a Flask app.  It keeps no state of its own: any number of processes may serve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Blueprint, Flask, current_app
from werkzeug.middleware.proxy_fix import ProxyFix

from sync.hub.blob_removal import sweep
from sync.hub.blobs import Blobs
from sync.hub.database import Database
from sync.hub.identity import HubIdentity, identity
from sync.hub.settings import HubSettings
from sync.hub.strangers import Strangers

_NAME = "ghalla_hub"


@dataclass(frozen=True, slots=True)
class Hub:
    """What every request works with."""

    settings: HubSettings
    database: Database
    blobs: Blobs
    identity: HubIdentity
    strangers: Strangers


def _blueprints() -> list[Blueprint]:
    """Everything that the hub serves."""
    from sync.hub import bundle_api as _bundles  # noqa: F401 (adds its routes to the nodes')
    from sync.hub.api_ogc import OGC
    from sync.hub.api_pull import PULL
    from sync.hub.node_api import NODE_API

    return [NODE_API, OGC, PULL]


def open_hub(settings: HubSettings) -> Hub:
    """The hub's parts, its tables brought up to this software.

    Raises:
        NetworkError: ``database_down``.
        KeeperError: ``hub_database``, ``hub_newer``, ``hub_blobs``.
    """
    database = Database(settings.database)
    database.migrate()
    blobs = Blobs(settings.blobs, settings.spare_bytes)
    sweep(database, blobs)
    strangers = Strangers(settings.strangers_a_minute)
    return Hub(settings, database, blobs, identity(database), strangers)


def create_hub(settings: HubSettings) -> Flask:
    """The app; raises as `open_hub`."""
    app = Flask(__name__)
    app.extensions[_NAME] = open_hub(settings)
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    for blueprint in _blueprints():
        app.register_blueprint(blueprint)
    from sync.hub.pages import init_pages
    from sync.hub.people_web import init_people

    init_people(app)
    init_pages(app)
    return app


def hub_of(app: Flask) -> Hub:
    """The parts of an app made by `create_hub`."""
    return cast(Hub, app.extensions[_NAME])


def this_hub() -> Hub:
    """The parts of the app that serves the present request."""
    return hub_of(current_app)
