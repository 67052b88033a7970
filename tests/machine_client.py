"""A client of a node, for a network that only it shares with the node; Python's library alone.

``wait URL SECONDS [STATUS]``, ``get URL``, ``post URL FILE``: one line of JSON on the output.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any


def said(url: str, body: bytes | None = None, timeout_s: float = 600) -> dict[str, Any]:
    """Status, headers and text of one request."""
    kinds = {"Content-Type": "image/jpeg"} if body is not None else {}
    request = urllib.request.Request(url, body, kinds)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            status, heads, text = answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        status, heads, text = error.code, dict(error.headers), error.read()
    return {"status": status, "headers": heads, "text": text.decode("utf-8", "replace")}


def wait(url: str, seconds: float) -> dict[str, Any]:
    """The first answer that is 200, with ``at``: the machine's monotonic clock."""
    until = time.monotonic() + seconds
    while True:
        try:
            answer = said(url, timeout_s=10)
            if answer["status"] == 200:
                return {"at": time.monotonic(), **answer}
        except OSError:
            pass
        if time.monotonic() > until:
            raise SystemExit(f"{url} does not answer within {seconds:.0f} s")
        time.sleep(0.05)


def main() -> None:
    """Do what the words say."""
    verb, url, *rest = sys.argv[1:]
    if verb == "wait":
        answer = wait(url, float(rest[0]))
    elif verb == "post":
        with open(rest[0], "rb") as file:  # noqa: PTH123 - nothing to import for it
            answer = said(url, file.read())
    else:
        answer = said(url)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
