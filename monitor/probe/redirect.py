"""Whether a redirect is followed, and where to. Pure.

A probe stays with the service that the contract names: it follows at most `MAX_HOPS - 1` redirects, to the same host
name (any port, so that http:// may lead to https://), never from https to http, never to a URL that it came from, and
never to another scheme. So no answer can turn the monitor against another machine, and no other service's health is
taken for the customer's. A redirect to another host is a failure: the contract should name the final URL, or expect
the redirect's own status. Cookies are not kept between hops.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import SplitResult, urldefrag, urlsplit

from monitor.probe.reason import Reason

MAX_HOPS = 6
"""The first request and five redirects."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})


def next_url(visited: Sequence[str], location: str) -> str | Reason:
    """Name the URL of the next hop, or why it is refused.

    `visited` are the URLs of the hops so far, the current one last; `location` is absolute, as libcurl resolved it.
    """
    target = urldefrag(location).url
    try:
        here, there = urlsplit(visited[-1]), urlsplit(target)
        refused = _refusal(here, there)
    except ValueError:  # such as a port that is no number
        return Reason.REDIRECT_REFUSED
    if refused is not None:
        return refused
    if target in visited:
        return Reason.REDIRECT_LOOP
    return target if len(visited) < MAX_HOPS else Reason.TOO_MANY_REDIRECTS


def _refusal(here: SplitResult, there: SplitResult) -> Reason | None:
    if there.scheme not in {"http", "https"} or not there.hostname or there.username is not None or there.port == 0:
        return Reason.REDIRECT_REFUSED
    if there.hostname.rstrip(".") != (here.hostname or "").rstrip("."):
        return Reason.REDIRECT_OTHER_HOST
    return Reason.REDIRECT_DOWNGRADE if (here.scheme, there.scheme) == ("https", "http") else None
