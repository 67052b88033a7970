"""Errors, grouped by who must act.

Every error carries a stable ``code`` (looked up in the translations of the roof) and ``details``
to fill in.  The English message is for logs and for the command line.
"""

from __future__ import annotations


class GhallaError(Exception):
    """Base of every error that Ghalla raises on purpose."""

    def __init__(self, code: str, message: str = "", **details: object) -> None:
        super().__init__(message or code)
        self.code = code
        self.details = details


class PersonError(GhallaError):
    """The person in front of the page or the terminal can mend it (a wrong file, no photo …)."""


class KeeperError(GhallaError):
    """The node's keeper must act (disk full, home in use, store damaged …)."""


class PublisherError(GhallaError):
    """Whoever published a model, card or bundle must act (bad hash, bad manifest …)."""


class NetworkError(GhallaError):
    """The link failed: try again later."""


class HubError(GhallaError):
    """The hub refused for a reason that a retry will not change."""


class BusyError(GhallaError):
    """The node's queue is full: ``retry_after_s`` says when to come back."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("busy", f"the node is busy, try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s
