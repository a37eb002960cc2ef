"""What a customer's URL is asked in the last gate of a deploy, wherever it is asked from. Pure."""

from __future__ import annotations

from crm.plan import Want
from crm.recipe import Ask, Http


def question(want: Want) -> Ask:
    """Return what the public URL is asked: `ready`, or `live` where `ready` is not asked over HTTP by GET."""
    for ask in (want.recipe.ready, want.recipe.live):
        if isinstance(ask.how, Http) and ask.how.method == "GET":
            return ask
    return Ask(Http("GET", "/"), r"^[23]\d\d ")
