"""Catalogues that Ghalla knows, one TOML file each, and what is assumed of all others."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from field_data.errors import PublisherError

# ESA's names of the bands, by STAC's common names: to notice bands that were swapped.
ESA_NAMES = {
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "nir": "B08",
    "swir16": "B11",
    "scl": "SCL",
}
_LONGEST_TOKEN_S, _SHORTEST_TOKEN_S = 45 * 60.0, 60.0


@dataclass(frozen=True, slots=True)
class Source:
    """A catalogue: where it is, how it names bands, what it did to the BOA offset.

    ``boa_flag``: the property that says whether the offset was taken off the pixels;
    ``offset_in_pixels``: what holds where an item does not say.
    """

    title: str
    url: str
    collections: tuple[str, ...]
    bands: Mapping[str, tuple[str, ...]]
    boa_flag: str
    offset_in_pixels: bool
    token_url: str = ""
    token_hosts: str = ""


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


def source_names() -> list[str]:
    """Names that can stand for an address."""
    names = (each.name for each in resources.files(__name__).iterdir())
    return sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml") and n != "any.toml")


def load_source(name: str) -> Source:
    """The source described in ``NAME.toml`` of this package."""
    said = _read(name)
    bands, sign = _read("any")["bands"], said.get("sign", {})
    return Source(
        title=said["title"],
        url=said["url"],
        collections=tuple(said["collections"]),
        bands={band: tuple(aliases) for band, aliases in bands.items()},
        boa_flag=said["boa"]["flag"],
        offset_in_pixels=said["boa"]["otherwise"] == "in_pixels",
        token_url=sign.get("token", ""),
        token_hosts=sign.get("hosts", ""),
    )


def find_source(catalog: str) -> tuple[Source, str]:
    """The source that a name, address or path means, and the address or path to open."""
    names = source_names()
    if catalog in names:
        source = load_source(catalog)
        return source, source.url
    known = map(load_source, names)
    source = next((s for s in known if catalog.rstrip("/").startswith(s.url)), load_source("any"))
    return source, catalog


@dataclass(slots=True)
class TokenSigner:
    """Adds a token to addresses of certain hosts; one token is asked for and kept until it expires.

    A node's clock may be wrong: a token is believed for a minute at least and three quarters of an
    hour at most, and a refusal renews it.
    """

    token_url: str
    hosts: str
    document: Callable[[str], bytes]
    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    _token: str = field(default="", init=False)
    _until: float = field(default=0.0, init=False)

    def __call__(self, url: str, *, renew: bool = False) -> str:
        """The address with a token, where its host wants one.

        Raises:
            PublisherError: ``bad_token``; and what ``document`` raises.
        """
        if not (urlsplit(url).hostname or "").endswith(self.hosts):
            return url
        if renew or self.steady() >= self._until:
            self._fetch()
        return f"{url}{'&' if urlsplit(url).query else '?'}{self._token}"

    def _fetch(self) -> None:
        try:
            said = json.loads(self.document(self.token_url))
            expiry = datetime.fromisoformat(said["msft:expiry"]).timestamp()
            token = said["token"]
        except (ValueError, KeyError, TypeError) as error:
            raise PublisherError("bad_token", f"{self.token_url} gave no token") from error
        if not isinstance(token, str) or not token.isprintable():
            raise PublisherError("bad_token", f"{self.token_url} gave no token")
        lasts = min(max(expiry - self.wall() - 60, _SHORTEST_TOKEN_S), _LONGEST_TOKEN_S)
        self._token, self._until = token, self.steady() + lasts
